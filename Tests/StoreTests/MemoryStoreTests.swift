import TestSupport
import Testing

@testable import Store

@Suite struct MemoryStoreTests {
    let clock = ManualClock()

    func store(
        ttl: Int = 60, maxMessages: Int = 30, maxSessionBytes: Int = 8 << 20, maxBytes: Int = 64 << 20
    ) -> MemoryStore {
        let limits = StoreLimits(maxMessages: maxMessages, maxSessionBytes: maxSessionBytes, ttlSeconds: ttl)
        return MemoryStore(limits: limits, maxBytes: maxBytes, clock: clock)
    }

    func id(_ text: String) -> SessionID { SessionID(text)! }
    func say(_ text: String) -> Message { Message(role: "user", content: text) }

    @Test func `expiry is exact to the millisecond`() throws {
        let store = store(ttl: 60)
        _ = try store.append([say("a")], to: id("s"))
        clock.advance(milliseconds: 59_999)
        #expect(try store.read(id("s"), last: nil)?.messageCount == 1)
        #expect(store.status.activeSessions == 1)
        clock.advance(milliseconds: 1)
        #expect(try store.read(id("s"), last: nil) == nil)
        #expect(try store.list(limit: 10, after: nil).sessions.isEmpty)
        #expect(try store.delete(id("s")).value.existed == false)
        #expect(store.status.activeSessions == 0)
    }

    @Test func `every update prolongs a session's life and no read does`() throws {
        let store = store(ttl: 60)
        _ = try store.append([say("a")], to: id("s"))
        clock.advance(milliseconds: 40_000)
        _ = try store.append([say("b")], to: id("s"))
        clock.advance(milliseconds: 40_000)
        #expect(try store.read(id("s"), last: nil)?.messageCount == 2)
        clock.advance(milliseconds: 20_000)
        #expect(try store.read(id("s"), last: nil) == nil)
    }

    @Test func `an append to an expired session starts afresh`() throws {
        let store = store(ttl: 60)
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        _ = try store.append([say("old"), say("older")], to: id("s"), key: key)
        let first = try #require(try store.read(id("s"), last: nil))
        clock.advance(milliseconds: 60_000)
        let result = try store.append([say("new")], to: id("s"), key: key).value
        #expect(result.messageCount == 1 && !result.isReplay && result.dropped == 0)
        let second = try #require(try store.read(id("s"), last: nil))
        #expect(second.createdAt == clock.now && second.createdAt != first.createdAt)
        #expect(second.messages == Array(say("new").json))
    }

    @Test func `an expired session can be created again and does not meet a condition`() throws {
        let store = store(ttl: 1)
        let tag = try store.create(id("s"), messages: []).value.session(id("s")).entityTag
        #expect(throws: StoreError.exists) { try store.create(id("s"), messages: []) }
        clock.advance(milliseconds: 1000)
        #expect(throws: StoreError.conditionFailed) {
            try store.replace(id("s"), messages: [], condition: .matching([tag]))
        }
        #expect(throws: StoreError.conditionFailed) { try store.replace(id("s"), messages: [], condition: .present) }
        #expect(try store.create(id("s"), messages: []).value.messageCount == 0)
    }

    @Test func `a lifetime of zero seconds is no end`() throws {
        let store = store(ttl: 0)
        _ = try store.append([say("a")], to: id("s"))
        clock.advance(milliseconds: 1000 * 86_400 * 365 * 100)
        #expect(try store.read(id("s"), last: nil) != nil)
    }

    @Test func `an expired session is gone though the clock went back before it was updated`() throws {
        let store = store(ttl: 60)
        _ = try store.append([say("a")], to: id("a"))
        clock.advance(milliseconds: -30_000)
        for index in 0..<200 { _ = try store.append([say("b")], to: id("b\(index)")) }
        clock.advance(milliseconds: 60_000)
        #expect(try store.read(id("a"), last: nil) != nil)
        for index in 0..<200 {
            #expect(try store.read(id("b\(index)"), last: nil) == nil)
            let result = try store.append([say("c")], to: id("b\(index)")).value
            #expect(result.messageCount == 1)
        }
    }

    @Test func `every change has an entity tag of its own, and a read has not`() throws {
        let store = store(maxMessages: 2)
        var tags: Set<String> = []
        func note(_ id: SessionID) throws {
            let session = try #require(try store.read(id, last: nil))
            #expect(try store.read(id, last: 1)?.entityTag == session.entityTag)
            #expect(tags.insert(session.entityTag).inserted)
        }
        for _ in 0..<50 {
            _ = try store.append([say("a")], to: id("s"))
            try note(id("s"))
            _ = try store.replace(id("s"), messages: [say("a"), say("b")])
            try note(id("s"))
            _ = try store.delete(id("s"))
            _ = try store.create(id("s"), messages: [say("a"), say("b")])
            try note(id("s"))
        }
    }

    @Test func `replacing keeps the date of creation and the identity of the session`() throws {
        let store = store()
        let created = try store.create(id("s"), messages: [say("a")]).value
        clock.advance(milliseconds: 5)
        let replaced = try store.replace(id("s"), messages: [say("b")]).value
        #expect(replaced.existed)
        #expect(replaced.createdAt == created.createdAt)
        #expect(replaced.updatedAt == clock.now)
    }

    @Test func `a condition that fails changes nothing and makes nothing`() throws {
        let store = store()
        for condition in [Condition.present, .matching(["x"]), .matching([])] {
            #expect(throws: StoreError.conditionFailed) {
                try store.replace(id("s"), messages: [say("a")], condition: condition)
            }
        }
        #expect(try store.read(id("s"), last: nil) == nil)
        #expect(store.status.activeSessions == 0)
        let before = try store.create(id("s"), messages: [say("a")]).value.session(id("s"))
        for condition in [Condition.absent, .matching(["x"])] {
            #expect(throws: StoreError.conditionFailed) {
                try store.replace(id("s"), messages: [], condition: condition)
            }
        }
        #expect(try store.read(id("s"), last: nil) == before)
        let result = try store.replace(id("s"), messages: [], condition: .matching(["x", before.entityTag]))
        #expect(result.value.messageCount == 0)
    }

    @Test func `at least the last sixty-four keys of a session are remembered, and only a bounded number`() throws {
        let store = store()
        func append(_ key: Int, fingerprint: Int64 = 1) throws -> Outcome {
            let key = IdempotencyKey(key: "k\(key)", fingerprint: fingerprint)
            return try store.append([say(key.key)], to: id("s"), key: key).value
        }
        for key in 0..<64 { #expect(try !append(key).isReplay) }
        for key in 0..<64 {
            let replay = try append(key)
            #expect(replay.isReplay && replay.messageCount == min(key + 1, 30))
        }
        #expect(throws: StoreError.keyReused) { try append(63, fingerprint: 2) }
        for key in 64..<300 { _ = try append(key) }
        #expect(try !append(0).isReplay)
        #expect(try append(299).isReplay)
    }

    @Test func `a repetition does not put a session out of the order of updates`() throws {
        let store = store()
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        // Enough that several share a shard, whose order is what a repetition could disturb.
        let names = (0..<400).map { "s\($0)" }
        for name in names {
            _ = try store.append([say("a")], to: id(name), key: key)
            clock.advance(milliseconds: 1)
        }
        for name in names.prefix(100) { #expect(try store.append([say("a")], to: id(name), key: key).value.isReplay) }
        var listed: [String] = []
        var cursor: SessionCursor?
        repeat {
            let page = try store.list(limit: 1, after: cursor)
            listed += page.sessions.map(\.id.description)
            cursor = page.next
        } while cursor != nil
        #expect(listed == names.reversed())
    }

    @Test func `one session's keys are not another's`() throws {
        let store = store()
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        _ = try store.append([say("a")], to: id("one"), key: key)
        #expect(try !store.append([say("a")], to: id("two"), key: key).value.isReplay)
        _ = try store.delete(id("one"))
        #expect(try !store.append([say("a")], to: id("one"), key: key).value.isReplay)
    }

    @Test func `a batch with a message that is too large is refused whole`() throws {
        let store = store(maxSessionBytes: 100)
        let large = say(String(repeating: "x", count: 100))
        #expect(throws: StoreError.tooLarge(limit: 100)) {
            try store.append([say("a"), large, say("b")], to: id("s"))
        }
        #expect(throws: StoreError.tooLarge(limit: 100)) { try store.create(id("s"), messages: [large]) }
        #expect(throws: StoreError.tooLarge(limit: 100)) {
            try store.replace(id("s"), messages: [large])
        }
        #expect(try store.read(id("s"), last: nil) == nil)
    }

    @Test func `a session is held to a quarter of the memory`() throws {
        let store = store(maxBytes: 1 << 20)
        #expect(throws: StoreError.tooLarge(limit: 262_144)) {
            try store.append([say(String(repeating: "x", count: 262_144))], to: id("s"))
        }
        for _ in 0..<20 { _ = try store.append([say(String(repeating: "x", count: 100_000))], to: id("s")) }
        let session = try #require(try store.read(id("s"), last: nil))
        #expect(session.messageCount == 2)
    }
}
