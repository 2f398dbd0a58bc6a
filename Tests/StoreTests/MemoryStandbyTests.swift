import TestSupport
import Testing

@testable import Store

@Suite struct MemoryStandbyTests {
    private let standby = MemoryStandby(limits: StoreLimits(), maxBytes: 40_000, clock: ManualClock())
    private let id = SessionID("s")!

    private func take(_ bytes: Int, _ change: ([Message]) -> Operation.Change) throws -> Outcome {
        try standby.take(Operation(of: id, change([.user(String(repeating: "x", count: bytes))])))
    }

    @Test(arguments: [true, false])
    func `what has no room is refused, and what is known stays as it was`(isAppend: Bool) throws {
        for _ in 0..<7 { _ = try take(4000) { .append($0, key: nil) } }
        let known = try standby.known(of: id, last: nil)
        #expect(standby.backlog == Backlog(operations: 7, sessions: 1, hasRoom: true))
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        #expect(throws: StoreError.full) {
            try take(9000) { isAppend ? .append($0, key: key) : .replace($0, .none) }
        }
        #expect(try standby.known(of: id, last: nil) == known)
        #expect(standby.backlog == Backlog(operations: 7, sessions: 1, hasRoom: true))
        // Nor is the key known of what was refused.
        let next = try take(100) { .append($0, key: IdempotencyKey(key: "k", fingerprint: 2)) }
        #expect(next.existed && !next.isReplay)
    }

    @Test func `what was refused does not take up room`() throws {
        for _ in 0..<100 {
            #expect(throws: StoreError.self) { try take(20_000) { .append($0, key: nil) } }
        }
        _ = try take(4000) { .append($0, key: nil) }
        #expect(standby.backlog.operations == 1)
    }

    @Test func `when all is written nothing is known any more`() throws {
        _ = try take(100) { .append($0, key: nil) }
        _ = try take(100) { .append($0, key: nil) }
        let first = try #require(standby.lease())
        #expect(standby.lease() == nil)
        _ = try take(100) { .append($0, key: nil) }
        try standby.settle(first, applied: 2)
        #expect(standby.holds(id))
        guard case .session(let session) = try standby.known(of: id, last: nil) else {
            Issue.record("nothing is known of what waits")
            return
        }
        #expect(session.messageCount == 3)
        try standby.settle(try #require(standby.lease()), applied: 1)
        #expect(!standby.holds(id))
        #expect(try standby.known(of: id, last: nil) == .nothing)
        #expect(standby.backlog == Backlog(operations: 0, sessions: 0, hasRoom: true))
    }
}
