@testable import Store

/// A standby whose user is killed at any moment, and another takes its place: what was in its memory is gone, also who was
/// in charge of what. For one thread.
final class RestartingStandby: Standby, @unchecked Sendable {
    private let open: () throws -> any Standby
    private var current: any Standby
    private var restarts = 0
    /// At which restart the leases under way were given, the last one last.
    private var leases: [Int] = []

    init(_ open: @escaping () throws -> any Standby) throws {
        self.open = open
        current = try open()
    }

    func restart() throws {
        // Its locks end with it, before the next one comes.
        current = NoStandby()
        current = try open()
        restarts += 1
    }

    var kind: StoreKind { current.kind }

    var isDurable: Bool { current.isDurable }

    func take(_ operation: Operation) throws(StoreError) -> Outcome { try current.take(operation) }

    func known(of session: SessionID, last: Int?) throws(StoreError) -> KnownSession {
        try current.known(of: session, last: last)
    }

    func holds(_ session: SessionID) throws(StoreError) -> Bool { try current.holds(session) }

    func lease() throws(StoreError) -> Lease? {
        guard let lease = try current.lease() else { return nil }
        leases.append(restarts)
        return lease
    }

    func settle(_ lease: Lease, applied: Int, refusal: StoreError?) throws(StoreError) {
        // The dead settle nothing.
        guard leases.removeLast() == restarts else { throw .unavailable(reason: "killed") }
        try current.settle(lease, applied: applied, refusal: refusal)
    }

    var backlog: Backlog { current.backlog }
}

/// Stands where one was closed and the next is not open yet.
private struct NoStandby: Standby {
    let kind = StoreKind.memory
    let isDurable = false
    let backlog = Backlog(operations: 0, bytes: 0, sessions: 0, oldest: nil, hasRoom: false)

    func take(_ operation: Operation) throws(StoreError) -> Outcome { throw .full }
    func known(of session: SessionID, last: Int?) throws(StoreError) -> KnownSession { .nothing }
    func holds(_ session: SessionID) throws(StoreError) -> Bool { false }
    func lease() throws(StoreError) -> Lease? { nil }
    func settle(_ lease: Lease, applied: Int, refusal: StoreError?) throws(StoreError) {}
}
