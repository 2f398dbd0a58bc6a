import Store
import System
import Text

/// What monitors ask.
struct HealthAPI: RouteFamily {
    let sessions: any SessionService
    private let startedAt = ContinuousClock.now

    var routes: [Route] {
        [
            Route(.get, "/health", .open, asksStore: false, answer: health),
            Route(.get, "/health/live", .open, asksStore: false, answer: live),
            Route(.get, "/health/ready", .open, asksStore: false, answer: ready),
        ]
    }

    private func health(_ call: Call) -> Response {
        let status = sessions.status
        // Of a primary's moments the standby takes care; a store by itself has none.
        let serves = status.primary == .notConfigured ? status.isReady : status.primary == .reachable
        let isWhole = serves && status.pendingOperations ?? 0 == 0
        var response = Response.json { writer in
            writer.string("status", isWhole ? "ok" : "degraded")
            writer.string("mongodb", status.primary.text)
            writer.integer("active_sessions", status.activeSessions)
            writer.string("store", status.kind.rawValue)
            writer.integer("ttl_seconds", status.ttlSeconds)
            if let pending = status.pendingOperations {
                writer.integer("pending_operations", pending)
                writer.integer("pending_bytes", status.pendingBytes)
                if let oldest = status.oldestPending {
                    let age = SystemClock().now.milliseconds - oldest.milliseconds
                    writer.integer("oldest_pending_seconds", max(0, age / 1000))
                }
            }
            writer.string("version", version)
            writer.integer("uptime_seconds", (ContinuousClock.now - startedAt).components.seconds)
        }
        response.store = status.kind.rawValue
        return response
    }

    private func live(_ call: Call) -> Response { .json { $0.string("status", "ok") } }

    private func ready(_ call: Call) throws(Problem) -> Response {
        guard sessions.status.isReady else {
            throw Problem(503, "A session could not be read and written now.", retryAfter: 1)
        }
        return .json { $0.string("status", "ready") }
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
