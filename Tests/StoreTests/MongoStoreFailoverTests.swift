import Synchronization
import System
import TestSupport
import Testing

@testable import Store

/// A replica set of three that loses its primary while sessions are written.
@Suite struct MongoStoreFailoverTests {
    @Test func `no acknowledged message is lost or doubled when the primary dies`() throws {
        let set = try ReplicaSet(size: 3)
        let database = try MongoDatabase(uri: set.uri)
        let store = try database.store(StoreLimits(maxMessages: 10_000))
        defer { store.close() }
        try store.start()
        let writers = 6
        let acknowledged = Mutex([[String]](repeating: [], count: writers))
        let refused = Atomic(0)
        let isOver = Atomic(false)
        for writer in 0..<writers {
            _ = try store.append([.user("start")], to: Self.session(of: writer))
        }
        let threads = Threads()
        defer {
            isOver.store(true, ordering: .relaxed)
            threads.join()
        }
        for writer in 0..<writers {
            try threads.start {
                var number = 0
                while !isOver.load(ordering: .relaxed) {
                    let text = "\(writer)-\(number)"
                    number += 1
                    // Half of them name their appends, and repeat those that got no answer.
                    let key = writer % 2 == 0 ? IdempotencyKey(key: text, fingerprint: 1) : nil
                    for _ in 0..<(key == nil ? 1 : 20) {
                        do {
                            _ = try store.append([.user(text)], to: Self.session(of: writer), key: key)
                            acknowledged.withLock { $0[writer].append(text) }
                            break
                        } catch {
                            refused.add(1, ordering: .relaxed)
                        }
                    }
                }
            }
        }
        func count() -> Int { acknowledged.withLock { $0.map(\.count).reduce(0, +) } }
        try waitUntil("writes go on", seconds: 60) { count() > 200 }
        let killed = try set.primary()
        killed.kill()
        let before = count()
        try waitUntil("writes go on without the first primary", seconds: 60) { count() > before + 200 }
        try killed.start()
        let second = try set.primary()
        let beforeReturn = count()
        try waitUntil("writes go on with the first primary back", seconds: 60) { count() > beforeReturn + 100 }
        if second !== killed {
            // The member that came back must have caught up, or there is no majority without the second.
            try waitUntil("the member that came back has caught up", seconds: 60) {
                let direct = try MongoDatabase(
                    uri: "mongodb://127.0.0.1:\(killed.port)/?directConnection=true", name: "admin")
                return (try? direct.run(#"{"hello": 1}"#))?.boolean("secondary") == true
            }
        }
        isOver.store(true, ordering: .relaxed)
        threads.join()

        for writer in 0..<writers {
            let stored = try #require(try store.read(Self.session(of: writer), last: nil)).contents.dropFirst()
            let acked = acknowledged.withLock { $0[writer] }
            #expect(Set(stored).count == stored.count, "nothing twice")
            #expect(Set(acked).subtracting(stored).isEmpty, "nothing lost")
            // What was stored without an answer may be among them; the order of those with one is theirs.
            let known = Set(acked)
            #expect(stored.filter(known.contains) == acked)
        }
        print("failover: \(count()) acknowledged, \(refused.load(ordering: .relaxed)) refused")
    }

    private static func session(of writer: Int) -> SessionID { SessionID("s\(writer)")! }
}
