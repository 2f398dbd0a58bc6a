import Foundation
import TestSupport
import Testing

@testable import Store

@Suite(.serialized) struct MemoryStoreBoundTests {
    let clock = ManualClock()

    func id(_ number: Int) -> SessionID { SessionID("session-\(number)")! }
    func say(bytes: Int) -> Message { Message(role: "user", content: String(repeating: "x", count: bytes)) }

    @Test func `the least recently updated sessions go first, across all shards`() throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 4 << 20, clock: clock)
        var updated: [Int] = []
        var generator = SeededGenerator(3)
        for number in 0..<600 {
            _ = try store.append([say(bytes: 20_000)], to: id(number))
            updated.append(number)
            // An update makes an older session young again.
            let old = Int.random(in: 0...number, using: &generator)
            if try store.read(id(old), last: 0) != nil {
                _ = try store.replace(id(old), messages: [say(bytes: 20_000)])
                updated.removeAll { $0 == old }
                updated.append(old)
            }
        }
        let alive = try updated.map { try store.read(id($0), last: 0) != nil }
        let firstAlive = try #require(alive.firstIndex(of: true))
        #expect(firstAlive > 0)
        #expect(alive[firstAlive...].allSatisfy { $0 })
        #expect(alive.count - firstAlive > 100)
    }

    @Test func `two thousand sessions of 100 kB keep to 32 MiB of real memory`() async {
        // Measured in a process of its own, where nobody else allocates.
        await #expect(processExitsWith: .success) {
            let limit = 33_554_432
            let store = MemoryStore(limits: StoreLimits(), maxBytes: limit)
            let message = Message(role: "user", content: String(repeating: "x", count: 10_000))
            let before = try Self.residentBytes()
            var greatest = 0
            for number in 0..<2_000 {
                for _ in 0..<10 { _ = try store.append([message], to: SessionID("session-\(number)")!) }
                if number.isMultiple(of: 50) { greatest = max(greatest, try Self.residentBytes() - before) }
            }
            #expect(store.status.activeSessions > 100)
            // Room for the allocator's own holes; without a bound it would be 200 MB and more.
            #expect(greatest < limit * 3 / 2, "grew by \(greatest) bytes")
        }
    }

    @Test func `many tiny sessions keep to the bound, too`() async {
        await #expect(processExitsWith: .success) {
            let limit = 16 << 20
            let store = MemoryStore(limits: StoreLimits(), maxBytes: limit)
            let message = Message(role: "user", content: "x")
            let before = try Self.residentBytes()
            for number in 0..<60_000 { _ = try store.append([message], to: SessionID("session-\(number)")!) }
            #expect(store.status.activeSessions > 10_000)
            #expect(try Self.residentBytes() - before < limit * 3 / 2)
        }
    }

    @Test func `idempotency keys count against the bound`() throws {
        let store = MemoryStore(limits: StoreLimits(maxMessages: 1), maxBytes: 4 << 20, clock: clock)
        for number in 0..<1_000 {
            for key in 0..<64 {
                let name = "\(key)" + String(repeating: "k", count: 120)
                _ = try store.append([say(bytes: 1)], to: id(number), key: IdempotencyKey(key: name, fingerprint: 0))
            }
        }
        // 64 keys of over 120 bytes each are more than 10 kB a session.
        #expect(store.status.activeSessions < 400)
    }

    @Test func `what leaves the store leaves its account`() throws {
        let store = MemoryStore(limits: StoreLimits(ttlSeconds: 60), maxBytes: 2 << 20, whenFull: .refuse, clock: clock)
        for round in 0..<30 {
            for number in 0..<20 {
                let key = IdempotencyKey(key: "k", fingerprint: 0)
                _ = try store.append([say(bytes: 20_000)], to: id(number), key: key)
                _ = try store.replace(id(number), messages: [say(bytes: 30_000)])
                _ = try store.append([say(bytes: 1_000)], to: id(number))
            }
            switch round % 3 {
            case 0: for number in 0..<20 { _ = try store.delete(id(number)) }
            case 1: clock.advance(milliseconds: 60_000)
            default:
                clock.advance(milliseconds: 59_000)
                for number in 0..<20 { _ = try store.delete(id(number)) }
            }
            #expect(store.status.activeSessions == 0)
        }
    }

    @Test func `a store that may not evict refuses, and takes again when there is room`() throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 1 << 20, whenFull: .refuse, clock: clock)
        var taken = 0
        let error = #expect(throws: StoreError.self) {
            while taken < 1_000 {
                _ = try store.append([say(bytes: 50_000)], to: id(taken))
                taken += 1
            }
        }
        #expect(error == .full)
        #expect(taken > 3)
        for number in 0..<taken { #expect(try store.read(id(number), last: nil)?.messageCount == 1) }
        for number in 0..<taken { _ = try store.delete(id(number)) }
        _ = try store.append([say(bytes: 50_000)], to: id(0))
    }

    private static func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return Int(fields[1])! * sysconf(Int32(_SC_PAGESIZE))
    }
}
