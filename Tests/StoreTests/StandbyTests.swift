import System
import TestSupport
import Testing

@testable import Store

/// What every standby promises, wherever it keeps what waits.
@Suite struct StandbyTests {
    enum Kind: CaseIterable, Sendable {
        case memory, sqlite

        /// A standby with room for some 40 kB, and sessions of a quarter of that.
        func withStandby(_ body: (any Standby) throws -> Void) throws {
            let (limits, clock) = (StoreLimits(maxSessionBytes: 10_000), ManualClock())
            switch self {
            case .memory: try body(MemoryStandby(limits: limits, maxBytes: 40_000, clock: clock))
            case .sqlite:
                let folder = try StateFolder()
                try body(
                    SQLiteStandby(
                        in: try folder.directory(), target: "t", limits: limits, maxBytes: 40_000, clock: clock))
            }
        }
    }

    private static let id = SessionID("s")!

    @Test(arguments: Kind.allCases, [true, false])
    func `what has no room is refused, and what is known stays as it was`(_ kind: Kind, isAppend: Bool) throws {
        try kind.withStandby { standby in
            for _ in 0..<7 { _ = try standby.take(4000) { .append($0, key: nil) } }
            let known = try standby.known(of: Self.id, last: nil)
            let backlog = standby.backlog
            #expect(backlog.operations == 7 && backlog.sessions == 1 && backlog.hasRoom)
            let key = IdempotencyKey(key: "k", fingerprint: 1)
            #expect(throws: StoreError.full) {
                // More than a session may have, in messages that it may have.
                try standby.take(5500, 5500) { isAppend ? .append($0, key: key) : .replace($0, .none) }
            }
            #expect(try standby.known(of: Self.id, last: nil) == known)
            #expect(standby.backlog == backlog)
            // Nor is the key known of what was refused.
            let next = try standby.take(100) { .append($0, key: IdempotencyKey(key: "k", fingerprint: 2)) }
            #expect(next.existed && !next.isReplay)
        }
    }

    @Test(arguments: Kind.allCases)
    func `nothing is taken any more when seven eighths are`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            var taken = 0
            while standby.backlog.hasRoom {
                _ = try standby.take(1000) { .append($0, key: nil) }
                taken += 1
            }
            #expect(taken > 10)
            #expect(standby.backlog.bytes >= 35_000 && standby.backlog.bytes <= 40_000)
            #expect(throws: StoreError.full) { try standby.take(1) { .append($0, key: nil) } }
            #expect(throws: StoreError.full) { try standby.take(Operation(of: Self.id, .delete)) }
            #expect(standby.backlog.operations == taken)
            try standby.settle(try #require(try standby.lease()), applied: 10, refusal: nil)
            #expect(standby.backlog.hasRoom)
            _ = try standby.take(1) { .append($0, key: nil) }
        }
    }

    @Test(arguments: Kind.allCases)
    func `what was refused does not take up room`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            for _ in 0..<100 {
                #expect(throws: StoreError.tooLarge(limit: 10_000)) {
                    try standby.take(20_000) { .append($0, key: nil) }
                }
            }
            #expect(standby.backlog.operations == 0 && standby.backlog.bytes == 0 && standby.backlog.oldest == nil)
            #expect(try !standby.holds(Self.id))
            _ = try standby.take(4000) { .append($0, key: nil) }
            #expect(standby.backlog.operations == 1)
        }
    }

    @Test(arguments: Kind.allCases)
    func `when all is written nothing is known any more`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            _ = try standby.take(100) { .append($0, key: nil) }
            _ = try standby.take(100) { .append($0, key: nil) }
            let first = try #require(try standby.lease())
            #expect(try standby.lease() == nil)
            _ = try standby.take(100) { .append($0, key: nil) }
            try standby.settle(first, applied: 2, refusal: nil)
            #expect(try standby.holds(Self.id))
            guard case .session(let session) = try standby.known(of: Self.id, last: nil) else {
                Issue.record("nothing is known of what waits")
                return
            }
            #expect(session.messageCount == 3)
            try standby.settle(try #require(try standby.lease()), applied: 1, refusal: nil)
            #expect(try !standby.holds(Self.id))
            #expect(try standby.known(of: Self.id, last: nil) == .nothing)
            #expect(standby.backlog.operations == 0 && standby.backlog.bytes == 0 && standby.backlog.sessions == 0)
            #expect(try standby.lease() == nil)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a key that was taken answers again and is refused to another body`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            let key = IdempotencyKey(key: "k", fingerprint: 1)
            let first = try standby.take(10, 20) { .append($0, key: key) }
            #expect(first.isPartial && !first.existed && !first.isReplay && first.appended == 2)
            _ = try standby.take(10) { .append($0, key: nil) }
            let again = try standby.take(10, 20) { .append($0, key: key) }
            #expect(again.isPartial && again.isReplay && again.messageCount == 2 && again.appended == 2)
            #expect(throws: StoreError.keyReused) {
                try standby.take(10) { .append($0, key: IdempotencyKey(key: "k", fingerprint: 2)) }
            }
            #expect(standby.backlog.operations == 2)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a deletion is known, and only a second one is told to be one`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            let deletion = Operation(of: Self.id, .delete)
            let first = try standby.take(deletion)
            #expect(first.existed && first.isPartial)
            #expect(try standby.known(of: Self.id, last: nil) == .deleted)
            let second = try standby.take(Operation(of: Self.id, .delete))
            #expect(!second.existed && second.isPartial)
            #expect(standby.backlog.operations == 1)
            _ = try standby.take(10) { .append($0, key: nil) }
            #expect(try standby.take(Operation(of: Self.id, .delete)).existed)
            let lease = try #require(try standby.lease())
            #expect(lease.operations.count == 3 && lease.operations.first == deletion)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a lease is of the oldest operations of a session that nobody is in charge of`(_ kind: Kind) throws {
        try kind.withStandby { standby in
            let ids = (0..<3).map { SessionID("s\($0)")! }
            let taken = try (0..<35).map { number in
                let operation = Operation(of: ids[max(0, number - 32)], .append([.user("\(number)")], key: nil))
                _ = try standby.take(operation)
                return operation
            }
            let first = try #require(try standby.lease())
            #expect(first.session == ids[0])
            #expect(first.operations.map(\.id) == taken.prefix(Lease.maximumOperations).map(\.id))
            let second = try #require(try standby.lease())
            let third = try #require(try standby.lease())
            #expect([second.session, third.session] == [ids[1], ids[2]])
            #expect(try standby.lease() == nil)
            try standby.settle(second, applied: 0, refusal: nil)
            #expect(try standby.lease()?.operations.map(\.id) == [taken[33].id])
            try standby.settle(first, applied: 5, refusal: nil)
            let rest = try #require(try standby.lease())
            #expect(rest.operations.map(\.id) == taken[5..<33].map(\.id))
            #expect(standby.backlog.operations == 30)
        }
    }
}

extension Standby {
    /// Takes a change with messages of so many bytes each.
    fileprivate func take(_ bytes: Int..., change: ([Message]) -> Operation.Change) throws -> Outcome {
        try take(Operation(of: SessionID("s")!, change(bytes.map { .user(String(repeating: "x", count: $0)) })))
    }
}
