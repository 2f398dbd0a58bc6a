import Store
import Text

extension Router {
    private static let lastRange = 0...1_000_000

    func createSession(_ request: Request) throws(Problem) -> Response {
        let body = try RequestBody(request, maximumBytes: options.maxBodyBytes)
        try body?.refuseMembers(except: "session_id", "messages")
        var messages: [Message] = []
        if let body, body.has("messages") { messages = try body.messages(maximumBytes: options.maxMessageBytes) }
        let id = try body.flatMap { body throws(Problem) in try sessionID(in: body) }
        let stored = try ask { store throws(StoreError) in
            if let id { return try store.create(id, messages: messages) }
            // Nobody has a random id yet, so that it needs no look whether somebody has.
            let made = try store.replace(.random(), messages: messages, condition: .none)
            return Stored(made.value.session, in: made.kind)
        }
        var response = Response(status: 201, store: stored.kind)
        response.body.append(stored.value)
        response.headers = [("Location", location(of: stored.value.id))]
        addEntityTag(of: stored.value, to: &response)
        return response
    }

    func readSession(_ id: SessionID, _ request: Request, _ target: RequestTarget) throws(Problem) -> Response {
        let last = try target.integer("last", in: Self.lastRange)
        let condition = try request.ifNoneMatch.map { header throws(Problem) in
            try EntityTags(header, field: "If-None-Match")
        }
        let stored = try ask { store throws(StoreError) in try store.read(id, last: last) }
        guard let session = stored.value else { throw noSession }
        var response = Response(status: 200, store: stored.kind)
        addEntityTag(of: session, to: &response)
        if !session.isPartial, condition?.weaklyMatches(session.entityTag) == true {
            response.status = 304
            response.contentType = nil
        } else {
            response.body.append(session)
        }
        return response
    }

    func replaceSession(_ id: SessionID, _ request: Request) throws(Problem) -> Response {
        let body = try requiredBody(request)
        try body.refuseMembers(except: "messages")
        let messages = try body.messages(maximumBytes: options.maxMessageBytes)
        let condition = try replaceCondition(request)
        let stored = try ask { store throws(StoreError) in
            try store.replace(id, messages: messages, condition: condition)
        }
        var response = Response(status: stored.value.created ? 201 : 200, store: stored.kind)
        response.body.append(stored.value.session)
        if stored.value.created { response.headers = [("Location", location(of: id))] }
        addEntityTag(of: stored.value.session, to: &response)
        return response
    }

    func deleteSession(_ id: SessionID) throws(Problem) -> Response {
        let stored = try ask { store throws(StoreError) in try store.delete(id) }
        guard stored.value else { throw noSession }
        var response = Response.noContent()
        response.store = stored.kind
        return response
    }

    func readMessages(_ id: SessionID, _ target: RequestTarget) throws(Problem) -> Response {
        let last = try target.integer("last", in: Self.lastRange)
        let stored = try ask { store throws(StoreError) in try store.read(id, last: last) }
        guard let session = stored.value else { throw noSession }
        var response = Response(status: 200, store: stored.kind)
        response.body.append(history: session)
        return response
    }

    func appendMessages(to id: SessionID, _ request: Request) throws(Problem) -> Response {
        let body = try requiredBody(request)
        let messages: [Message]
        if body.has("messages"), !body.has("role") {
            try body.refuseMembers(except: "messages")
            messages = try body.messages(maximumBytes: options.maxMessageBytes)
            guard !messages.isEmpty else {
                throw Problem(400, "messages must hold at least one message.", field: "messages")
            }
        } else {
            messages = [try body.message(maximumBytes: options.maxMessageBytes)]
        }
        let key = try request.idempotencyKey.map { text throws(Problem) in
            IdempotencyKey(key: try idempotencyKey(text), fingerprint: fingerprint(of: body.bytes))
        }
        let stored = try ask { store throws(StoreError) in try store.append(messages, to: id, key: key) }
        var response = Response(status: 201, store: stored.kind)
        response.body.append(stored.value, to: id)
        if stored.value.isReplay { response.headers.append(("Idempotency-Replayed", "true")) }
        return response
    }

    // MARK: Parts of requests and answers

    var noSession: Problem { Problem(404, "There is no session of this id.") }

    func requiredBody(_ request: Request) throws(Problem) -> RequestBody {
        guard let body = try RequestBody(request, maximumBytes: options.maxBodyBytes) else {
            throw Problem(400, "This route needs a JSON body.")
        }
        return body
    }

    /// The member `session_id`, nil where it is absent or null.
    func sessionID(in body: RequestBody) throws(Problem) -> SessionID? {
        guard let value = body["session_id"], value.kind != .null else { return nil }
        guard value.kind == .string else {
            throw Problem(400, "session_id must be a string.", field: "session_id")
        }
        return try Route.sessionID(body.text(of: value))
    }

    private func idempotencyKey(_ text: String) throws(Problem) -> String {
        guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Problem(
                400, "An Idempotency-Key is 1 to 128 printable ASCII characters.", field: "Idempotency-Key", limit: 128)
        }
        return text
    }

    private func replaceCondition(_ request: Request) throws(Problem) -> ReplaceCondition {
        if let header = request.ifMatch {
            let tags = try EntityTags(header, field: "If-Match")
            return tags == .any ? .present : .matching(tags.strong)
        }
        guard let header = request.ifNoneMatch else { return .none }
        guard try EntityTags(header, field: "If-None-Match") == .any else {
            throw Problem(400, "On PUT, If-None-Match can only be *.", field: "If-None-Match")
        }
        return .absent
    }

    /// A partial view has no tag: it says nothing of the state that the database holds.
    private func addEntityTag(of session: Session, to response: inout Response) {
        if !session.isPartial { response.headers.append(("ETag", "\"\(session.entityTag)\"")) }
    }

    private func location(of id: SessionID) -> String {
        var path: [UInt8] = Array("/sessions/".utf8)
        for byte in id.bytes {
            if byte.isUnreserved {
                path.append(byte)
            } else {
                path.append(UInt8(ascii: "%"))
                path += String(byte >> 4, radix: 16, uppercase: true).utf8
                path += String(byte & 0xF, radix: 16, uppercase: true).utf8
            }
        }
        return String(decoding: path, as: UTF8.self)
    }
}
