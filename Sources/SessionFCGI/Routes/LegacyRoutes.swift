import Store
import Text

/// The routes of the Python service that this worker replaces, in its own shapes.
extension Router {
    func readHistory(_ id: SessionID) throws(Problem) -> Response {
        let stored = try readWhatIsKnown(id, last: nil)
        var response = Response(status: 200, store: stored.kind)
        if var session = stored.value {
            // In the service's own shape, which has no such member; the header tells which store has answered.
            session.isPartial = false
            response.body.append(history: session)
        } else {
            response.body.append("{\"session_id\":")
            response.body.append(jsonString: id.bytes)
            response.body.append(",\"message_count\":0,\"messages\":[]}")
        }
        return response
    }

    func clearSession(_ id: SessionID) throws(Problem) -> Response {
        let stored = try ask { store throws(StoreError) in try store.delete(id) }
        var response = Response(status: 200, store: stored.kind)
        response.body.append("{\"session_id\":")
        response.body.append(jsonString: id.bytes)
        response.body.append(",\"status\":\"cleared\"}")
        return response
    }

    func echo(_ request: Request) throws(Problem) -> Response {
        let body = try requiredBody(request)
        guard let value = body["query"], value.kind == .string, value.range.count > 2 else {
            throw Problem(400, "query must be a non-empty string.", field: "query")
        }
        let query = String(decoding: body.text(of: value), as: UTF8.self)
        let id = try sessionID(in: body) ?? .random()
        let prior = try readWhatIsKnown(id, last: 0).value?.messageCount ?? 0
        let brief = "Echo: \(query) (Session has \(prior) prior messages)"
        let messages = [Message(role: "user", content: query), Message(role: "assistant", content: brief)]
        for message in messages where message.json.count > options.maxMessageBytes {
            throw Problem(413, "query is too long for a message.", field: "query", limit: options.maxMessageBytes)
        }
        let stored = try ask { store throws(StoreError) in try store.append(messages, to: id, key: nil) }
        var response = Response(status: 200, store: stored.kind)
        response.body.append("{\"session_id\":")
        response.body.append(jsonString: id.bytes)
        response.body.append(",\"decision_brief\":")
        response.body.append(jsonString: brief)
        response.body.append(",\"prior_message_count\":")
        response.body.append(decimal: prior)
        response.body.append(",\"current_message_count\":")
        response.body.append(decimal: stored.value.messageCount)
        response.body.append(",\"citations\":[],\"metadata\":{\"test_mode\":true}}")
        return response
    }

    /// These routes' clients know no 503: while the database is away they get what this worker knows.
    private func readWhatIsKnown(_ id: SessionID, last: Int?) throws(Problem) -> Stored<Session?> {
        do {
            return try store.read(id, last: last)
        } catch {
            guard case .unavailable = error, store.kind == .memory else { throw Problem(error) }
            return Stored(nil, in: .memory)
        }
    }
}
