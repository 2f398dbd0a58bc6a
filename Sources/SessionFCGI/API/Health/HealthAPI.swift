import Store
import Text

/// What monitors ask.
struct HealthAPI: RouteFamily {
    let sessions: any SessionService
    private let startedAt = ContinuousClock.now

    init(sessions: any SessionService) {
        self.sessions = sessions
    }

    var routes: [Route] {
        [
            Route(.get, "/health", .open, asksStore: false, answer: health),
            Route(.get, "/health/live", .open, asksStore: false, answer: live),
            Route(.get, "/health/ready", .open, asksStore: false, answer: ready),
        ]
    }

    private func health(_ call: Call) -> Response {
        let status = sessions.status
        let isWhole = status.primary != .unreachable && status.pendingOperations ?? 0 == 0
        var response = Response(status: 200)
        response.store = status.kind.rawValue
        response.body = JSONWriter.object { writer in
            writer.string("status", isWhole ? "ok" : "degraded")
            writer.string("mongodb", status.primary.text)
            writer.integer("active_sessions", status.activeSessions)
            writer.string("store", status.kind.rawValue)
            writer.integer("ttl_seconds", status.ttlSeconds)
            if let pending = status.pendingOperations { writer.integer("pending_operations", pending) }
            writer.string("version", version)
            writer.integer("uptime_seconds", (ContinuousClock.now - startedAt).components.seconds)
        }
        return response
    }

    private func live(_ call: Call) -> Response {
        var response = Response(status: 200)
        response.body = JSONWriter.object { $0.string("status", "ok") }
        return response
    }

    private func ready(_ call: Call) throws(Problem) -> Response {
        guard sessions.status.isReady else {
            var problem = Problem(503, "A session could not be read and written now.")
            problem.retryAfter = 1
            throw problem
        }
        var response = Response(status: 200)
        response.body = JSONWriter.object { $0.string("status", "ready") }
        return response
    }
}

extension Reachability {
    fileprivate var text: StaticString {
        switch self {
        case .notConfigured: "not configured"
        case .reachable: "connected"
        case .unreachable: "disconnected"
        }
    }
}
