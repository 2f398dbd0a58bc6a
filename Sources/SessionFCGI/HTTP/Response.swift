import Text

/// An answer, before it is written in the web server's way.
struct Response: Sendable {
    enum ContentType: String, Sendable {
        case json = "application/json"
        case problem = "application/problem+json"
    }

    var status: Int
    var contentType: ContentType? = .json
    var body = ByteBuffer()
    /// Beside those that every answer has.
    var headers: [(name: StaticString, value: String)] = []
    /// Which kind of store answered; nil stands for the one that is in charge.
    var store: String?
    /// A fault's cause, for the log.
    var cause: String?

    /// An object, with the status 200.
    static func json(capacity: Int = 256, _ write: (inout JSONWriter) -> Void) -> Response {
        Response(status: 200, body: JSONWriter.object(capacity: capacity, write))
    }
}

/// The reason phrases of the statuses in use (RFC 9110, section 15).
func reasonPhrase(_ status: Int) -> StaticString {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 204: "No Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 409: "Conflict"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    default: "Internal Server Error"
    }
}
