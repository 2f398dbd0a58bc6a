import Store

/// What a request target names.
enum Route: Equatable {
    case health, live, ready
    case sessions
    case session(SessionID)
    case messages(SessionID)
    case cleanup, sessionList
    case history(SessionID)
    case legacySession(SessionID)
    case echo

    /// Throws 404 for a path that names nothing and 400 for what is not a session id.
    init(_ segments: [[UInt8]], testRoutesEnabled: Bool) throws(Problem) {
        func names(_ index: Int, _ text: StaticString) -> Bool {
            text.withUTF8Buffer { segments[index].elementsEqual($0) }
        }
        switch segments.count {
        case 1 where names(0, "health"): self = .health
        case 1 where names(0, "sessions"): self = .sessions
        case 2 where names(0, "sessions") && !segments[1].isEmpty: self = .session(try Self.sessionID(segments[1]))
        case 2 where names(0, "session") && !segments[1].isEmpty: self = .legacySession(try Self.sessionID(segments[1]))
        case 2 where names(0, "health") && names(1, "live"): self = .live
        case 2 where names(0, "health") && names(1, "ready"): self = .ready
        case 2 where names(0, "admin") && names(1, "cleanup-sessions"): self = .cleanup
        case 2 where names(0, "admin") && names(1, "sessions"): self = .sessionList
        case 2 where names(0, "test") && names(1, "echo") && testRoutesEnabled: self = .echo
        case 3 where names(0, "sessions") && names(2, "messages"): self = .messages(try Self.sessionID(segments[1]))
        case 3 where names(0, "session") && names(2, "history"): self = .history(try Self.sessionID(segments[1]))
        default: throw .noRoute
        }
    }

    static func sessionID(_ bytes: some Collection<UInt8>) throws(Problem) -> SessionID {
        guard let id = SessionID(bytes) else {
            throw Problem(
                400, "A session id is 1 to 256 bytes of valid UTF-8 without control characters.", field: "session_id",
                limit: SessionID.maximumBytes)
        }
        return id
    }

    /// The path's template, for logs: an id may say who somebody is.
    var template: StaticString {
        switch self {
        case .health: "/health"
        case .live: "/health/live"
        case .ready: "/health/ready"
        case .sessions: "/sessions"
        case .session: "/sessions/{id}"
        case .messages: "/sessions/{id}/messages"
        case .cleanup: "/admin/cleanup-sessions"
        case .sessionList: "/admin/sessions"
        case .history: "/session/{id}/history"
        case .legacySession: "/session/{id}"
        case .echo: "/test/echo"
        }
    }

    /// The methods beside OPTIONS, and HEAD where there is GET.
    var methods: [String] {
        switch self {
        case .health, .live, .ready, .sessionList, .history: ["GET"]
        case .sessions, .cleanup, .echo: ["POST"]
        case .session: ["GET", "PUT", "DELETE"]
        case .messages: ["GET", "POST"]
        case .legacySession: ["DELETE"]
        }
    }

    var allow: String {
        methods.flatMap { $0 == "GET" ? ["GET", "HEAD"] : [$0] }.joined(separator: ", ") + ", OPTIONS"
    }

    /// Whether answering may wait for a database.
    var usesStore: Bool {
        switch self {
        case .health, .live, .ready: false
        default: true
        }
    }
}
