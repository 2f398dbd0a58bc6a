import Synchronization
import System
import TestSupport
import Testing

@testable import Store

/// What a standby in a file promises beside what all do.
@Suite struct SQLiteStandbyTests {
    private let folder: StateFolder
    private let clock = ManualClock()
    private let a = SessionID("a")!
    private let b = SessionID("b")!

    init() throws { folder = try StateFolder() }

    /// A standby over the folder's file, as another worker opens it.
    private func open(
        target: String = "t", limits: StoreLimits = StoreLimits(), maxBytes: Int = 1 << 28
    ) throws -> SQLiteStandby {
        try SQLiteStandby(
            in: try folder.directory(), target: target, limits: limits, maxBytes: maxBytes, clock: clock)
    }

    private func append(_ text: String, to id: SessionID, takenAt: Timestamp? = nil) -> Operation {
        Operation(of: id, .append([.user(text)], key: nil), takenAt: takenAt)
    }

    private func contents(_ standby: SQLiteStandby, _ id: SessionID) throws -> [String]? {
        guard case .session(let session) = try standby.known(of: id, last: nil) else { return nil }
        return session.contents
    }

    // MARK: More than one worker

    @Test func `what one worker has taken every other knows at once`() throws {
        let (one, other) = (try open(), try open())
        #expect(try !other.holds(a) && other.lease() == nil && other.backlog.operations == 0)
        for number in 1...5 {
            _ = try one.take(append("\(number)", to: a))
            #expect(try other.holds(a) && !other.holds(b))
            #expect(try contents(other, a) == (1...number).map(String.init))
            #expect(other.backlog == one.backlog && other.backlog.operations == number)
            #expect(other.backlog.oldest == clock.now && other.backlog.sessions == 1)
        }
        _ = try other.take(Operation(of: a, .delete))
        #expect(try one.known(of: a, last: nil) == .deleted)
        let lease = try #require(try other.lease())
        try other.settle(lease, applied: 6, refusal: nil)
        for standby in [one, other] {
            #expect(try !standby.holds(a) && standby.known(of: a, last: nil) == .nothing)
            #expect(standby.backlog.operations == 0 && standby.backlog.bytes == 0 && standby.backlog.oldest == nil)
        }
    }

    @Test func `one worker replays at a time, with as many leases as there are sessions`() throws {
        let (one, other) = (try open(), try open())
        for id in [a, b] { _ = try one.take(append("x", to: id)) }
        let first = try #require(try one.lease())
        #expect(try other.lease() == nil)
        let second = try #require(try one.lease())
        #expect(first.session == a && second.session == b)
        try one.settle(first, applied: 1, refusal: nil)
        #expect(try other.lease() == nil)
        try one.settle(second, applied: 0, refusal: nil)
        let third = try #require(try other.lease())
        #expect(third.operations.map(\.id) == second.operations.map(\.id))
        #expect(try one.lease() == nil)
        try other.settle(third, applied: 1, refusal: nil)
        #expect(try one.lease() == nil && other.lease() == nil)
    }

    @Test func `a replayer that is gone is followed`() throws {
        let one = try open()
        var dying: SQLiteStandby? = try open()
        _ = try one.take(append("x", to: a))
        #expect(try dying?.lease() != nil)
        #expect(try one.lease() == nil)
        dying = nil
        #expect(try one.lease()?.session == a)
    }

    @Test func `no worker ever sees fewer operations than were acknowledged`() throws {
        let standbys = [try open(), try open()]
        let acknowledged = Atomic(0)
        let least = try onThreads(4) { thread in
            let (own, id) = (standbys[thread % 2], SessionID("s\(thread)")!)
            return try (0..<50).map { number in
                if thread < 2 {
                    _ = try own.take(Operation(of: id, .append([.user("\(number)")], key: nil)))
                    acknowledged.add(1, ordering: .sequentiallyConsistent)
                }
                let known = acknowledged.load(ordering: .sequentiallyConsistent)
                return own.backlog.operations - known
            }.min()!
        }
        #expect(least.allSatisfy { $0 >= 0 })
        #expect(standbys.allSatisfy { $0.backlog.operations == 100 })
    }

    @Test func `what could not be written is taken back from what all workers see`() throws {
        let (one, other) = (try open(), try open())
        // Not even a first operation is seen that the disk had no room for.
        try one.limitPages(0)
        #expect(throws: StoreError.full) { try one.take(append(String(repeating: "x", count: 100_000), to: a)) }
        #expect(other.backlog.operations == 0 && other.backlog.bytes == 0 && other.backlog.oldest == nil)
        #expect(try !other.holds(a) && other.lease() == nil)
        try one.limitPages(1 << 20)
        _ = try one.take(append("x", to: a))
        let before = other.backlog
        try one.limitPages(0)
        #expect(throws: StoreError.full) { try one.take(append(String(repeating: "x", count: 100_000), to: b)) }
        #expect(other.backlog == before && before.operations == 1)
        #expect(try !other.holds(b) && contents(other, a) == ["x"])
        try one.limitPages(1 << 20)
        _ = try one.take(append("x", to: b))
        #expect(other.backlog.operations == 2)
    }

    // MARK: What is on the disk

    @Test func `a standby that is opened again has every operation as it was taken`() throws {
        let messages = try ContentSamples.messages.map(Message.json)
        let key = IdempotencyKey(key: "$k \"", fingerprint: .min)
        let time = Timestamp(milliseconds: clock.now.milliseconds - 12_345)
        let taken = [
            Operation(of: a, .append(messages, key: key), takenAt: time),
            Operation(of: a, .append([.user("ä😀")], key: nil)),
            Operation(of: a, .replace(messages.reversed(), .none)), Operation(of: a, .replace([], .none)),
            Operation(of: a, .delete), Operation(of: a, .append([.user("after")], key: nil)),
        ]
        var told: [Outcome] = []
        do {
            let standby = try open()
            for operation in taken {
                told.append(try standby.take(operation))
                clock.advance(milliseconds: 7)
            }
        }
        let standby = try open()
        #expect(standby.backlog.operations == 6 && standby.backlog.sessions == 1)
        #expect(standby.backlog.oldest == Timestamp(milliseconds: clock.now.milliseconds - 6 * 7))
        #expect(try contents(standby, a) == ["after"])
        let lease = try #require(try standby.lease())
        #expect(lease.operations.map(\.id) == taken.map(\.id))
        #expect(lease.operations.map(\.change) == taken.map(\.change))
        #expect(lease.operations.map(\.takenAt) == [time] + Array(repeating: nil, count: 5))
        for (operation, told) in zip(lease.operations, told) {
            guard case .append = operation.change else {
                #expect(operation.outcomeTold == nil)
                continue
            }
            let kept = try #require(operation.outcomeTold)
            #expect(kept.messageCount == told.messageCount && kept.appended == told.appended)
            #expect(kept.dropped == told.dropped && kept.updatedAt == told.updatedAt && kept.isPartial)
        }
        #expect(told[0].dropped > 0)
    }

    @Test func `of what follows in a session no date counts, and elsewhere the primary's is reckoned`() throws {
        let standby = try open()
        let time = Timestamp(milliseconds: clock.now.milliseconds + 5000)
        _ = try standby.take(append("x", to: a, takenAt: time))
        clock.advance(milliseconds: 100)
        // What waits of the session is made when it is replayed, so that no date may protect it from this.
        _ = try standby.take(Operation(of: a, .delete))
        _ = try standby.take(
            Operation(of: a, .replace([], .none), takenAt: Timestamp(milliseconds: time.milliseconds + 100)))
        // Another worker has not heard from the primary since it was started.
        clock.advance(milliseconds: 100)
        _ = try open().take(Operation(of: b, .delete))
        #expect(try standby.lease()?.operations.map(\.takenAt) == [time, nil, nil])
        let other = try #require(try standby.lease())
        #expect(other.session == b)
        #expect(other.operations.map(\.takenAt) == [Timestamp(milliseconds: time.milliseconds + 200)])
    }

    @Test func `what waits for one primary is not given to another`() throws {
        let (path, one) = (folder.file("outage.sqlite"), "mongodb://one/sessions")
        do {
            let standby = try open(target: one)
            _ = try open(target: "two")
            _ = try open(target: one)
            _ = try standby.take(append("x", to: a))
        }
        let refusal = #expect(throws: StateDirectoryError.self) { try open(target: "two") }
        #expect(refusal?.description.contains(path) == true && refusal?.description.contains(one) == true)
        let standby = try open(target: one)
        try standby.settle(try #require(try standby.lease()), applied: 1, refusal: nil)
        _ = try open(target: "two")
    }

    @Test func `a change that a primary would refuse with its key is refused after a restart, too`() throws {
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        let first = try open().take(Operation(of: a, .append([.user("x")], key: key)))
        let again = try open().take(Operation(of: a, .append([.user("x")], key: key)))
        #expect(again.isReplay && again.updatedAt == first.updatedAt)
        #expect(throws: StoreError.keyReused) {
            try open().take(Operation(of: a, .append([.user("y")], key: IdempotencyKey(key: "k", fingerprint: 2))))
        }
    }

    // MARK: For operators

    @Test func `a refusal is shown until the primary has taken what it refused`() throws {
        let standby = try open()
        for text in ["1", "2", "3"] { _ = try standby.take(append(text, to: a)) }
        clock.advance(milliseconds: 5)
        _ = try standby.take(append("x", to: b))
        #expect(try standby.waiting(atMost: 10).map(\.refusal) == [nil, nil])
        // One was written, the next was refused.
        let lease = try #require(try standby.lease())
        try standby.settle(lease, applied: 1, refusal: .failed(reason: "what for"))
        let other = try open()
        let waiting = try other.waiting(atMost: 10)
        #expect(waiting.map(\.session) == [a, b])
        #expect(waiting.map(\.operations) == [2, 1])
        #expect(waiting.map(\.refusal) == ["what for", nil])
        #expect(waiting.map { clock.now.milliseconds - $0.oldest.milliseconds } == [5, 0])
        #expect(waiting.map(\.bytes).reduce(0, +) == standby.backlog.bytes)
        #expect(try other.waiting(atMost: 1).map(\.session) == [a])
        // Again and again, or for another reason.
        for _ in 0..<3 {
            let next = try #require(try standby.lease())
            let refusal: StoreError? = next.session == a ? .tooLarge(limit: 5) : nil
            try standby.settle(next, applied: 0, refusal: refusal)
        }
        #expect(try other.waiting(atMost: 10).map(\.refusal) == ["tooLarge(limit: 5)", nil])
        while let next = try standby.lease() {
            try standby.settle(next, applied: next.operations.count, refusal: nil)
        }
        _ = try standby.take(append("4", to: a))
        #expect(try other.waiting(atMost: 10).map(\.refusal) == [nil])
    }

    @Test func `an operation that is refused holds up its own session only`() throws {
        let standby = try open()
        for number in 0..<10 { _ = try standby.take(append("\(number)", to: a)) }
        _ = try standby.take(append("x", to: b))
        for number in 10..<20 { _ = try standby.take(append("\(number)", to: a)) }
        var leased: [SessionID] = []
        for _ in 0..<6 {
            let lease = try #require(try standby.lease())
            leased.append(lease.session)
            try standby.settle(lease, applied: 0, refusal: .failed(reason: "no"))
        }
        #expect(leased == [a, b, a, b, a, b])
    }

    @Test func `of a session that is set aside every operation is kept, and of others none is touched`() throws {
        let standby = try open()
        let taken = (0..<40).map { append("\($0)", to: a) }
        for operation in taken.prefix(20) { _ = try standby.take(operation) }
        _ = try standby.take(append("x", to: b))
        for operation in taken.dropFirst(20) { _ = try standby.take(operation) }
        try standby.settle(try #require(try standby.lease()), applied: 0, refusal: .failed(reason: "no"))
        var kept: [Operation] = []
        // An operator's command is a process of its own.
        let count = try open().setAside(a) { kept = $0 }
        #expect(count == 40)
        #expect(kept.map(\.id) == taken.map(\.id) && kept.map(\.change) == taken.map(\.change))
        #expect(try !standby.holds(a) && standby.known(of: a, last: nil) == .nothing)
        #expect(try standby.holds(b) && contents(standby, b) == ["x"])
        #expect(standby.backlog.operations == 1 && standby.backlog.sessions == 1)
        #expect(try standby.waiting(atMost: 10).map(\.session) == [b])
        #expect(try standby.lease()?.session == b)
        // A change that comes now is one of a session of which nothing waits.
        #expect(try !standby.take(append("new", to: a)).existed)
        #expect(try standby.waiting(atMost: 10).map(\.refusal) == [nil, nil])
    }

    @Test func `what cannot be kept elsewhere is not set aside`() throws {
        let standby = try open()
        _ = try standby.take(append("x", to: a))
        let before = standby.backlog
        #expect(throws: Violation.self) { try open().setAside(a) { _ in throw Violation("no room") } }
        #expect(try standby.holds(a) && contents(standby, a) == ["x"])
        #expect(standby.backlog == before)
        #expect(try open().setAside(b) { _ in } == 0)
        // The lock was given back.
        #expect(try standby.lease()?.session == a)
    }

    @Test func `nothing is set aside while another worker replays`() throws {
        let standby = try open()
        _ = try standby.take(append("x", to: a))
        let lease = try #require(try standby.lease())
        let tool = try SQLiteStandby(
            in: try folder.directory(patience: .milliseconds(20)), target: "t", limits: StoreLimits(),
            maxBytes: 1 << 28)
        #expect(throws: SystemCallError.self) { try tool.setAside(a) { _ in Issue.record("it was kept") } }
        try standby.settle(lease, applied: 0, refusal: nil)
        #expect(try tool.setAside(a) { _ in } == 1)
    }
}

extension SQLiteStandby {
    /// Lets the file grow to so many pages, or no further than it is.
    fileprivate func limitPages(_ count: Int) throws {
        try database.write { tables throws(StoreError) in
            try tables.connection.execute("PRAGMA max_page_count=\(max(1, count))")
        }
    }
}
