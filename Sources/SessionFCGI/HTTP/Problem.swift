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

    init(_ status: Int, _ detail: String, field: String? = nil, limit: Int? = nil, retryAfter: Int? = nil) {
        self.status = status
        self.detail = detail
        self.field = field
        self.limit = limit
        self.retryAfter = retryAfter
    }

    static let noRoute = Problem(404, "There is no such route. The routes are listed in /openapi.yaml.")

    var response: Response {
        var response = Response(status: status, contentType: .problem)
        response.body = JSONWriter.object { writer in
            writer.string("type", "about:blank")
            writer.string("title", reasonPhrase(status))
            writer.integer("status", status)
            writer.string("detail", detail)
            if let field { writer.string("field", field) }
            if let limit { writer.integer("limit", limit) }
            if let retryAfter { writer.integer("retry_after", retryAfter) }
        }
        if let retryAfter { response.headers.append(("Retry-After", String(retryAfter))) }
        if let allow { response.headers.append(("Allow", allow)) }
        if status == 401 { response.headers.append(("WWW-Authenticate", "Bearer")) }
        response.cause = cause
        return response
    }
}
