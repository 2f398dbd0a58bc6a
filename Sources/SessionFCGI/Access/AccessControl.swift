import Synchronization

/// Who may use which routes.
struct AccessControl: Sendable {
    enum Level: Sendable {
        /// Anybody.
        case open
        /// Whoever has one of the API tokens, where there are any.
        case client
        /// Whoever has the admin token; where there is none, whoever asks from this machine.
        case admin
    }

    var admin = TokenSet([])
    var api = TokenSet([])

    /// Throws 401 or 403.
    func check(_ request: Request, for level: Level) throws(Problem) {
        switch level {
        case .open: return
        case .client:
            guard api.isEmpty || api.accept(request.authorization) else {
                throw Problem(401, "The session routes need the header Authorization: Bearer with one of the API_TOKENS.")
            }
        case .admin:
            if admin.isEmpty {
                guard Self.isLoopback(request.remoteAddress) else {
                    throw Problem(403, "Without an ADMIN_TOKEN the admin routes answer to the loopback address only.")
                }
            } else if !admin.accept(request.authorization) {
                throw Problem(401, "The admin routes need the header Authorization: Bearer with the ADMIN_TOKEN.")
            }
        }
    }

    private static func isLoopback(_ address: String?) -> Bool {
        guard let address else { return false }
        return address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }
}

/// Bearer tokens (RFC 6750), replaceable while requests are being answered.
final class TokenSet: Sendable {
    private let tokens = Mutex<[[UInt8]]>([])
    /// Beside the lock, since every request asks.
    private let hasNone = Atomic(true)

    init(_ tokens: [String]) { replace(with: tokens) }

    var isEmpty: Bool { hasNone.load(ordering: .acquiring) }

    func replace(with new: [String]) {
        tokens.withLock { $0 = new.map { Array($0.utf8) } }
        hasNone.store(new.isEmpty, ordering: .releasing)
    }

    /// Whether an `Authorization` header carries one of the tokens. The time that it takes tells nothing of
    /// how much of a token was right.
    func accept(_ authorization: String?) -> Bool {
        guard let authorization, authorization.prefix(7).lowercased() == "bearer " else { return false }
        let offered = Array(authorization.utf8.dropFirst(7).drop { $0 == 0x20 })
        return tokens.withLock { tokens in
            // Every token is compared, whichever of them matches.
            tokens.reduce(false) { accepted, token in Self.isEqual(offered, token) || accepted }
        }
    }

    private static func isEqual(_ offered: [UInt8], _ token: [UInt8]) -> Bool {
        var difference = UInt8(offered.count == token.count ? 0 : 1)
        for (index, byte) in offered.enumerated() { difference |= byte ^ token[index % token.count] }
        return difference == 0
    }
}
