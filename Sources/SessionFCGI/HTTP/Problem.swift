import Store
import Text

/// A refusal, as `application/problem+json` (RFC 9457). The detail says what to do about it; it never holds
/// message content, tokens or a database's address.
struct Problem: Error, Equatable {
    var status: Int
    var detail: String
    /// The member or parameter at fault.
    var field: String?
    /// The limit, in the unit that the detail names.
    var limit: Int?
    /// Seconds after which it is worth trying again.
    var retryAfter: Int?
    var allow: String?
    /// What the log is told and the client is not.
    var cause: String?

    init(_ status: Int, _ detail: String, field: String? = nil, limit: Int? = nil) {
        self.status = status
        self.detail = detail
        self.field = field
        self.limit = limit
    }

    static let noRoute = Problem(404, "There is no such route. The routes are listed in /openapi.yaml.")

    var response: Response {
        var response = Response(status: status, contentType: .problem)
        response.body.append("{\"type\":\"about:blank\",\"title\":\"")
        response.body.append(reasonPhrase(status))
        response.body.append("\",\"status\":")
        response.body.append(decimal: status)
        response.body.append(",\"detail\":")
        response.body.append(jsonString: detail)
        if let field {
            response.body.append(",\"field\":")
            response.body.append(jsonString: field)
        }
        if let limit {
            response.body.append(",\"limit\":")
            response.body.append(decimal: limit)
        }
        if let retryAfter {
            response.body.append(",\"retry_after\":")
            response.body.append(decimal: retryAfter)
            response.headers.append(("Retry-After", String(retryAfter)))
        }
        response.body.append("}")
        if let allow { response.headers.append(("Allow", allow)) }
        response.cause = cause
        if status == 401 { response.headers.append(("WWW-Authenticate", "Bearer")) }
        return response
    }
}

extension Problem {
    init(_ error: JSONError) {
        self.init(400, "The body is not valid JSON: \(error).")
    }

    init(_ error: StoreError) {
        switch error {
        case .exists: self.init(409, "There is a session of this id already.", field: "session_id")
        case .conditionFailed: self.init(412, "The session is not in the state that the condition names.")
        case .keyReused:
            self.init(422, "This Idempotency-Key was used on this session with another body.", field: "Idempotency-Key")
        case .tooLarge(let limit):
            self.init(413, "The messages are larger than a session may be (\(limit) bytes).", limit: limit)
        case .full:
            self.init(503, "The store takes no more messages until it has written those it holds to MongoDB.")
            retryAfter = 5
        case .unavailable(let reason):
            self.init(503, "The session store cannot be reached. Try again.")
            retryAfter = 2
            cause = reason
        case .failed(let reason):
            self.init(500, "The session store gave an unexpected answer. The log has it under this X-Request-ID.")
            cause = reason
        }
    }
}
