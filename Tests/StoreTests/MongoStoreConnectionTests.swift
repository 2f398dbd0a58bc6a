import CMongoC
import Foundation
import Logging
import Testing

@testable import Store

/// What can be wrong between a worker and its MongoDB.
@Suite struct MongoStoreConnectionTests {
    private let id = SessionID("s")!

    // MARK: The address

    @Test(arguments: [
        "mongodb://user:secret:word@host/", "mongodb://us%er:secret@host/", "mongodb://user:sec%ret@host/", "http://secret",
        "", "mongodb://", "mongodb://user:secret@", "mongodb://host/?readPreference=secret", "mongodb://host\0secret/",
    ])
    func aBadAddressIsRefusedWithoutBeingRepeated(_ uri: String) throws {
        do {
            _ = try MongoURI(uri)
            Issue.record("it was taken")
        } catch {
            #expect(!error.description.isEmpty)
            #expect(!error.description.contains("secret"))
        }
    }

    @Test func theAddressWinsOverTheDefaultsAndNotOverTheProbe() throws {
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

    @Test func nothingIsAskedOfTheNetworkBeforeTheFirstCall() throws {
        let store = try self.store("mongodb://127.0.0.1:1/")
        defer { store.close() }
        #expect(store.status.mongo == .disconnected)
        #expect(!store.status.isReady)
    }

    @Test func aServerThatIsNotThereIsUnavailable() throws {
        let store = try self.store("mongodb://user:secret@127.0.0.1:1/")
        defer { store.close() }
        store.start()
        expectUnavailable { try store.ping() }
        expectUnavailable { _ = try store.read(id, last: nil) }
        #expect(!store.status.isReady)
        let problem = try #require(store.diagnose().problem)
        #expect(problem.contains("Nothing listens"))
        #expect(!problem.contains("secret"))
    }

    @Test func anUnknownHostIsNamedAsSuch() throws {
        let store = try self.store("mongodb://no-such-host.invalid/")
        defer { store.close() }
        #expect(try #require(store.diagnose().problem).contains("not known"))
    }

    @Test func anUnknownServiceIsUnavailableAndTriedAgain() throws {
        let store = try self.store("mongodb+srv://no.such.host.invalid/")
        defer { store.close() }
        for _ in 0..<2 { expectUnavailable { _ = try store.read(id, last: nil) } }
    }

    @Test func aClosedStoreRefuses() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        store.start()
        _ = try store.append([.user("a")], to: id, key: nil)
        store.close()
        store.close()
        expectUnavailable { _ = try store.read(id, last: nil) }
    }

    // MARK: A server that goes and comes

    @Test func aServerThatReturnsIsFoundAgain() throws {
        let server = try MongodServer()
        // A server without a replica set acknowledges what a crash can still take away, unless told otherwise.
        let database = try MongoDatabase(uri: "mongodb://127.0.0.1:\(server.port)/?journal=true")
        let store = try database.store()
        defer { store.close() }
        store.start()
        try poll("it is connected") { store.status.isReady }
        _ = try store.append([.user("a")], to: id, key: nil)
        server.kill()
        try poll("the loss is noticed") { !store.status.isReady }
        expectUnavailable { _ = try store.append([.user("lost")], to: id, key: nil) }
        try server.start()
        try poll("it is connected again") { store.status.isReady }
        try store.ping()
        #expect(try store.append([.user("b")], to: id, key: nil).value.messageCount == 2)
    }

    @Test func aFrozenServerIsUnavailableWithinSeconds() throws {
        let server = try MongodServer()
        let database = try MongoDatabase(uri: "mongodb://127.0.0.1:\(server.port)/")
        let store = try database.store()
        defer { store.close() }
        store.start()
        try poll("it is connected") { store.status.isReady }
        _ = try store.append([.user("a")], to: id, key: nil)
        server.freeze()
        defer { server.thaw() }
        let start = ContinuousClock.now
        expectUnavailable { try store.ping() }
        #expect(start.duration(to: .now) < .seconds(3))
        try poll("the loss is noticed", seconds: 5) { !store.status.isReady }
        expectUnavailable { _ = try store.read(id, last: nil) }
        #expect(start.duration(to: .now) < .seconds(14))
        server.thaw()
        try poll("it is connected again") { store.status.isReady }
        #expect(try store.read(id, last: nil).value?.contents == ["a"])
    }

    // MARK: Passwords and rights

    @Test func aServerThatWantsAPasswordGetsIt() throws {
        let server = try MongodServer(["--auth"])
        let address = "127.0.0.1:\(server.port)"
        // The first user can be made without one, from this machine.
        let admin = try MongoDatabase(uri: "mongodb://\(address)/", name: "admin")
        try admin.run(#"{"createUser": "root", "pwd": "r00t", "roles": ["root"]}"#)
        let root = try MongoDatabase(uri: "mongodb://root:r00t@\(address)/", name: "admin")
        let database = try MongoDatabase(uri: "mongodb://root:r00t@\(address)/")

        let right = try database.store()
        defer { right.close() }
        right.start()
        #expect(try right.append([.user("a")], to: id, key: nil).value.messageCount == 1)
        try poll("it is connected") { right.status.isReady }
        try poll("the index is made") { try database.indexes().contains { $0.name == "session_ttl" } }

        for (uri, advice) in [
            ("mongodb://root:secret@\(address)/", "does not take the user name or password"),
            ("mongodb://\(address)/", "put its name and password"),
        ] {
            let wrong = try store(uri, database: database.name)
            defer { wrong.close() }
            wrong.start()
            expectUnavailable { _ = try wrong.append([.user("secret")], to: id, key: nil) }
            expectUnavailable { _ = try wrong.read(id, last: nil) }
            expectUnavailable { try wrong.ping() }
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
        limited.start()
        try poll("the shorter time is known") { limited.status.ttlSeconds == 77 }
        #expect(limited.status.isReady)
        #expect(try limited.append([.user("b")], to: id, key: nil).value.messageCount == 2)
    }

    // MARK: TLS

    @Test func aServerThatWantsTLSGetsIt() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("session-fcgi-tls-\(UUID().uuidString)")
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
        #expect(try right.append([.user("a")], to: id, key: nil).value.messageCount == 1)
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
        try MongoStore(
            uri: uri, database: database, collection: MongoDatabase.collection, limits: StoreLimits(),
            maxConnections: 4,
            logger: Logger(label: "mongo") { _ in SwiftLogNoOpLogHandler() })
    }

    private func expectUnavailable(
        _ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do {
            try body()
            Issue.record("it was available", sourceLocation: sourceLocation)
        } catch StoreError.unavailable(let reason) {
            #expect(!reason.contains("secret"), sourceLocation: sourceLocation)
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
    }
}
