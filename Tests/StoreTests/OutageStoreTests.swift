import Synchronization
import System
import TestSupport
import Testing

@testable import Store

/// A primary that comes and goes, with the threads that look after it.
@Suite struct OutageStoreTests {
    /// A store over a primary that can be taken away.
    private final class Fixture {
        let primary: FaultyRemote
        let store: OutageStore
        private let log = Log()

        private final class Log: Sendable {
            let events = Mutex<[OutageEvent]>([])
        }

        init(_ fault: FaultyRemote.Fault = .none, hasStandby: Bool = true, standbyBytes: Int = 1 << 28) throws {
            primary = FaultyRemote(fault)
            let standby = MemoryStandby(limits: StoreLimits(maxMessages: 10_000), maxBytes: standbyBytes)
            store = OutageStore(primary: primary, standby: hasStandby ? standby : nil) { [log] event in
                log.events.withLock { $0.append(event) }
            }
            try store.start()
        }

        deinit { _ = store.close(within: .zero) {} }

        /// What the operator was told.
        var events: [OutageEvent] { log.events.withLock { $0 } }

        @discardableResult
        func append(_ text: String, to id: String = "a", key: IdempotencyKey? = nil) throws -> Answer<Outcome> {
            try store.append([.user(text)], to: SessionID(id)!, key: key)
        }

        func read(_ id: String = "a") throws -> Answer<Session?> {
            try store.answer(toReading: SessionID(id)!, last: nil)
        }

        func heal() throws {
            primary.fault = .none
            try waitUntil("everything is written") {
                store.status.pendingOperations == 0 && store.status.primary == .reachable
            }
        }

        /// The texts that the primary holds of a session.
        func stored(_ id: String = "a") throws -> [String]? {
            try primary.memory.read(SessionID(id)!, last: nil)?.contents
        }
    }

    @Test func `appends during an outage are kept and later written in their order`() throws {
        let fixture = try Fixture()
        try fixture.append("0")
        fixture.primary.fault = .unreachable
        for index in 1...20 {
            let answer = try fixture.append("\(index)")
            #expect(answer.source == .memory)
            #expect(answer.isPartial)
        }
        #expect(fixture.store.status.primary == .unreachable)
        #expect(fixture.store.status.pendingOperations == 20)
        let partial = try fixture.read()
        #expect(partial.isPartial && partial.value?.messageCount == 20)
        try fixture.heal()
        #expect(try fixture.stored() == (0...20).map(String.init))
        let whole = try fixture.read()
        #expect(whole.source == .mongodb && !whole.isPartial && whole.value?.messageCount == 21)
    }

    @Test func `a primary that is absent at the start is found later`() throws {
        let fixture = try Fixture(.unreachable)
        #expect(fixture.store.status.primary == .unreachable)
        try fixture.append("x")
        try fixture.heal()
        #expect(try fixture.stored() == ["x"])
    }

    @Test func `a change whose answer is lost is not doubled`() throws {
        let fixture = try Fixture()
        fixture.primary.fault = .answersLost
        try fixture.append("once")
        try fixture.append("twice")
        try fixture.heal()
        #expect(try fixture.stored() == ["once", "twice"])
    }

    @Test func `nobody waits for a primary that is known to be away`() throws {
        let fixture = try Fixture(hasStandby: false)
        fixture.primary.fault = .unreachable
        expectUnavailable { _ = try fixture.read() }
        let calls = fixture.primary.calls
        for _ in 0..<100 {
            expectUnavailable { try fixture.append("x") }
            expectUnavailable { _ = try fixture.read() }
        }
        #expect(fixture.primary.calls == calls)
        #expect(fixture.store.status.isReady == false)
        fixture.primary.fault = .none
        try waitUntil("it is asked again") { (try? fixture.read()) != nil }
    }

    @Test func `what cannot be known during an outage is not answered`() throws {
        let fixture = try Fixture(.unreachable)
        let id = SessionID("a")!
        expectUnavailable { _ = try fixture.read() }
        expectUnavailable { _ = try fixture.store.create(id, messages: []) }
        expectUnavailable { _ = try fixture.store.replace(id, messages: [], condition: .matching(["x"])) }
        expectUnavailable { _ = try fixture.store.replace(id, messages: [], condition: .absent) }
        expectUnavailable { _ = try fixture.store.list(limit: 1, after: nil) }
        expectUnavailable { _ = try fixture.store.cleanup(olderThanDays: 1, dryRun: true) { _ in } }
        #expect(fixture.store.status.pendingOperations == 0)
    }

    @Test func `replacements and deletions are taken and written in their order`() throws {
        let fixture = try Fixture()
        let (kept, gone) = (SessionID("kept")!, SessionID("gone")!)
        for id in ["kept", "gone"] { try fixture.append("before", to: id) }
        fixture.primary.fault = .unreachable
        _ = try fixture.store.replace(kept, messages: [.user("new")])
        try fixture.append("after", to: "kept")
        #expect(try fixture.store.delete(gone).value.existed)
        #expect(try !fixture.store.delete(gone).value.existed)
        #expect(try fixture.read("gone").value == nil)
        try fixture.heal()
        #expect(try fixture.stored("kept") == ["new", "after"])
        #expect(try fixture.stored("gone") == nil)
    }

    @Test func `a deletion takes with it what was appended before it in the same outage`() throws {
        let fixture = try Fixture(.unreachable)
        try fixture.append("x")
        #expect(try fixture.store.delete(SessionID("a")!).value.existed)
        try fixture.append("before", to: "b")
        _ = try fixture.store.delete(SessionID("b")!)
        try fixture.append("after", to: "b")
        try fixture.heal()
        #expect(try fixture.stored() == nil)
        #expect(try fixture.stored("b") == ["after"])
    }

    @Test func `a key is known during the outage and after it`() throws {
        let fixture = try Fixture(.unreachable)
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        let first = try fixture.append("x", key: key).value
        let repeated = try fixture.append("x", key: key).value
        #expect(repeated.isReplay && repeated.messageCount == first.messageCount)
        try fixture.heal()
        #expect(try fixture.append("x", key: key).value.isReplay)
        #expect(try fixture.stored() == ["x"])
    }

    @Test func `messages under a key that the primary knows for another body are not lost`() throws {
        let fixture = try Fixture()
        try fixture.append("x", key: IdempotencyKey(key: "k", fingerprint: 1))
        fixture.primary.fault = .unreachable
        try fixture.append("y", key: IdempotencyKey(key: "k", fingerprint: 2))
        try fixture.heal()
        #expect(try fixture.stored() == ["x", "y"])
    }

    @Test func `a full standby refuses new messages and keeps the old ones`() throws {
        let fixture = try Fixture(.unreachable, standbyBytes: 20_000)
        var taken = 0
        while (try? fixture.append("\(taken)")) != nil { taken += 1 }
        #expect(throws: StoreError.full) { try fixture.append("x") }
        #expect(taken > 5)
        #expect(fixture.store.status.isReady == false)
        try fixture.heal()
        #expect(try fixture.stored() == (0..<taken).map(String.init))
    }

    @Test func `a full standby does not deny what may have arrived`() throws {
        let fixture = try Fixture(standbyBytes: 20_000)
        // The primary makes changes, stays reachable, and nobody has an answer.
        fixture.primary.healthCheck = true
        fixture.primary.fault = .answersLost
        var taken = 0
        let error = #expect(throws: StoreError.self) {
            while taken < 100 {
                try fixture.append("x", to: "s\(taken)")
                taken += 1
            }
        }
        #expect(taken > 5)
        #expect(error?.isUnavailability == true)
        #expect(try fixture.stored("s\(taken)") == ["x"])
    }

    @Test func `closing tells how many operations were never written`() throws {
        let fixture = try Fixture(.unreachable)
        try fixture.append("x")
        var turns = 0
        #expect(fixture.store.close(within: .milliseconds(50)) { turns += 1 } == 1)
        #expect(turns > 0)
        #expect(fixture.events.last == .closingWithBacklog(pending: 1))
        // Nobody would write what came now.
        expectUnavailable { try fixture.append("y") }
        #expect(fixture.store.close(within: .zero) {} == 1)
    }

    @Test func `closing waits for what can still be written`() throws {
        let fixture = try Fixture(.unreachable)
        try fixture.append("x")
        #expect(fixture.store.close(within: .seconds(30)) { fixture.primary.fault = .none } == 0)
        #expect(try fixture.stored() == ["x"])
    }

    @Test func `the operator is told of a loss and of a return once each`() throws {
        let fixture = try Fixture()
        fixture.primary.fault = .unreachable
        for number in 0..<3 { try fixture.append("\(number)", to: "s\(number)") }
        #expect(fixture.events == [.primaryLost(reason: "unreachable", standby: .memory)])
        try fixture.heal()
        try waitUntil("the return is told") { fixture.events.count > 1 }
        guard case .primaryRecovered(let pending) = fixture.events.last else {
            Issue.record("\(fixture.events)")
            return
        }
        // A replay may have begun already.
        #expect(pending <= 3 && fixture.events.count == 2)
    }

    @Test func `a call that fails while the health check is well loses nothing but that call`() throws {
        let fixture = try Fixture()
        fixture.primary.healthCheck = true
        fixture.primary.fault = .answersLost
        #expect(try fixture.append("x").isPartial)
        #expect(fixture.store.status.primary == .reachable)
        #expect(fixture.events.first == .callFailed(reason: "the answer is lost"))
        fixture.primary.fault = .none
        try waitUntil("it is written") { fixture.store.status.pendingOperations == 0 }
        #expect(try fixture.stored() == ["x"])
        #expect(!fixture.events.contains { if case .primaryLost = $0 { true } else { false } })
    }

    @Test func `under load every acknowledged message is stored once and in its client's order`() throws {
        let fixture = try Fixture()
        let clients = 8
        let store = fixture.store
        let acknowledged = Mutex([[String]](repeating: [], count: clients))
        let isOver = Atomic(false)
        let threads = Threads()
        defer {
            isOver.store(true, ordering: .relaxed)
            threads.join()
        }
        for client in 0..<clients {
            try threads.start {
                // Two clients a session.
                let id = SessionID("s\(client / 2)")!
                let pause = Wakeup()
                var index = 0
                while !isOver.load(ordering: .relaxed) {
                    let text = "\(client):\(index)"
                    if (try? store.append([.user(text)], to: id)) != nil {
                        acknowledged.withLock { $0[client].append(text) }
                    }
                    index += 1
                    pause.wait(for: .microseconds(200))
                }
            }
        }
        func counts() -> [Int] { acknowledged.withLock { $0.map(\.count) } }
        for fault in [FaultyRemote.Fault.unreachable, .none, .answersLost, .none, .frozen, .none] {
            let before = counts()
            fixture.primary.fault = fault
            try waitUntil("every client goes on", seconds: 30) {
                zip(counts(), before).allSatisfy { $0 >= $1 + 100 }
            }
            if fault == .none {
                try waitUntil("the primary is back", seconds: 30) { store.status.primary == .reachable }
            }
        }
        isOver.store(true, ordering: .relaxed)
        threads.join()
        try fixture.heal()
        for session in 0..<clients / 2 {
            let stored = try #require(try fixture.stored("s\(session)"))
            #expect(stored.count == Set(stored).count)
            for client in [2 * session, 2 * session + 1] {
                #expect(stored.filter { $0.hasPrefix("\(client):") } == acknowledged.withLock { $0[client] })
            }
        }
    }
}
