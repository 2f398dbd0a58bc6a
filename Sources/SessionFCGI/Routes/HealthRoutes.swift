import Store
import Text

extension Router {
    func health() -> Response {
        let status = store.status
        var response = Response(status: 200, store: status.kind)
        response.body.append("{\"status\":\"")
        let isWhole = status.mongo != .disconnected && status.pendingOperations ?? 0 == 0
        response.body.append(isWhole ? "ok" : "degraded")
        response.body.append("\",\"mongodb\":\"")
        response.body.append(status.mongo.rawValue)
        response.body.append("\",\"active_sessions\":")
        response.body.append(decimal: status.activeSessions)
        response.body.append(",\"store\":\"")
        response.body.append(status.kind.rawValue)
        response.body.append("\",\"ttl_seconds\":")
        response.body.append(decimal: status.ttlSeconds)
        if let pending = status.pendingOperations {
            response.body.append(",\"pending_operations\":")
            response.body.append(decimal: pending)
        }
        response.body.append(",\"version\":\"")
        response.body.append(version)
        response.body.append("\",\"uptime_seconds\":")
        response.body.append(decimal: (ContinuousClock.now - startedAt).components.seconds)
        response.body.append("}")
        return response
    }

    func live() -> Response {
        var response = Response(status: 200)
        response.body.append("{\"status\":\"ok\"}")
        return response
    }

    func ready() throws(Problem) -> Response {
        guard store.status.isReady else {
            var problem = Problem(503, "A session could not be read and written now.")
            problem.retryAfter = 1
            throw problem
        }
        var response = Response(status: 200)
        response.body.append("{\"status\":\"ready\"}")
        return response
    }
}
