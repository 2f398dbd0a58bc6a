import Foundation
import Logging
import System
import Testing

@testable import Store

@Suite struct FallbackStoreTests {
    /// A fallback store over a faulty one, with its threads.
    final class Fixture {
        let database = FaultyStore()
        let store: FallbackStore<FaultyStore>
        private let threads = Threads()

        init(fault: FaultyStore.Fault = .none, hasMemory: Bool = true, journalBytes: Int = 1 << 28) throws {
            database.fault = fault
            let view = MemoryStore(limits: StoreLimits(maxMessages: 10_000), maxBytes: 1 << 28, whenFull: .refuse)
            let secondary = FallbackStore<FaultyStore>.Secondary(
                view: view, journal: MemoryJournal(maxBytes: journalBytes))
            store = FallbackStore(
                primary: database, secondary: hasMemory ? secondary : nil,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
            try store.start(on: threads)
        }

        deinit {
            store.close(within: .zero, whileWaiting: {})
            threads.join()
        }

        func waitUntilWritten() {
            #expect(eventually { self.store.status.pendingOperations == 0 && self.store.status.mongo == .connected })
        }

        /// The texts that the database holds of a session.
        func stored(_ id: SessionID) throws -> [String] {
            try texts(of: try database.memory.read(id, last: nil).value)
        }
    }

    @Test func appendsDuringAnOutageAreKeptAndLaterWrittenInTheirOrder() throws {
        let fixture = try Fixture()
        let id = SessionID("a")!
        _ = try fixture.store.append([message("0")], to: id, key: nil)
        fixture.database.fault = .unreachable
        for index in 1...20 {
            let answer = try fixture.store.append([message("\(index)")], to: id, key: nil)
            #expect(answer.kind == .memory)
            #expect(answer.value.isPartial)
        }
        #expect(fixture.store.status.mongo == .disconnected)
        #expect(fixture.store.status.pendingOperations == 20)
        let partial = try #require(try fixture.store.read(id, last: nil).value)
        #expect(partial.isPartial && partial.messageCount == 20)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(id) == (0...20).map(String.init))
        let whole = try fixture.store.read(id, last: nil)
        #expect(whole.kind == .mongodb && whole.value?.isPartial == false && whole.value?.messageCount == 21)
    }

    @Test func aDatabaseThatIsAbsentAtTheStartIsFoundLater() throws {
        let fixture = try Fixture(fault: .unreachable)
        #expect(fixture.store.status.mongo == .disconnected)
        _ = try fixture.store.append([message("x")], to: SessionID("a")!, key: nil)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(SessionID("a")!) == ["x"])
    }

    @Test func aChangeWhoseAnswerIsLostIsNotDoubled() throws {
        let fixture = try Fixture()
        let id = SessionID("a")!
        fixture.database.fault = .answersLost
        _ = try fixture.store.append([message("once")], to: id, key: nil)
        _ = try fixture.store.append([message("twice")], to: id, key: nil)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(id) == ["once", "twice"])
    }

    @Test func nobodyWaitsForADatabaseThatIsKnownToBeAway() throws {
        let fixture = try Fixture(hasMemory: false)
        fixture.database.fault = .unreachable
        #expect(throws: StoreError.self) { try fixture.store.read(SessionID("a")!, last: nil) }
        let calls = fixture.database.calls
        for _ in 0..<100 {
            #expect(throws: StoreError.self) { try fixture.store.append([message("x")], to: SessionID("a")!, key: nil) }
            #expect(throws: StoreError.self) { try fixture.store.read(SessionID("a")!, last: nil) }
        }
        #expect(fixture.database.calls == calls)
        #expect(fixture.store.status.isReady == false)
        fixture.database.fault = .none
        #expect(eventually { (try? fixture.store.read(SessionID("a")!, last: nil)) != nil })
    }

    @Test func whatCannotBeKnownDuringAnOutageIsNotAnswered() throws {
        let fixture = try Fixture(fault: .unreachable)
        let id = SessionID("a")!
        #expect(throws: StoreError.self) { try fixture.store.read(id, last: nil) }
        #expect(throws: StoreError.self) { try fixture.store.create(id, messages: []) }
        #expect(throws: StoreError.self) { try fixture.store.replace(id, messages: [], condition: .matching(["x"])) }
        #expect(throws: StoreError.self) { try fixture.store.replace(id, messages: [], condition: .absent) }
        #expect(throws: StoreError.self) { try fixture.store.list(limit: 1, after: nil) }
        #expect(throws: StoreError.self) { try fixture.store.cleanup(olderThanDays: 1, dryRun: true) }
        #expect(fixture.store.status.pendingOperations == 0)
    }

    @Test func replacesAndDeletesAreTakenAndWrittenInTheirOrder() throws {
        let fixture = try Fixture()
        let (kept, gone) = (SessionID("kept")!, SessionID("gone")!)
        for id in [kept, gone] { _ = try fixture.store.append([message("before")], to: id, key: nil) }
        fixture.database.fault = .unreachable
        _ = try fixture.store.replace(kept, messages: [message("new")], condition: .none)
        _ = try fixture.store.append([message("after")], to: kept, key: nil)
        #expect(try fixture.store.delete(gone).value)
        #expect(try fixture.store.delete(gone).value == false)
        #expect(try fixture.store.read(gone, last: nil).value == nil)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(kept) == ["new", "after"])
        #expect(try fixture.database.memory.read(gone, last: nil).value == nil)
    }

    @Test func aKeyIsKnownDuringTheOutageAndAfterIt() throws {
        let fixture = try Fixture(fault: .unreachable)
        let id = SessionID("a")!
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        let first = try fixture.store.append([message("x")], to: id, key: key).value
        let repeated = try fixture.store.append([message("x")], to: id, key: key).value
        #expect(repeated.isReplay && repeated.messageCount == first.messageCount)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.store.append([message("x")], to: id, key: key).value.isReplay)
        #expect(try fixture.stored(id) == ["x"])
    }

    @Test func messagesUnderAKeyThatTheDatabaseKnowsForAnotherBodyAreNotLost() throws {
        let fixture = try Fixture()
        let id = SessionID("a")!
        _ = try fixture.store.append([message("x")], to: id, key: IdempotencyKey(key: "k", fingerprint: 1))
        fixture.database.fault = .unreachable
        _ = try fixture.store.append([message("y")], to: id, key: IdempotencyKey(key: "k", fingerprint: 2))
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(id) == ["x", "y"])
    }

    @Test func aFullJournalRefusesNewMessagesAndKeepsTheOldOnes() throws {
        let fixture = try Fixture(fault: .unreachable, journalBytes: 20_000)
        let id = SessionID("a")!
        var taken = 0
        while (try? fixture.store.append([message("\(taken)")], to: id, key: nil)) != nil { taken += 1 }
        #expect(throws: StoreError.full) { try fixture.store.append([message("x")], to: id, key: nil) }
        #expect(taken > 5)
        fixture.database.fault = .none
        fixture.waitUntilWritten()
        #expect(try fixture.stored(id) == (0..<taken).map(String.init))
    }

    @Test func closingSaysHowManyChangesWereNeverWritten() throws {
        let fixture = try Fixture(fault: .unreachable)
        _ = try fixture.store.append([message("x")], to: SessionID("a")!, key: nil)
        fixture.store.close(within: .milliseconds(50), whileWaiting: { usleep(1000) })
        #expect(fixture.store.changesLeft == 1)
        // Nobody would write what came now.
        #expect(throws: StoreError.self) { try fixture.store.append([message("y")], to: SessionID("a")!, key: nil) }
    }

    @Test func underLoadThroughOutagesEveryAcknowledgedMessageIsStoredOnceAndInItsClientsOrder() throws {
        let fixture = try Fixture()
        let clients = 8
        let store = fixture.store
        let acknowledged = (0..<clients).map { _ in Box<[String]>([]) }
        let isOver = Box(false)
        let threads = (0..<clients).map { client in
            startThread {
                // Two clients a session.
                let id = SessionID("s\(client / 2)")!
                var index = 0
                while !isOver.value {
                    let text = "\(client):\(index)"
                    if (try? store.append([message(text)], to: id, key: nil)) != nil {
                        acknowledged[client].value.append(text)
                    }
                    index += 1
                    usleep(200)
                }
            }
        }
        for fault in [FaultyStore.Fault.unreachable, .none, .answersLost, .none, .unreachable, .none] {
            let before = acknowledged.map(\.value.count)
            fixture.database.fault = fault
            #expect(eventually { zip(acknowledged, before).allSatisfy { $0.value.count >= $1 + 100 } })
            if fault == .none { #expect(eventually { fixture.store.status.mongo == .connected }) }
        }
        isOver.value = true
        threads.forEach { $0() }
        fixture.waitUntilWritten()
        for session in 0..<clients / 2 {
            let stored = try fixture.stored(SessionID("s\(session)")!)
            #expect(stored.count == Set(stored).count)
            for client in [2 * session, 2 * session + 1] {
                #expect(stored.filter { $0.hasPrefix("\(client):") } == acknowledged[client].value)
            }
        }
    }
}

private func message(_ text: String) -> Message {
    Message(role: "user", content: text)
}

private func texts(of session: Session?) throws -> [String] {
    let json = Data("[".utf8) + Data(session?.messages ?? []) + Data("]".utf8)
    let messages = try JSONSerialization.jsonObject(with: json) as? [[String: String]] ?? []
    return messages.compactMap { $0["content"] }
}

/// Whether a condition comes true within half a minute.
private func eventually(_ condition: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + .seconds(30)
    while !condition() {
        if ContinuousClock.now > deadline { return false }
        usleep(2000)
    }
    return true
}

/// Starts a thread, and returns what waits for its end.
private func startThread(_ body: @escaping @Sendable () -> Void) -> () -> Void {
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
        body()
        done.signal()
    }
    return { done.wait() }
}

/// A value that several threads share.
private final class Box<Value: Sendable>: @unchecked Sendable {
    // All access is locked.
    private let lock = NSLock()
    private var content: Value

    init(_ value: Value) { content = value }

    var value: Value {
        get { lock.withLock { content } }
        _modify {
            lock.lock()
            defer { lock.unlock() }
            yield &content
        }
    }
}
