import System

/// A way of keeping sessions, used from many threads at once.
///
/// Calls block until what they did is as durable as the store makes it. Each is atomic: another caller sees
/// all of it or nothing. A session whose `updated_at` lies `ttlSeconds` or more in the past is gone, whether or
/// not it still takes up room: reads do not find it, and a write to one starts afresh.
package protocol SessionStore: SessionService {
    /// Makes a change: the one way to do so. Throws `.conditionFailed`, `.keyReused`, `.tooLarge`, `.full`,
    /// `.unavailable`, `.failed`; a change that throws `.unavailable` may have been made, any other has not.
    func apply(_ operation: Operation) throws(StoreError) -> Outcome

    /// A session with its newest `last` messages, or all of them where nil. Nil where there is none.
    /// Throws `.unavailable`, `.failed`.
    func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session?
}

extension SessionStore {
    package func answer(to operation: Operation) throws(StoreError) -> Answer<Outcome> {
        let outcome = try apply(operation)
        return Answer(outcome, from: kind, isPartial: outcome.isPartial)
    }

    package func answer(toReading id: SessionID, last: Int?) throws(StoreError) -> Answer<Session?> {
        Answer(try read(id, last: last), from: kind, isPartial: false)
    }
}

/// A store that can become unreachable, and to which an operation can then be given again: an append or a replacement
/// is made at most once, however often it is given, as long as no more than 64 other changes of its session came
/// between.
package protocol RemoteStore: SessionStore {
    /// What the store's own health check has last found, within about a second.
    var isHealthy: Bool { get }

    /// Asks the store whether sessions can be read and written, within a few seconds at the worst.
    /// Throws `.unavailable`, `.failed`.
    func probe() throws(StoreError)

    /// About the time on the store's clock; nil before it was heard from.
    var serverTime: Timestamp? { get }
}
