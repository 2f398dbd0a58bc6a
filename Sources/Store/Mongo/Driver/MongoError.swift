import CMongoC

/// What libmongoc or the server answered instead of a reply.
///
/// It never carries a server's own words: those of error 13 repeat the whole command, messages included.
struct MongoError: Error {
    /// libmongoc's domain, or the server's.
    enum Domain: Equatable { case server, writeConcern, network, authentication, pool, reply, other(UInt32) }

    let domain: Domain
    var code = 0
    /// Fit for the log: no credentials, no content.
    let description: String
    /// Whether the server says that the same command may succeed elsewhere or later.
    var isTransient = false
}

extension MongoError {
    init(_ error: bson_error_t, reply: BSONDocument?) {
        let code = Int(error.code)
        self.code = code
        domain = Self.domain(of: error)
        switch domain {
        case .server, .writeConcern:
            let name = reply.flatMap { Self.codeName(in: $0) } ?? "error"
            description = "MongoDB answered \(name) (\(code))"
        default:
            description = withUnsafePointer(to: error) { String(cString: cmongoc_error_message($0)) }
        }
        isTransient = reply.map(Self.hasRetryLabel) ?? false
    }

    /// The one place where MongoDB's errors become a store's.
    func storeError(limits: StoreLimits) -> StoreError {
        switch domain {
        case .network, .authentication, .pool, .writeConcern: .unavailable(reason: description)
        case .server where Self.tooLargeCodes.contains(code): .tooLarge(limit: limits.maxSessionBytes)
        case .server where isTransient || Self.unavailableCodes.contains(code): .unavailable(reason: description)
        case .server, .reply, .other: .failed(reason: description)
        }
    }

    var isDuplicateKey: Bool { domain == .server && code == 11000 }

    // MARK: Codes (mongo/base/error_codes.yml)

    private static let tooLargeCodes: Set<Int> = [10334, 17419, 17420]

    /// The server is going away, is not the primary, is out of time, or does not take our credentials.
    private static let unavailableCodes: Set<Int> = [
        6, 7, 11, 13, 18, 50, 64, 89, 91, 100, 112, 133, 134, 189, 202, 262, 317, 358, 9001, 10058, 10107, 11600,
        11601, 11602, 13435, 13436,
    ]

    private static func domain(of error: bson_error_t) -> Domain {
        switch mongoc_error_domain_t(rawValue: error.domain) {
        case MONGOC_ERROR_SERVER: return .server
        case MONGOC_ERROR_WRITE_CONCERN: return .writeConcern
        case MONGOC_ERROR_STREAM, MONGOC_ERROR_SERVER_SELECTION: return .network
        case MONGOC_ERROR_SASL, MONGOC_ERROR_SCRAM: return .authentication
        case MONGOC_ERROR_POOL: return .pool
        case MONGOC_ERROR_CLIENT where error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE.rawValue: return .authentication
        case MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_CLIENT: return .network
        default: return .other(error.domain)
        }
    }

    private static func codeName(in reply: BSONDocument) -> String? {
        let holder = reply.document("writeConcernError") ?? reply
        guard let name = holder.string("codeName"), name.count <= 64 else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    private static func hasRetryLabel(_ reply: BSONDocument) -> Bool {
        guard let labels = reply.document("errorLabels") else { return false }
        var found = false
        try? labels.forEach { element throws(BSONError) in
            if let label = labels.string(of: element), label.elementsEqual("RetryableWriteError".utf8) { found = true }
        }
        return found
    }
}
