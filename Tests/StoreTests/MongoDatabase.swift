import Foundation
import Logging
import TestSupport

@testable import Store

/// A replica set that starts when it is first needed and serves every test after it.
final class ReplicaSet: Sendable {
    let members: [MongodServer]
    let uri: String

    /// One member, shared by all tests that do not break it; `TEST_MONGO_URI` names another.
    static func shared() throws -> String { try sharedResult.get() }

    private static let sharedResult = Result {
        do {
            let set = try ReplicaSet(size: 1)
            keptAlive = set
            atexit { ReplicaSet.keptAlive = nil }
            return set.uri
        } catch is MongodMissing {
            guard let uri = ProcessInfo.processInfo.environment["TEST_MONGO_URI"] else { throw MongodMissing() }
            return uri
        }
    }
    nonisolated(unsafe) private static var keptAlive: ReplicaSet?

    init(size: Int, _ more: [String] = []) throws {
        let arguments = ["--replSet", "rs0", "--oplogSize", "64"] + more
        members = try (0..<size).map { _ in try MongodServer(arguments) }
        let hosts = members.map { "127.0.0.1:\($0.port)" }
        uri = "mongodb://\(hosts.joined(separator: ","))/?replicaSet=rs0"
        let list = hosts.enumerated().map { "{\"_id\": \($0.offset), \"host\": \"\($0.element)\"}" }
        let first = try MongoDatabase(uri: "mongodb://\(hosts[0])/?directConnection=true", name: "admin")
        try first.run(
            """
            {"replSetInitiate": {"_id": "rs0", "members": [\(list.joined(separator: ","))],
             "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}}}
            """)
        let whole = try MongoDatabase(uri: uri, name: "admin")
        try waitUntil("a primary is elected", seconds: 60) {
            (try? whole.run("{\"hello\": 1}"))?.boolean("isWritablePrimary") == true
        }
    }

    /// The member that is the primary now.
    func primary() throws -> MongodServer {
        var found: MongodServer?
        try waitUntil("one member is the primary", seconds: 60) {
            found = members.first { member in
                let direct = try? MongoDatabase(
                    uri: "mongodb://127.0.0.1:\(member.port)/?directConnection=true", name: "admin")
                return (try? direct?.run("{\"hello\": 1}"))?.boolean("isWritablePrimary") == true
            }
            return found != nil
        }
        return found!
    }
}

/// A database with a name of its own, dropped with this object, and raw access to it.
final class MongoDatabase: Sendable {
    let uri: String
    let name: String
    private let parsed: MongoURI
    private let isOwn: Bool
    static let collection = "sessions"

    /// A new database on a server.
    convenience init(uri: String? = nil) throws {
        let name = "test_\(UInt64.random(in: 0..<(1 << 48)))"
        try self.init(uri: try uri ?? ReplicaSet.shared(), name: name, isOwn: true)
    }

    /// A database that is there.
    convenience init(uri: String, name: String) throws {
        try self.init(uri: uri, name: name, isOwn: false)
    }

    private init(uri: String, name: String, isOwn: Bool) throws {
        MongoDriver.prepare(logger: Logger(label: "mongo") { _ in SwiftLogNoOpLogHandler() })
        self.uri = uri
        self.name = name
        self.isOwn = isOwn
        parsed = try MongoURI(uri)
    }

    deinit {
        if isOwn { _ = try? run("{\"dropDatabase\": 1}") }
    }

    func store(
        _ limits: StoreLimits = StoreLimits(), maxConnections: Int = 34
    ) throws -> MongoStore {
        MongoStore(
            parsed, database: name, collection: Self.collection, limits: limits, maxConnections: maxConnections,
            logger: Logger(label: "mongo") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs a command that is spelled out in JSON.
    @discardableResult
    func run(_ json: String) throws -> BSONDocument {
        try run(JSONToBSON.document(json))
    }

    @discardableResult
    func run(_ command: [UInt8]) throws -> BSONDocument {
        try MongoClient.withOwn(parsed, timeout: 30_000) { client throws(MongoError) in
            try client.command(command, on: name, .read)
        }
    }

    /// Changes documents as another writer would.
    func update(_ id: String? = nil, _ update: String, upsert: Bool = false) throws {
        let filter = id.map { "{\"_id\": \"\($0)\"}" } ?? "{}"
        let reply = try run(
            """
            {"update": "\(Self.collection)", "updates": [
                {"q": \(filter), "u": \(update), "multi": \(id == nil), "upsert": \(upsert)}]}
            """)
        if let error = reply.documents("writeErrors").first {
            throw MongodFailed(log: String(decoding: error.string("errmsg") ?? [], as: UTF8.self))
        }
    }

    /// The stored document as JSON.
    func document(_ id: String) throws -> String? {
        let reply = try run("{\"find\": \"\(Self.collection)\", \"filter\": {\"_id\": \"\(id)\"}}")
        guard let document = reply.document("cursor")?.documents("firstBatch").first else { return nil }
        var converter = BSONToJSON(document.bytes, capacity: 256)
        try converter.append(
            BSONElement(type: .document, name: 0..<0, value: document.range))
        return String(decoding: converter.output.bytes, as: UTF8.self)
    }
}
