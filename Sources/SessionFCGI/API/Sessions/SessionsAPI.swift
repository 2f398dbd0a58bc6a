import Store
import Text

/// The native routes: sessions and their messages.
struct SessionsAPI: RouteFamily {
    let sessions: any SessionService
    let limits: RequestLimits

    var routes: [Route] {
        [
            Route(.post, "/sessions", .client, answer: create),
            Route(.get, "/sessions/{id}", .client, answer: read),
            Route(.put, "/sessions/{id}", .client, answer: replace),
            Route(.delete, "/sessions/{id}", .client, answer: delete),
            Route(.get, "/sessions/{id}/messages", .client, answer: readMessages),
            Route(.post, "/sessions/{id}/messages", .client, answer: append),
        ]
    }

    private static let lastRange = 0...1_000_000

    private var rule: MessageRule { MessageRule(maximumBytes: limits.maxMessageBytes) }

    private func create(_ call: Call) throws(Problem) -> Response {
        let body = try RequestBody(call.request, maximumBytes: limits.maxBodyBytes)
        try body?.refuseMembers(except: "session_id", "messages")
        var messages: [Message] = []
        if let body, body["messages"] != nil { messages = try body.messages(by: rule) }
        let named = try body?.sessionID()
        let id = named ?? .random()
        // Nobody has a random id yet, so that it needs no look whether somebody has.
        let answer = try ask(
            named == nil ? sessions.replace(id, messages: messages) : sessions.create(id, messages: messages))
        return response(201, with: answer, at: id, isNew: true)
    }

    private func read(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let last = try call.target.integer("last", in: Self.lastRange)
        let condition = try call.request.ifNoneMatch.map { header throws(Problem) in
            try EntityTags(header, field: "If-None-Match")
        }
        let answer = try ask(sessions.answer(toReading: id, last: last))
        guard let session = answer.value else { throw .noSession }
        var response = Response(200, from: answer)
        addEntityTag(of: session, to: &response, isPartial: answer.isPartial)
        if !answer.isPartial, condition?.weaklyMatches(session.entityTag) == true {
            response.status = 304
            response.contentType = nil
        } else {
            response.body = JSONWriter.session(session, isPartial: answer.isPartial)
        }
        return response
    }

    private func replace(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let body = try RequestBody(of: call.request, maximumBytes: limits.maxBodyBytes)
        try body.refuseMembers(except: "messages")
        let messages = try body.messages(by: rule)
        let condition = try Condition(call.request)
        let answer = try ask(sessions.replace(id, messages: messages, condition: condition))
        let isNew = !answer.value.existed
        return response(isNew ? 201 : 200, with: answer, at: id, isNew: isNew)
    }

    private func delete(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let answer = try ask(sessions.delete(id))
        guard answer.value.existed else { throw .noSession }
        return Response(status: 204, contentType: nil, store: answer.source.rawValue)
    }

    private func readMessages(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let last = try call.target.integer("last", in: Self.lastRange)
        let answer = try ask(sessions.answer(toReading: id, last: last))
        guard let session = answer.value else { throw .noSession }
        return Response(200, from: answer, body: JSONWriter.history(session, isPartial: answer.isPartial))
    }

    private func append(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let body = try RequestBody(of: call.request, maximumBytes: limits.maxBodyBytes)
        let messages: [Message]
        if body["messages"] != nil, body["role"] == nil {
            try body.refuseMembers(except: "messages")
            messages = try body.messages(by: rule)
            guard !messages.isEmpty else {
                throw Problem(400, "messages must hold at least one message.", field: "messages")
            }
        } else {
            messages = [try body.message(by: rule)]
        }
        let key = try idempotencyKey(of: call.request, body)
        let answer = try ask(sessions.append(messages, to: id, key: key))
        var response = Response(201, from: answer, body: JSONWriter.append(answer.value, to: id))
        if answer.value.isReplay { response.headers.append(("Idempotency-Replayed", "true")) }
        return response
    }

    // MARK: Parts of requests and answers

    private func response(_ status: Int, with answer: Answer<Outcome>, at id: SessionID, isNew: Bool) -> Response {
        let session = answer.value.session(id)
        var response = Response(status, from: answer, body: JSONWriter.session(session, isPartial: answer.isPartial))
        if isNew { response.headers.append(("Location", location(of: id))) }
        addEntityTag(of: session, to: &response, isPartial: answer.isPartial)
        return response
    }

    private func idempotencyKey(of request: Request, _ body: RequestBody) throws(Problem) -> IdempotencyKey? {
        guard let text = request.idempotencyKey else { return nil }
        guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Problem(
                400, "An Idempotency-Key is 1 to 128 printable ASCII characters.", field: "Idempotency-Key", limit: 128)
        }
        return IdempotencyKey(key: text, body: body.bytes)
    }

    /// A partial view has no tag: it says nothing of the state that the primary holds.
    private func addEntityTag(of session: Session, to response: inout Response, isPartial: Bool) {
        if !isPartial { response.headers.append(("ETag", "\"\(session.entityTag)\"")) }
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

extension Condition {
    /// What the headers of a PUT ask of the session. Throws 400.
    fileprivate init(_ request: Request) throws(Problem) {
        if let header = request.ifMatch {
            let tags = try EntityTags(header, field: "If-Match")
            self = tags == .any ? .present : .matching(tags.strong)
        } else if let header = request.ifNoneMatch {
            guard try EntityTags(header, field: "If-None-Match") == .any else {
                throw Problem(400, "On PUT, If-None-Match can only be *.", field: "If-None-Match")
            }
            self = .absent
        } else {
            self = .none
        }
    }
}
