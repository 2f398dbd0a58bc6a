import Logging
import Store

/// All of a worker's settings that come from its environment, checked once.
struct Settings: Sendable, Equatable {
    enum StoreChoice: String, CaseIterable, Sendable {
        /// MongoDB when `MONGO_URI` is set, else memory.
        case auto
        case mongodb, memory
    }

    enum Fallback: String, CaseIterable, Sendable {
        case memory, off
    }

    var mongoURI: String?
    var mongoDatabase = "pharmai"
    var mongoCollection = "sessions"
    var storeChoice = StoreChoice.auto
    var fallback = Fallback.memory
    var limits = StoreLimits()
    var maxMessageBytes = 262_144
    var maxBodyBytes = 1_048_576
    var memoryMaxBytes = 268_435_456
    var adminToken = TokenSource.none
    var apiTokens = TokenSource.none
    var testRoutesEnabled = false
    var logLevel = Logger.Level.info
    var logFormat = LogOutput.Format.text

    /// The store that the settings ask for.
    var usesMongo: Bool { storeChoice == .mongodb || (storeChoice == .auto && mongoURI != nil) }

    /// A session at its greatest with a request's body on top must fit into a MongoDB document of 16 MiB.
    static let maximumDocumentBytes = 15 << 20

    init(_ environment: [String: String]) throws(ConfigurationError) {
        var reader = EnvironmentReader(environment)
        mongoURI = reader.text("MONGO_URI")
        if let mongoURI, !mongoURI.hasPrefix("mongodb://"), !mongoURI.hasPrefix("mongodb+srv://") {
            reader.fault("MONGO_URI: must begin with mongodb:// or mongodb+srv://")
        }
        mongoDatabase = reader.text("MONGO_DATABASE") ?? mongoDatabase
        if mongoDatabase.utf8.count > 63 || mongoDatabase.contains(where: { "/\\. \"$\0".contains($0) }) {
            reader.fault("MONGO_DATABASE: must be at most 63 bytes without any of / \\ . \" $ and spaces")
        }
        mongoCollection = reader.text("MONGO_COLLECTION") ?? mongoCollection
        if mongoCollection.contains(where: { "$\0".contains($0) }) || mongoCollection.hasPrefix("system.") {
            reader.fault("MONGO_COLLECTION: must not contain $ nor begin with system.")
        }
        storeChoice = reader.choice("SESSION_STORE", default: storeChoice)
        if storeChoice == .mongodb, mongoURI == nil {
            reader.fault("SESSION_STORE: mongodb needs MONGO_URI")
        }
        fallback = reader.choice("MONGO_FALLBACK", default: fallback)
        limits.maxMessages = reader.integer("MAX_SESSION_MESSAGES", default: limits.maxMessages, in: 1...10_000)
        limits.ttlSeconds = reader.integer("SESSION_TTL_SECONDS", default: limits.ttlSeconds, in: 0...2_147_483_647)
        limits.maxSessionBytes = reader.integer(
            "MAX_SESSION_BYTES", default: limits.maxSessionBytes, in: 1...Self.maximumDocumentBytes)
        maxMessageBytes = reader.integer("MAX_MESSAGE_BYTES", default: maxMessageBytes, in: 1...Self.maximumDocumentBytes)
        maxBodyBytes = reader.integer("MAX_BODY_BYTES", default: maxBodyBytes, in: 1...Self.maximumDocumentBytes)
        memoryMaxBytes = reader.integer("MEMORY_MAX_BYTES", default: memoryMaxBytes, in: 1 << 20...1 << 50)
        if limits.maxSessionBytes + maxBodyBytes > Self.maximumDocumentBytes {
            reader.fault(
                "MAX_SESSION_BYTES: with MAX_BODY_BYTES it is over 15 MiB (\(Self.maximumDocumentBytes)), "
                    + "and a session could outgrow a MongoDB document")
        }
        adminToken = TokenSource("ADMIN_TOKEN", isList: false, from: &reader)
        apiTokens = TokenSource("API_TOKENS", isList: true, from: &reader)
        testRoutesEnabled = reader.flag("ENABLE_TEST_ROUTES", default: false)
        logLevel = reader.choice("LOG_LEVEL", default: logLevel)
        logFormat = reader.choice("LOG_FORMAT", default: logFormat)
        guard reader.faults.isEmpty else { throw ConfigurationError(faults: reader.faults) }
    }

    /// The settings as `check` shows them, secrets hidden.
    var summary: [(name: String, value: String)] {
        [
            ("MONGO_URI", mongoURI.map(Self.withoutSecrets) ?? "(not set)"),
            ("MONGO_DATABASE", mongoDatabase),
            ("MONGO_COLLECTION", mongoCollection),
            ("SESSION_STORE", "\(storeChoice.rawValue) (\(usesMongo ? "mongodb" : "memory"))"),
            ("MONGO_FALLBACK", fallback.rawValue),
            ("MAX_SESSION_MESSAGES", String(limits.maxMessages)),
            ("SESSION_TTL_SECONDS", String(limits.ttlSeconds) + (limits.ttlSeconds == 0 ? " (never)" : "")),
            ("MAX_MESSAGE_BYTES", String(maxMessageBytes)),
            ("MAX_SESSION_BYTES", String(limits.maxSessionBytes)),
            ("MAX_BODY_BYTES", String(maxBodyBytes)),
            ("MEMORY_MAX_BYTES", String(memoryMaxBytes)),
            ("ADMIN_TOKEN", adminToken.summary),
            ("API_TOKENS", apiTokens.summary),
            ("ENABLE_TEST_ROUTES", String(testRoutesEnabled)),
            ("LOG_LEVEL", logLevel.rawValue),
            ("LOG_FORMAT", logFormat.rawValue),
        ]
    }

    /// A MongoDB URI's scheme and hosts: all before them and behind them may hold credentials.
    static func withoutSecrets(_ uri: String) -> String {
        let scheme = uri.hasPrefix("mongodb+srv://") ? "mongodb+srv://" : "mongodb://"
        let rest = uri.dropFirst(scheme.count)
        // A password that is not percent-encoded as it should be may hold a slash or a question mark.
        guard let at = rest.lastIndex(of: "@") else { return scheme + rest.prefix { $0 != "/" && $0 != "?" } }
        return scheme + "(hidden)@" + rest[rest.index(after: at)...].prefix { $0 != "/" && $0 != "?" }
    }
}

extension TokenSource {
    fileprivate var summary: String {
        switch self {
        case .none: "(not set)"
        case .value(let tokens): "(\(tokens.count) hidden)"
        case .file(let path): "(hidden, in \(path))"
        }
    }
}
