/// An HTTP request as the web server passed it on.
struct Request: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// Longer than `MAX_BODY_BYTES`; not read to its end.
        case tooLarge
    }

    var method: String
    /// The raw request target, still percent-encoded.
    var target: [UInt8]
    var id: String
    var contentType: String?
    var authorization: String?
    var idempotencyKey: String?
    var ifMatch: String?
    var ifNoneMatch: String?
    var remoteAddress: String?
    var body = Body.bytes([])
}
