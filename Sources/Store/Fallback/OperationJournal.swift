/// Keeps the changes that were acknowledged while MongoDB was away, in the order of each session, until they are
/// written there. All but `record` may be called from several threads at once; `record` is called for one session by
/// one thread at a time.
package protocol OperationJournal: Sendable {
    /// Takes a change. Throws `.full` where there is no room for it, `.unavailable` where it cannot be kept.
    func record(_ operation: Operation) throws(StoreError)

    /// How many changes are waiting.
    var count: Int { get }

    /// Whether there is room for more.
    var hasRoom: Bool { get }

    /// The change of a session that was recorded last, nil where none is waiting.
    func newest(of session: SessionID) -> Operation?

    /// Takes charge of a session with waiting changes that nobody else is in charge of.
    func claim() -> SessionID?

    /// Gives a session back that was claimed.
    func release(_ session: SessionID)

    /// The change of a session that was recorded first, nil where none is waiting.
    func oldest(of session: SessionID) -> Operation?

    /// Forgets a session's oldest change, which is written. Returns whether it was the last one.
    func removeOldest(of session: SessionID) -> Bool
}
