import Store
import Synchronization

/// A store that answers every question with the same refusal.
final class FaultyStore: SessionStore {
    private let error: StoreError
    private let count = Atomic<Int>(0)

    init(_ error: StoreError) {
        self.error = error
    }

    /// How many questions it was asked.
    var calls: Int { count.load(ordering: .relaxed) }

    func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Stored<Session> { throw refusal() }

    func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?> { throw refusal() }

    func replace(
        _ id: SessionID, messages: [Message], condition: ReplaceCondition
    ) throws(StoreError) -> Stored<ReplaceResult> { throw refusal() }

    func append(
        _ messages: [Message], to id: SessionID, key: IdempotencyKey?
    ) throws(StoreError) -> Stored<AppendResult> { throw refusal() }

    func delete(_ id: SessionID) throws(StoreError) -> Stored<Bool> { throw refusal() }

    func cleanup(olderThanDays days: Int, dryRun: Bool) throws(StoreError) -> Stored<Int> { throw refusal() }

    func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> Stored<SessionPage> { throw refusal() }

    var kind: StoreKind { status.kind }

    var status: StoreStatus {
        StoreStatus(
            kind: .mongodb, mongo: .disconnected, activeSessions: 0, ttlSeconds: 60, isReady: false,
            pendingOperations: 3)
    }

    private func refusal() -> StoreError {
        count.add(1, ordering: .relaxed)
        return error
    }
}
