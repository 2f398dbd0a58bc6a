import TestSupport
import Testing

@testable import Store

/// The index on `updated_at`, from whatever state it is found in.
@Suite struct MongoStoreIndexTests {
    typealias Index = MongoIndexes.Index

    static let ttl = Index(name: "session_ttl", isOnUpdatedAt: true, expireAfterSeconds: 600, isPlain: true)
    static let plain = Index(name: "updated_at_1", isOnUpdatedAt: true, expireAfterSeconds: nil, isPlain: true)

    /// Indexes as they are found, as JSON, and how many are left beside that of `_id` and the one wanted.
    static let found: [(indexes: [String], others: Int)] = [
        ([], 0),
        ([#"{"key": {"updated_at": 1}, "name": "session_ttl", "expireAfterSeconds": 600}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "session_ttl", "expireAfterSeconds": 5000}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "updated_at_1"}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "updated_at_1", "expireAfterSeconds": 600}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "session_ttl"}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "by_date", "expireAfterSeconds": 600}"#], 0),
        ([#"{"key": {"updated_at": 1}, "name": "session_ttl", "sparse": true, "expireAfterSeconds": 600}"#], 0),
        ([#"{"key": {"created_at": 1}, "name": "session_ttl", "expireAfterSeconds": 600}"#], 0),
        (
            [
                #"{"key": {"updated_at": -1}, "name": "updated_at_-1"}"#,
                #"{"key": {"updated_at": 1, "_id": 1}, "name": "both"}"#,
            ], 1
        ),
        (
            [
                #"{"key": {"updated_at": -1}, "name": "newest", "expireAfterSeconds": 60}"#,
                #"{"key": {"updated_at": 1}, "name": "session_ttl", "expireAfterSeconds": 600}"#,
            ], 0
        ),
        (
            [
                #"{"key": {"updated_at": 1}, "name": "updated_at_1"}"#,
                #"{"key": {"updated_at": 1}, "name": "recent", "partialFilterExpression": {"seq": {"$gt": 5}}}"#,
            ], 0
        ),
    ]

    @Test(arguments: found.indices, [0, 600])
    func `one index remains`(index: Int, ttlSeconds: Int) throws {
        let database = try MongoDatabase()
        let (indexes, others) = Self.found[index]
        if !indexes.isEmpty {
            try database.run("{\"createIndexes\": \"sessions\", \"indexes\": [\(indexes.joined(separator: ","))]}")
        }
        let planned = try database.planned(ttlSeconds)
        let outcome = try database.reconcile(ttlSeconds)
        #expect(outcome.steps == planned)
        #expect(outcome.ttlSeconds == ttlSeconds)
        #expect(!outcome.isRefused)
        let left = try database.indexes().filter { $0.name != "_id_" }
        #expect(left.count == others + 1)
        #expect(left.filter(\.isOnUpdatedAt) == [ttlSeconds == 0 ? Self.plain : Self.ttl])
        #expect(try database.reconcile(ttlSeconds).steps.isEmpty)
    }

    @Test func `only the seconds are changed in place`() throws {
        let database = try MongoDatabase()
        _ = try database.reconcile(5000)
        let steps = try database.reconcile(600).steps
        guard case .changeExpiry(_, 600)? = steps.first, steps.count == 1 else {
            Issue.record("\(steps)")
            return
        }
    }

    @Test(arguments: [
        [], [#"{"key": {"updated_at": 1}, "name": "updated_at_1"}"#],
        [#"{"key": {"updated_at": 1}, "name": "session_ttl", "expireAfterSeconds": 9}"#],
    ])
    func `eight workers at once agree`(indexes: [String]) throws {
        for _ in 0..<3 {
            let database = try MongoDatabase()
            if !indexes.isEmpty {
                try database.run("{\"createIndexes\": \"sessions\", \"indexes\": [\(indexes.joined(separator: ","))]}")
            }
            _ = try onThreads(8) { _ in _ = try database.reconcile(600) }
            #expect(try database.indexes().filter { $0.name != "_id_" } == [Self.ttl])
        }
    }

    @Test func `a store reconciles in the background when it starts`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(ttlSeconds: 600))
        defer { store.close() }
        try store.start()
        try waitUntil("the index is made") { try database.indexes().contains(Self.ttl) }
        #expect(store.status.ttlSeconds == 600)
        try database.run(#"{"dropIndexes": "sessions", "index": "session_ttl"}"#)
        let another = try database.store(StoreLimits(ttlSeconds: 600))
        defer { another.close() }
        try another.start()
        try waitUntil("the index is made again") { try database.indexes().contains(Self.ttl) }
    }

    @Test func `the plan is told without being done`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(ttlSeconds: 600))
        defer { store.close() }
        try database.run(
            #"{"createIndexes": "sessions", "indexes": [{"key": {"updated_at": 1}, "name": "updated_at_1"}]}"#)
        let diagnosis = store.diagnose()
        #expect(diagnosis.problem == nil)
        #expect(diagnosis.serverVersion?.contains(".") == true)
        #expect(diagnosis.topology?.hasPrefix("replica set") == true)
        #expect((diagnosis.latencyMicroseconds ?? 0) > 0)
        #expect(diagnosis.indexes == ["_id_", "updated_at_1"])
        #expect(diagnosis.plan == ["drop updated_at_1", "create session_ttl (expires after 600 s)"])
        #expect(try database.indexes().contains(Self.plain))
    }
}

extension MongoDatabase {
    func reconcile(_ ttlSeconds: Int) throws -> MongoIndexes.Outcome {
        try withIndexes(ttlSeconds) { indexes, client throws(MongoError) in try indexes.reconcile(client) }
    }

    func indexes() throws -> [MongoIndexes.Index] {
        try withIndexes(0) { indexes, client throws(MongoError) in try indexes.list(client) }
    }

    func planned(_ ttlSeconds: Int) throws -> [MongoIndexes.Step] {
        try withIndexes(ttlSeconds) { indexes, client throws(MongoError) in
            indexes.plan(for: try indexes.list(client))
        }
    }

    private func withIndexes<Result>(
        _ ttlSeconds: Int, _ body: (MongoIndexes, borrowing MongoClient) throws(MongoError) -> Result
    ) throws -> Result {
        let indexes = MongoIndexes(database: name, collection: Array(Self.collection.utf8), ttlSeconds: ttlSeconds)
        return try MongoClient.withOwn(try MongoURI(uri), timeout: 30_000) { client throws(MongoError) in
            try body(indexes, client)
        }
    }
}
