import Store
import Text

/// The routes of the Python service that this worker replaces, in its own shapes.
struct PythonServiceAPI: RouteFamily {
    let sessions: any SessionService
    let limits: RequestLimits
    let testRoutesEnabled: Bool

    var routes: [Route] {
        let routes = [
            Route(.get, "/session/{id}/history", .client, answer: readHistory),
            Route(.delete, "/session/{id}", .client, answer: clear),
        ]
        return testRoutesEnabled ? routes + [Route(.post, "/test/echo", .client, answer: echo)] : routes
    }

    private func readHistory(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let answer = try readWhatIsKnown(id, last: nil)
        // In the service's own shape, which has no member for a partial answer; the header tells which store it is from.
        let body = answer.value.map { JSONWriter.history($0, isPartial: false) } ?? JSONWriter.object { writer in
            writer.string("session_id", id.bytes)
            writer.integer("message_count", 0)
            writer.array("messages", elements: [])
        }
        return Response(200, from: answer, body: body)
    }

    private func clear(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
        let answer = try ask(sessions.delete(id))
        return Response(200, from: answer, body: JSONWriter.object { writer in
            writer.string("session_id", id.bytes)
            writer.string("status", "cleared")
        })
    }

    private func echo(_ call: Call) throws(Problem) -> Response {
        let body = try RequestBody(of: call.request, maximumBytes: limits.maxBodyBytes)
        guard let value = body["query"], value.kind == .string, value.range.count > 2 else {
            throw Problem(400, "query must be a non-empty string.", field: "query")
        }
        let query = String(decoding: body.text(of: value), as: UTF8.self)
        let id = try body.sessionID() ?? .random()
        let prior = try readWhatIsKnown(id, last: 0).value?.messageCount ?? 0
        let brief = "Echo: \(query) (Session has \(prior) prior messages)"
        let messages = [Message(role: "user", content: query), Message(role: "assistant", content: brief)]
        for message in messages where message.json.count > limits.maxMessageBytes {
            throw Problem(413, "query is too long for a message.", field: "query", limit: limits.maxMessageBytes)
        }
        let answer = try ask(sessions.append(messages, to: id))
        return Response(200, from: answer, body: JSONWriter.object { writer in
            writer.string("session_id", id.bytes)
            writer.string("decision_brief", brief)
            writer.integer("prior_message_count", prior)
            writer.integer("current_message_count", answer.value.messageCount)
            writer.array("citations", elements: [])
            writer.object("metadata") { $0.boolean("test_mode", true) }
        })
    }

    /// These routes' clients know no 503: while the primary is unreachable they get what its standby knows.
    private func readWhatIsKnown(_ id: SessionID, last: Int?) throws(Problem) -> Answer<Session?> {
        do {
            return try sessions.answer(toReading: id, last: last)
        } catch {
            guard case .unavailable = error, sessions.status.isStandbyInCharge else { throw Problem(error) }
            return Answer(nil, from: sessions.kind, isPartial: true)
        }
    }
}
