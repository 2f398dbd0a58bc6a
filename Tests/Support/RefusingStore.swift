import Store
import Synchronization

/// A store that answers every question with the same refusal.
package final class RefusingStore: SessionStore {
    private let error: StoreError
    private let count = Atomic<Int>(0)

    package init(_ error: StoreError) {
        self.error = error
    }

    /// How many questions it was asked.
    package var calls: Int { count.load(ordering: .relaxed) }

    package func apply(_ operation: Operation) throws(StoreError) -> Outcome { throw refusal() }

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? { throw refusal() }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage { throw refusal() }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        throw refusal()
    }

    package var kind: StoreKind { status.kind }

    package var status: StoreStatus {
        StoreStatus(
            kind: .mongodb, primary: .unreachable, activeSessions: 0, ttlSeconds: 60, isReady: false,
            pendingOperations: 3)
    }

    private func refusal() -> StoreError {
        count.add(1, ordering: .relaxed)
        return error
    }
}
