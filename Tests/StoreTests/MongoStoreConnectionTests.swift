import CMongoC
import Foundation
import Logging
import TestSupport
import Testing

@testable import Store

/// What can be wrong between a worker and its MongoDB.
@Suite struct MongoStoreConnectionTests {
    private let id = SessionID("s")!

    // MARK: The address

    @Test(arguments: [
        "mongodb://user:secret:word@host/", "mongodb://us%er:secret@host/", "mongodb://user:sec%ret@host/",
        "http://secret", "", "mongodb://", "mongodb://user:secret@", "mongodb://host/?readPreference=secret",
        "mongodb://host\0secret/",
    ])
    func `a bad address is refused without being repeated`(_ uri: String) throws {
        do {
            _ = try MongoURI(uri)
            Issue.record("it was taken")
        } catch {
            #expect(!error.description.isEmpty)
            #expect(!error.description.contains("secret"))
        }
    }

    @Test func `the address wins over the defaults and not over the probe`() throws {
        let uri = try MongoURI("mongodb://host/?socketTimeoutMS=77&maxPoolSize=3")
        let values = uri.withHandle(
            defaults: [("sockettimeoutms", 3000), ("maxpoolsize", 9), ("connecttimeoutms", 2000)],
            overriding: [("serverselectiontimeoutms", 1)]
        ) { uri in
            ["sockettimeoutms", "maxpoolsize", "connecttimeoutms", "serverselectiontimeoutms"].map { (name: String) in
                mongoc_uri_get_option_as_int32(uri, name, 0)
            }
        }
        #expect(values == [77, 3, 2000, 1])
    }

    // MARK: No server

    @Test func `nothing is asked of the network before the first call`() throws {
        let store = try self.store("mongodb://127.0.0.1:1/")
        defer { store.close() }
        #expect(store.status.primary == .unreachable)
        #expect(!store.status.isReady)
    }

    @Test func `a server that is not there is unavailable`() throws {
        let store = try self.store("mongodb://user:secret@127.0.0.1:1/")
        defer { store.close() }
        try store.start()
        expectUnavailable { try store.probe() }
        expectUnavailable { _ = try store.read(id, last: nil) }
        #expect(!store.status.isReady)
        let problem = try #require(store.diagnose().problem)
        #expect(problem.contains("Nothing listens"))
        #expect(!problem.contains("secret"))
    }

    @Test func `an unknown host is named as such`() throws {
        let store = try self.store("mongodb://no-such-host.invalid/")
        defer { store.close() }
        #expect(try #require(store.diagnose().problem).contains("not known"))
    }

    @Test func `an unknown service is unavailable and tried again`() throws {
        let store = try self.store("mongodb+srv://no.such.host.invalid/")
        defer { store.close() }
        for _ in 0..<2 { expectUnavailable { _ = try store.read(id, last: nil) } }
    }

    @Test func `a closed store refuses`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        try store.start()
        _ = try store.append([.user("a")], to: id)
        store.close()
        store.close()
        expectUnavailable { _ = try store.read(id, last: nil) }
    }

    // MARK: A server that goes and comes

    @Test func `a server that returns is found again`() throws {
        let server = try MongodServer()
        // A server without a replica set acknowledges what a crash can still take away, unless told otherwise.
        let database = try MongoDatabase(uri: "mongodb://127.0.0.1:\(server.port)/?journal=true")
        let store = try database.store()
        defer { store.close() }
        try store.start()
        try waitUntil("it is connected") { store.status.isReady }
        _ = try store.append([.user("a")], to: id)
        server.kill()
        try waitUntil("the loss is noticed") { !store.status.isReady }
        expectUnavailable { _ = try store.append([.user("lost")], to: id) }
        try server.start()
        try waitUntil("it is connected again") { store.status.isReady }
        try store.probe()
        #expect(try store.append([.user("b")], to: id).value.messageCount == 2)
    }

    @Test func `a frozen server is unavailable within seconds`() throws {
        let server = try MongodServer()
        let database = try MongoDatabase(uri: "mongodb://127.0.0.1:\(server.port)/")
        let store = try database.store()
        defer { store.close() }
        try store.start()
        try waitUntil("it is connected") { store.status.isReady }
        _ = try store.append([.user("a")], to: id)
        server.freeze()
        defer { server.thaw() }
        let start = ContinuousClock.now
        expectUnavailable { try store.probe() }
        #expect(start.duration(to: .now) < .seconds(3))
        try waitUntil("the loss is noticed", seconds: 5) { !store.status.isReady }
        expectUnavailable { _ = try store.read(id, last: nil) }
        #expect(start.duration(to: .now) < .seconds(14))
        server.thaw()
        try waitUntil("it is connected again") { store.status.isReady }
        #expect(try store.read(id, last: nil)?.contents == ["a"])
    }

    // MARK: Passwords and rights

    @Test func `a server that wants a password gets it`() throws {
        let server = try MongodServer(["--auth"])
        let address = "127.0.0.1:\(server.port)"
        // The first user can be made without one, from this machine.
        let admin = try MongoDatabase(uri: "mongodb://\(address)/", name: "admin")
        try admin.run(#"{"createUser": "root", "pwd": "r00t", "roles": ["root"]}"#)
        let root = try MongoDatabase(uri: "mongodb://root:r00t@\(address)/", name: "admin")
        let database = try MongoDatabase(uri: "mongodb://root:r00t@\(address)/")

        let right = try database.store()
        defer { right.close() }
        try right.start()
        #expect(try right.append([.user("a")], to: id).value.messageCount == 1)
        try waitUntil("it is connected") { right.status.isReady }
        try waitUntil("the index is made") { try database.indexes().contains { $0.name == "session_ttl" } }

        for (uri, advice) in [
            ("mongodb://root:secret@\(address)/", "does not take the user name or password"),
            ("mongodb://\(address)/", "put its name and password"),
        ] {
            let wrong = try store(uri, database: database.name)
            defer { wrong.close() }
            try wrong.start()
            expectUnavailable { _ = try wrong.append([.user("secret")], to: id) }
            expectUnavailable { _ = try wrong.read(id, last: nil) }
            expectUnavailable { try wrong.probe() }
            let problem = try #require(wrong.diagnose().problem)
            #expect(problem.contains(advice))
            #expect(!problem.contains("secret"))
            #expect(!wrong.status.isReady)
        }

        // A user who may read and write but not make indexes is served all the same.
        try root.run(
            """
            {"createRole": "writer", "roles": [], "privileges": [{
                "resource": {"db": "\(database.name)", "collection": ""},
                "actions": ["find", "insert", "update", "remove", "listIndexes"]}]}
            """)
        try root.run(#"{"createUser": "writer", "pwd": "w", "roles": ["writer"]}"#)
        try database.run(
            #"{"collMod": "sessions", "index": {"name": "session_ttl", "expireAfterSeconds": 77}}"#)
        let limited = try store("mongodb://writer:w@\(address)/", database: database.name)
        defer { limited.close() }
        try limited.start()
        try waitUntil("the shorter time is known") { limited.status.ttlSeconds == 77 }
        #expect(limited.status.isReady)
        #expect(try limited.append([.user("b")], to: id).value.messageCount == 2)
    }

    // MARK: TLS

    @Test func `a server that wants TLS gets it`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("session-fcgi-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = """
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=localhost \
                -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null && cat key.pem cert.pem > server.pem
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script]
        process.currentDirectoryURL = folder
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)

        let server = try MongodServer([
            "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", folder.appendingPathComponent("server.pem").path,
        ])
        let certificate = folder.appendingPathComponent("cert.pem").path
        let database = try MongoDatabase(uri: "mongodb://127.0.0.1:\(server.port)/?tls=true&tlsCAFile=\(certificate)")
        let right = try database.store()
        defer { right.close() }
        #expect(try right.append([.user("a")], to: id).value.messageCount == 1)
        #expect(right.diagnose().problem == nil)

        let untrusting = try store("mongodb://127.0.0.1:\(server.port)/?tls=true")
        defer { untrusting.close() }
        expectUnavailable { _ = try untrusting.read(id, last: nil) }
        #expect(try #require(untrusting.diagnose().problem).contains("tlsCAFile"))

        let plain = try store("mongodb://127.0.0.1:\(server.port)/")
        defer { plain.close() }
        expectUnavailable { _ = try plain.read(id, last: nil) }
        #expect(try #require(plain.diagnose().problem).contains("tls=true"))
    }

    // MARK: Helpers

    private func store(_ uri: String, database: String = "test") throws -> MongoStore {
        MongoStore(
            try MongoURI(uri), database: database, collection: MongoDatabase.collection, limits: StoreLimits(),
            maxConnections: 4,
            logger: Logger(label: "mongo") { _ in SwiftLogNoOpLogHandler() })
    }
}
