import Store
import Text

/// A request's body as a JSON object, read strictly.
struct RequestBody {
    let bytes: [UInt8]
    private let reader: JSONReader
    private let object: JSONValue
    private let members: [JSONMember]

    /// A body that has to be there. Throws 413, 415 and 400.
    init(of request: Request, maximumBytes: Int) throws(Problem) {
        guard let body = try RequestBody(request, maximumBytes: maximumBytes) else {
            throw Problem(400, "This route needs a JSON body.")
        }
        self = body
    }

    /// Nil where there is no body. Throws 413, 415 and 400.
    init?(_ request: Request, maximumBytes: Int) throws(Problem) {
        guard case .bytes(let bytes) = request.body else {
            throw Problem(413, "The body is longer than \(maximumBytes) bytes.", limit: maximumBytes)
        }
        if bytes.isEmpty { return nil }
        try Self.checkContentType(request.contentType)
        var reader = JSONReader(bytes)
        do throws(JSONError) {
            object = try reader.readDocument()
        } catch {
            throw Problem(400, "The body is not valid JSON: \(error).")
        }
        guard object.kind == .object else { throw Problem(400, "The body must be a JSON object.") }
        self.bytes = bytes
        self.reader = reader
        members = reader.members(of: object)
    }

    subscript(name: StaticString) -> JSONValue? {
        members.first { member in name.withUTF8Buffer { reader.name(of: member).elementsEqual($0) } }?.value
    }

    func text(of value: JSONValue) -> ArraySlice<UInt8> { reader.text(of: value) }

    /// Throws 400 where there is a member that the route does not know, which is most often a misspelt one.
    func refuseMembers(except known: StaticString...) throws(Problem) {
        for member in members {
            let name = reader.name(of: member)
            guard known.contains(where: { $0.withUTF8Buffer { name.elementsEqual($0) } }) else {
                let field = String(decoding: name.prefix(64), as: UTF8.self)
                throw Problem(400, "The body has a member that this route does not know.", field: field)
            }
        }
    }

    /// The body as one message.
    func message(by rule: MessageRule) throws(Problem) -> Message {
        try rule.admit(object, from: reader, field: nil)
    }

    /// The member `messages`: an array of messages.
    func messages(by rule: MessageRule) throws(Problem) -> [Message] {
        guard let value = self["messages"], value.kind == .array else {
            throw Problem(400, "messages must be an array of messages.", field: "messages")
        }
        return try reader.elements(of: value).enumerated().map { index, element throws(Problem) in
            try rule.admit(element, from: reader, field: "messages[\(index)]")
        }
    }

    /// The member `session_id`, nil where it is absent or null.
    func sessionID() throws(Problem) -> SessionID? {
        guard let value = self["session_id"], value.kind != .null else { return nil }
        guard value.kind == .string else {
            throw Problem(400, "session_id must be a string.", field: "session_id")
        }
        return try SessionID(admitting: text(of: value))
    }

    /// JSON by its media type or its `+json` suffix (RFC 6839), in UTF-8. A body of no declared type is read as
    /// what it turns out to be.
    private static func checkContentType(_ contentType: String?) throws(Problem) {
        guard let contentType, !contentType.isEmpty else { return }
        let parts = contentType.lowercased().split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
        let type = parts.first ?? ""
        let charset = parts.dropFirst().first { $0.hasPrefix("charset=") }?.dropFirst(8).filter { $0 != "\"" }
        guard type == "application/json" || (type.hasPrefix("application/") && type.hasSuffix("+json")),
            charset == nil || charset == "utf-8" || charset == "utf8"
        else { throw Problem(415, "The body must be JSON in UTF-8, sent as Content-Type: application/json.") }
    }
}
