import System

/// What takes operations while a primary is unreachable, knows what they make of their sessions, and keeps them until
/// the primary has them. Used from many threads at once.
///
/// An operation and what is known of its session change in one step. As long as operations of a session wait, the
/// standby answers for it, so that nobody sees the primary's older state in between.
package protocol Standby: Sendable {
    /// Which kind of store its answers are from.
    var kind: StoreKind { get }

    /// Whether what waits outlives this process, for another one to replay.
    var isDurable: Bool { get }

    /// Makes a change to what is known of its session, and keeps the operation. An append with a key that is known
    /// here is answered as before, and not kept. Throws `.keyReused`, `.tooLarge`, `.full`, `.unavailable`; nothing
    /// was taken then.
    func take(_ operation: Operation) throws(StoreError) -> Outcome

    /// What is known of a session. Throws `.unavailable`, `.failed`.
    func known(of session: SessionID, last: Int?) throws(StoreError) -> KnownSession

    /// Whether operations of a session wait. It costs next to nothing where none of any session do.
    /// Throws `.unavailable`, `.failed`.
    func holds(_ session: SessionID) throws(StoreError) -> Bool

    /// The operations of a session that are to be given to the primary next; nil where none wait of which nobody is
    /// in charge. The caller is in charge of the session's until it settles them. Throws `.unavailable`, `.failed`.
    func lease() throws(StoreError) -> Lease?

    /// Forgets the first `applied` operations of a lease, which the primary has, and with the last that waits also what
    /// is known of the session. The lease ends. Throws `.unavailable`, `.failed`; the operations are leased again then.
    /// - Parameter refusal: why the primary does not take the next one, where it answers and refuses.
    func settle(_ lease: Lease, applied: Int, refusal: StoreError?) throws(StoreError)

    /// What waits, without asking anybody.
    var backlog: Backlog { get }
}

package enum KnownSession: Sendable, Equatable {
    case nothing
    /// The last operation that waits has deleted it.
    case deleted
    case session(Session)
}

/// A session's oldest operations, in their order.
package struct Lease: Sendable {
    package let session: SessionID
    package let operations: [Operation]

    /// How many operations are leased at once, at most. A primary knows the last 64 of a session, so that any of them
    /// can be given again.
    package static let maximumOperations = 32
}

package struct Backlog: Sendable, Equatable {
    /// How many operations wait.
    package var operations: Int
    /// About what they take up.
    package var bytes: Int
    /// Of how many sessions something is known.
    package var sessions: Int
    /// When the oldest of the operations was taken; nil where that is not known.
    package var oldest: Timestamp?
    package var hasRoom: Bool
}
