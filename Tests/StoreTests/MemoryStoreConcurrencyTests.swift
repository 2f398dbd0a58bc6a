import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Store

@Suite struct MemoryStoreConcurrencyTests {
    private func inParallel(_ threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
        DispatchQueue.concurrentPerform(iterations: threads, execute: body)
    }

    private func texts(of session: Session) throws -> [String] {
        let json = try JSONSerialization.jsonObject(with: Data([0x5B] + session.messages + [0x5D]))
        return try #require(json as? [[String: String]]).map { $0["content"] ?? "" }
    }

    @Test func `appends from many threads are neither lost nor doubled, and each thread's keep their order`() throws {
        let store = MemoryStore(limits: StoreLimits(maxMessages: 10_000), maxBytes: 64 << 20)
        let id = SessionID("shared")!
        inParallel(16) { thread in
            for index in 0..<200 {
                _ = try? store.append([Message(role: "user", content: "\(thread):\(index)")], to: id)
            }
        }
        let all = try texts(of: try #require(try store.read(id, last: nil)))
        #expect(all.count == 3200)
        #expect(Set(all).count == 3200)
        for thread in 0..<16 {
            let own = all.filter { $0.hasPrefix("\(thread):") }
            #expect(own == (0..<200).map { "\(thread):\($0)" })
        }
    }

    @Test func `batches from many threads are not interleaved`() throws {
        let store = MemoryStore(limits: StoreLimits(maxMessages: 10_000), maxBytes: 64 << 20)
        let id = SessionID("shared")!
        inParallel(8) { thread in
            for index in 0..<100 {
                let batch = (0..<3).map { Message(role: "user", content: "\(thread):\(index):\($0)") }
                _ = try? store.append(batch, to: id)
            }
        }
        let all = try texts(of: try #require(try store.read(id, last: nil)))
        #expect(all.count == 2400)
        for start in stride(from: 0, to: all.count, by: 3) {
            let batch = all[start].dropLast()
            #expect(all[start..<start + 3] == [batch + "0", batch + "1", batch + "2"])
        }
    }

    @Test func `one of many appends with the same key is stored`() throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 64 << 20)
        let first = Atomic<Int>(0)
        for round in 0..<50 {
            let id = SessionID("s\(round)")!
            inParallel(8) { _ in
                let key = IdempotencyKey(key: "k", fingerprint: 1)
                let result = try? store.append([Message(role: "user", content: "x")], to: id, key: key)
                if result?.value.isReplay == false { first.add(1, ordering: .relaxed) }
            }
            #expect(try store.read(id, last: nil)?.messageCount == 1)
        }
        #expect(first.load(ordering: .relaxed) == 50)
    }

    @Test func `one of many creations wins`() throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 64 << 20)
        let won = Atomic<Int>(0)
        for round in 0..<100 {
            inParallel(4) { _ in
                if (try? store.create(SessionID("s\(round)")!, messages: [])) != nil { won.add(1, ordering: .relaxed) }
            }
        }
        #expect(won.load(ordering: .relaxed) == 100)
    }

    @Test func `conditional replacement lets no update be lost`() throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 64 << 20)
        let id = SessionID("counter")!
        _ = try store.create(id, messages: [Message(role: "user", content: "0")])
        inParallel(8) { _ in
            for _ in 0..<50 {
                while true {
                    guard let session = try? store.read(id, last: nil) else { continue }
                    let count = (try? self.texts(of: session).first).flatMap(Int.init) ?? 0
                    let next = [Message(role: "user", content: String(count + 1))]
                    let condition = Condition.matching([session.entityTag])
                    if (try? store.replace(id, messages: next, condition: condition)) != nil { break }
                }
            }
        }
        let end = try #require(try store.read(id, last: nil))
        #expect(try texts(of: end) == ["400"])
    }

    @Test func `everything at once, under eviction and expiry, ends with an account that is right`() throws {
        let clock = ManualClock()
        let store = MemoryStore(limits: StoreLimits(ttlSeconds: 1), maxBytes: 1 << 20, clock: clock)
        inParallel(8) { thread in
            var generator = SeededGenerator(UInt64(thread))
            for _ in 0..<2_000 {
                let id = SessionID("s\(Int.random(in: 0..<200, using: &generator))")!
                let message = Message(role: "user", content: String(repeating: "x", count: 5_000))
                switch Int.random(in: 0..<8, using: &generator) {
                case 0: _ = try? store.delete(id)
                case 1: _ = try? store.replace(id, messages: [message])
                case 2: _ = try? store.list(limit: 20, after: nil)
                case 3: _ = try? store.cleanup(olderThanDays: 1, dryRun: false) { _ in }
                case 4: clock.advance(milliseconds: 1)
                case 5: _ = try? store.read(id, last: 3)
                default: _ = try? store.append([message], to: id, key: IdempotencyKey(key: "k", fingerprint: 0))
                }
            }
        }
        clock.advance(milliseconds: 1000)
        #expect(store.status.activeSessions == 0)
        // An account that had drifted would evict at once, or never.
        for number in 0..<100 { _ = try store.create(SessionID("n\(number)")!, messages: []) }
        #expect(store.status.activeSessions == 100)
    }
}
