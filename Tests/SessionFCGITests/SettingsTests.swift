import Foundation
import Store
import Testing

@testable import SessionFCGI

@Suite struct SettingsTests {
    private func faults(_ environment: [String: String]) -> [String] {
        do {
            _ = try Settings(environment)
            return []
        } catch {
            return error.faults
        }
    }

    @Test func `an empty environment gives the defaults`() throws {
        let settings = try Settings([:])
        #expect(settings.store == .memory(maxBytes: 268_435_456))
        let mongo = try Settings(["MONGO_URI": "mongodb://host"])
        let uri = try MongoURI("mongodb://host")
        #expect(
            mongo.store
                == .mongo(.init(uri: uri, database: "pharmai", collection: "sessions", standby: .memory(maxBytes: 134_217_728))))
        #expect(settings.limits.maxMessages == 30 && settings.limits.ttlSeconds == 604_800)
        #expect(settings.limits.maxSessionBytes == 8_388_608)
        #expect(settings.requestLimits.maxMessageBytes == 262_144 && settings.requestLimits.maxBodyBytes == 1_048_576)
        #expect(settings.adminToken == .none && settings.apiTokens == .none && !settings.testRoutesEnabled)
        #expect(settings.logLevel == .info && settings.logFormat == .text)
    }

    @Test func `the store follows from the URI and the choice`() throws {
        let uri = "mongodb://host"
        #expect(try Settings(["MONGO_URI": uri]).store.kind == .mongodb)
        #expect(try Settings(["MONGO_URI": uri, "SESSION_STORE": "memory"]).store.kind == .memory)
        #expect(try Settings(["MONGO_URI": uri, "SESSION_STORE": "mongodb"]).store.kind == .mongodb)
        #expect(try Settings(["MONGO_URI": ""]).store.kind == .memory)
        #expect(faults(["SESSION_STORE": "mongodb"]).first?.hasPrefix("SESSION_STORE:") == true)
    }

    @Test func `without a fallback nothing stands by`() throws {
        let settings = try Settings(["MONGO_URI": "mongodb://host", "MONGO_FALLBACK": "off"])
        guard case .mongo(let plan) = settings.store else {
            Issue.record("the store is not MongoDB")
            return
        }
        #expect(plan.standby == nil)
    }

    @Test func `a URI that libmongoc does not take is a fault where it is used`() {
        let environment = ["MONGO_URI": "mongodb://user:s3cret@host:port"]
        let found = faults(environment)
        #expect(found.count == 1 && found[0].hasPrefix("MONGO_URI:") && !found[0].contains("s3cret"))
        #expect(faults(environment.merging(["SESSION_STORE": "memory"]) { $1 }).isEmpty)
    }

    @Test(arguments: [
        ("MAX_SESSION_MESSAGES", "1", "10000", ["0", "10001"]),
        ("SESSION_TTL_SECONDS", "0", "2147483647", ["2147483648"]),
        ("MEMORY_MAX_BYTES", "1048576", "1125899906842624", ["0", "1000"]),
    ])
    func `a number has its range`(name: String, least: String, greatest: String, outside: [String]) {
        #expect(faults([name: least]).isEmpty && faults([name: greatest]).isEmpty)
        for value in outside + ["-1", "+5", "5.0", "0x10", " 5", "5 ", "five", "99999999999999999999", "５"] {
            let found = faults([name: value])
            #expect(found.count == 1 && found[0].hasPrefix(name + ":"))
        }
    }

    @Test(arguments: [
        ("SESSION_STORE", "redis"), ("MONGO_FALLBACK", "on"), ("ENABLE_TEST_ROUTES", "maybe"), ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"), ("MONGO_URI", "http://host"), ("MONGO_URI", "host:27017"), ("MONGO_DATABASE", "a.b"),
        ("MONGO_DATABASE", "a b"), ("MONGO_COLLECTION", "a$b"), ("MONGO_COLLECTION", "system.users"),
        ("ADMIN_TOKEN", "two words"), ("API_TOKENS", ","), ("API_TOKENS", "a,ä"),
    ])
    func `an unknown value is a fault that names its variable and not the value`(name: String, value: String) {
        let found = faults([name: value])
        #expect(found.count == 1 && found[0].hasPrefix(name + ":"))
        if name.contains("TOKEN") || name == "MONGO_URI" { #expect(!found[0].contains(value) || value == ",") }
    }

    @Test func `all faults are told at once`() {
        let environment = ["MAX_BODY_BYTES": "x", "LOG_LEVEL": "x", "MONGO_URI": "x", "ENABLE_TEST_ROUTES": "x"]
        #expect(faults(environment).count == 4)
    }

    @Test func `no session may outgrow a document`() {
        #expect(faults(["MAX_SESSION_BYTES": "14680064", "MAX_BODY_BYTES": "1048576"]).isEmpty)
        let found = faults(["MAX_SESSION_BYTES": "14680065", "MAX_BODY_BYTES": "1048576"])
        #expect(found.count == 1 && found[0].hasPrefix("MAX_SESSION_BYTES:"))
    }

    @Test func `tokens come from the variable or from its file, and not from both`() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("tokens-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(FileManager.default.createFile(atPath: path, contents: Data(" one,two \r\nthree\n\n".utf8)))
        let settings = try Settings(["API_TOKENS_FILE": path, "ADMIN_TOKEN": " adm1n "])
        #expect(settings.apiTokens.tokens == ["one", "two", "three"])
        // While an admin's token is being replaced, its file has both.
        let rotating = try Settings(["ADMIN_TOKEN_FILE": path])
        #expect(rotating.adminToken.tokens == ["one", "two", "three"])
        #expect(settings.adminToken.tokens == ["adm1n"])
        #expect(FileManager.default.createFile(atPath: path, contents: Data("new".utf8)))
        #expect(try TokenSource.load(path, named: "API_TOKENS") == ["new"])
        #expect(faults(["API_TOKENS_FILE": path, "API_TOKENS": "x"]).first?.hasPrefix("API_TOKENS:") == true)
        #expect(faults(["ADMIN_TOKEN_FILE": path + "x"]).first?.hasPrefix("ADMIN_TOKEN_FILE:") == true)
        #expect(FileManager.default.createFile(atPath: path, contents: Data("\n".utf8)))
        #expect(faults(["ADMIN_TOKEN_FILE": path]).first?.hasPrefix("ADMIN_TOKEN_FILE:") == true)
    }

    @Test(arguments: [
        "mongodb://user:s3cret@host/db", "mongodb://s3cret@host", "mongodb+srv://user:s3cret@host/?x=1",
        "mongodb://user:p%40s3cret@a:1,b:2/?authSource=s3cret", "mongodb://user:s3c/s3cret@host/db",
        "mongodb://user:s3cret?x@host", "mongodb://user:s3cret@more@host",
        "mongodb://host/?tlsCertificateKeyFilePassword=s3cret",
    ])
    func `a summary hides every secret`(uri: String) throws {
        // Some of these are none that libmongoc takes: what is not used is shown all the same.
        let settings = try Settings([
            "MONGO_URI": uri, "SESSION_STORE": "memory", "ADMIN_TOKEN": "s3cret", "API_TOKENS": "s3cret,s3cret2",
        ])
        for (name, value) in settings.summary { #expect(!value.contains("s3c"), "\(name)=\(value)") }
        #expect(settings.summary.first?.value.hasPrefix("mongodb") == true)
        #expect(settings.summary.count == 18)
    }
}
