import Logging
import Store

/// All of a worker's settings that come from its environment, checked once.
struct Settings: Sendable {
    enum StoreChoice: String, CaseIterable, Sendable {
        /// MongoDB when `MONGO_URI` is set, else SQLite when there is a `STATE_DIRECTORY`, else memory.
        case auto
        case mongodb, sqlite, memory
    }

    enum Fallback: String, CaseIterable, Sendable { case disk, memory, off }

    var store: StorePlan
    var limits = StoreLimits()
    var requestLimits = RequestLimits()
    var adminToken: TokenSource
    var apiTokens: TokenSource
    var testRoutesEnabled: Bool
    var logLevel: Logger.Level
    var logFormat: LogOutput.Format
    /// The settings as `check` shows them, secrets hidden.
    let summary: [(name: String, value: String)]

    /// A session at its greatest with a request's body on top must fit into a MongoDB document of 16 MiB.
    static let maximumDocumentBytes = 15 << 20

    init(_ environment: [String: String]) throws(ConfigurationError) {
        var reader = EnvironmentReader(variables: environment)
        let choice = reader.choice("SESSION_STORE", default: StoreChoice.auto)
        let directory = Self.stateDirectory(&reader)
        let fallback = reader.choice("MONGO_FALLBACK", default: directory == nil ? Fallback.memory : .disk)
        let journalMaxBytes = reader.integer("JOURNAL_MAX_BYTES", default: 268_435_456, in: 1 << 20...1 << 50)
        let memoryMaxBytes = reader.integer("MEMORY_MAX_BYTES", default: 268_435_456, in: 1 << 20...1 << 50)
        let address = reader.text("MONGO_URI")
        let database = Self.databaseName(&reader)
        let collection = Self.collectionName(&reader)
        let usesMongo = choice == .mongodb || choice == .auto
        if choice == .mongodb, address == nil { reader.fault("SESSION_STORE: mongodb needs MONGO_URI") }
        if choice == .sqlite, directory == nil { reader.fault("SESSION_STORE: sqlite needs STATE_DIRECTORY") }
        if fallback == .disk, directory == nil { reader.fault("MONGO_FALLBACK: disk needs STATE_DIRECTORY") }
        if let uri = Self.mongoURI(address, isUsed: usesMongo, &reader) {
            let standby: StorePlan.StandbyPlan? = switch fallback {
            case .disk: directory.map { .disk($0, maxBytes: journalMaxBytes) }
            // Half for what is known of sessions, half for what waits for MongoDB.
            case .memory: .memory(maxBytes: memoryMaxBytes / 2)
            case .off: nil
            }
            store = .mongo(.init(uri: uri, database: database, collection: collection, standby: standby))
        } else if let directory, choice != .memory {
            store = .sqlite(directory)
        } else {
            store = .memory(maxBytes: memoryMaxBytes)
        }
        limits.maxMessages = reader.integer("MAX_SESSION_MESSAGES", default: limits.maxMessages, in: 1...10_000)
        limits.ttlSeconds = reader.integer("SESSION_TTL_SECONDS", default: limits.ttlSeconds, in: 0...2_147_483_647)
        let bytes = 1...Self.maximumDocumentBytes
        limits.maxSessionBytes = reader.integer("MAX_SESSION_BYTES", default: limits.maxSessionBytes, in: bytes)
        requestLimits.maxMessageBytes = reader.integer(
            "MAX_MESSAGE_BYTES", default: requestLimits.maxMessageBytes, in: bytes)
        requestLimits.maxBodyBytes = reader.integer("MAX_BODY_BYTES", default: requestLimits.maxBodyBytes, in: bytes)
        if limits.maxSessionBytes + requestLimits.maxBodyBytes > Self.maximumDocumentBytes {
            reader.fault(
                "MAX_SESSION_BYTES: with MAX_BODY_BYTES it is over 15 MiB (\(Self.maximumDocumentBytes)), "
                    + "and a session could outgrow a MongoDB document")
        }
        adminToken = TokenSource("ADMIN_TOKEN", isList: false, from: &reader)
        apiTokens = TokenSource("API_TOKENS", isList: true, from: &reader)
        testRoutesEnabled = reader.flag("ENABLE_TEST_ROUTES", default: false)
        logLevel = reader.choice("LOG_LEVEL", default: Logger.Level.info)
        logFormat = reader.choice("LOG_FORMAT", default: LogOutput.Format.text)
        guard reader.faults.isEmpty else { throw ConfigurationError(faults: reader.faults) }
        summary = [
            ("MONGO_URI", address.map(MongoURI.withoutSecrets) ?? "(not set)"),
            ("MONGO_DATABASE", database),
            ("MONGO_COLLECTION", collection),
            ("SESSION_STORE", "\(choice.rawValue) (\(store.kind.rawValue))"),
            ("STATE_DIRECTORY", directory?.path ?? "(not set)"),
            ("MONGO_FALLBACK", fallback.rawValue),
            ("JOURNAL_MAX_BYTES", String(journalMaxBytes)),
            ("MAX_SESSION_MESSAGES", String(limits.maxMessages)),
            ("SESSION_TTL_SECONDS", String(limits.ttlSeconds) + (limits.ttlSeconds == 0 ? " (never)" : "")),
            ("MAX_MESSAGE_BYTES", String(requestLimits.maxMessageBytes)),
            ("MAX_SESSION_BYTES", String(limits.maxSessionBytes)),
            ("MAX_BODY_BYTES", String(requestLimits.maxBodyBytes)),
            ("MEMORY_MAX_BYTES", String(memoryMaxBytes)),
            ("ADMIN_TOKEN", adminToken.summary),
            ("API_TOKENS", apiTokens.summary),
            ("ENABLE_TEST_ROUTES", String(testRoutesEnabled)),
            ("LOG_LEVEL", logLevel.rawValue),
            ("LOG_FORMAT", logFormat.rawValue),
        ]
    }

    private static func mongoURI(_ text: String?, isUsed: Bool, _ reader: inout EnvironmentReader) -> MongoURI? {
        guard let text else { return nil }
        guard text.hasPrefix("mongodb://") || text.hasPrefix("mongodb+srv://") else {
            reader.fault("MONGO_URI: must begin with mongodb:// or mongodb+srv://")
            return nil
        }
        guard isUsed else { return nil }
        do throws(MongoURIError) {
            return try MongoURI(text)
        } catch {
            reader.fault("MONGO_URI: \(error)")
            return nil
        }
    }

    private static func stateDirectory(_ reader: inout EnvironmentReader) -> StateDirectory? {
        // systemd names several with colons between them.
        guard let path = reader.text("STATE_DIRECTORY")?.split(separator: ":").first else { return nil }
        do throws(StateDirectoryError) {
            return try StateDirectory(String(path))
        } catch {
            reader.fault("STATE_DIRECTORY: \(error)")
            return nil
        }
    }

    private static func databaseName(_ reader: inout EnvironmentReader) -> String {
        let name = reader.text("MONGO_DATABASE") ?? "pharmai"
        if name.utf8.count > 63 || name.contains(where: { "/\\. \"$\0".contains($0) }) {
            reader.fault("MONGO_DATABASE: must be at most 63 bytes without any of / \\ . \" $ and spaces")
        }
        return name
    }

    private static func collectionName(_ reader: inout EnvironmentReader) -> String {
        let name = reader.text("MONGO_COLLECTION") ?? "sessions"
        if name.contains(where: { "$\0".contains($0) }) || name.hasPrefix("system.") {
            reader.fault("MONGO_COLLECTION: must not contain $ nor begin with system.")
        }
        return name
    }
}

extension TokenSource {
    fileprivate var summary: String {
        switch self {
        case .none: "(not set)"
        case .value(let tokens): "(\(tokens.count) hidden)"
        case .file(let path, _): "(hidden, in \(path))"
        }
    }
}
