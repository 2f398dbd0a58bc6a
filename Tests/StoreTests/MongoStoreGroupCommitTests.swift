import TestSupport
import Testing

@testable import Store

/// Appends that share a command: each keeps its own outcome.
@Suite struct MongoStoreGroupCommitTests {
    private let clients = 32

    @Test func `appends that come together share commands and each is counted`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxMessages: 5))
        defer { store.close() }
        for client in 0..<clients { _ = try store.append([.user("first")], to: id(client)) }
        try database.run("{\"profile\": 2}")
        let results = try onThreads(clients) { client in
            try (1...10).map { try store.append([.user("\($0)")], to: self.id(client)).value }
        }
        try database.run("{\"profile\": 0}")
        for result in results {
            #expect(result.map(\.messageCount) == [2, 3, 4, 5, 5, 5, 5, 5, 5, 5])
            #expect(result.map(\.dropped) == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
        }
        for client in 0..<clients {
            #expect(try store.read(id(client), last: nil)?.contents == ["6", "7", "8", "9", "10"])
        }
        // The looks at what shared commands have left show how many of those there were.
        let finds = try database.run(#"{"count": "system.profile", "query": {"op": "query"}}"#).integer("n") ?? 0
        #expect(finds > 0 && finds < 10 * clients / 2)
    }

    @Test func `a refused append leaves the others of its command alone`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        @Sendable func key(_ client: Int, _ body: Int64) -> IdempotencyKey {
            IdempotencyKey(key: "k\(client)", fingerprint: body)
        }
        for client in 0..<clients { _ = try store.append([.user("first")], to: id(client), key: key(client, 1)) }
        // A third repeats its key with another body, a third with the same, a third appends.
        let outcomes = try onThreads(clients) { client -> String in
            do throws(StoreError) {
                let isNew = client % 3 == 2
                let result = try store.append(
                    [.user("second")], to: self.id(client), key: isNew ? nil : key(client, client % 3 == 0 ? 2 : 1)
                ).value
                return result.isReplay ? "replayed" : "\(result.messageCount)"
            } catch {
                return "\(error)"
            }
        }
        for client in 0..<clients {
            #expect(outcomes[client] == ["keyReused", "replayed", "2"][client % 3])
            #expect(try store.read(id(client), last: nil)?.messageCount == (client % 3 == 2 ? 2 : 1))
        }
    }

    @Test func `an operation that is given twice within shared commands is applied once`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxMessages: 10_000))
        defer { store.close() }
        let operations = (0..<clients).map { client in
            Operation(of: id(client % 4), .append([.user("\(client)")], key: nil))
        }
        _ = try onThreads(clients) { client in
            for offset in 0..<4 { _ = try store.apply(operations[(client + offset) % operations.count]) }
        }
        for session in 0..<4 {
            let contents = try store.read(id(session), last: nil)?.contents ?? []
            #expect(contents.sorted() == (0..<clients).filter { $0 % 4 == session }.map(String.init).sorted())
        }
    }

    @Test func `what an append has dropped is exact when others have followed`() throws {
        let record = OperationRecord(Array("bbbbbbbb100031aaaaaaaa100030".utf8)[...])
        let first = OperationID(bytes: Array("aaaaaaaa".utf8))
        #expect(record.place(of: first) == 1)
        #expect(record.prior(at: 1) == 29 && record.prior(at: 0) == 30)
        #expect(record.place(of: .random()) == nil)
        #expect(OperationRecord(nil).place(of: first) == nil)
    }

    private func id(_ client: Int) -> SessionID { SessionID("s\(client)")! }
}
