import Store
import System
import Text

/// What operators ask.
struct AdminAPI: RouteFamily {
    let sessions: any SessionService

    var routes: [Route] {
        [
            Route(.post, "/admin/cleanup-sessions", .admin, answer: cleanUp),
            Route(.get, "/admin/sessions", .admin, answer: list),
        ]
    }

    /// The days that a cleanup may name.
    static let cleanupDays = 1...36_500

    private func cleanUp(_ call: Call) throws(Problem) -> Response {
        let days = try call.target.integer("days", in: Self.cleanupDays) ?? 7
        let dryRun = try call.target.flag("dry_run")
        let deleted = try ask(sessions.cleanup(olderThanDays: days, dryRun: dryRun, progress: { _ in }))
        return .json { writer in
            writer.string("status", "ok")
            writer.integer("deleted_sessions", deleted)
            writer.integer("days", days)
            if dryRun { writer.boolean("dry_run", true) }
        }
    }

    private func list(_ call: Call) throws(Problem) -> Response {
        let limit = try call.target.integer("limit", in: 1...500) ?? 50
        let cursor = try call.target.parameter("cursor").map(SessionCursor.init(token:))
        let page = try ask(sessions.list(limit: limit, after: cursor))
        return .json(capacity: 64 + 192 * page.sessions.count) { writer in
            writer.array("sessions", of: page.sessions) { $0.members(of: $1) }
            if let next = page.next { writer.string("next_cursor", next.token) } else { writer.null("next_cursor") }
        }
    }
}

/// The cursor as clients carry it: the date in milliseconds and the id, both in hexadecimal.
extension SessionCursor {
    var token: String {
        var token = ByteBuffer(capacity: 16 + 2 * id.bytes.count)
        token.append(UInt64(bitPattern: updatedAt.milliseconds).hexDigits)
        token.append(hex: id.bytes)
        return String(decoding: token.bytes, as: UTF8.self)
    }

    init(token: String) throws(Problem) {
        let refusal = Problem(400, "cursor must be a next_cursor that this route has given.", field: "cursor")
        let digits = token.utf8.compactMap(\.hexDigit)
        guard digits.count == token.utf8.count, digits.count > 16, digits.count.isMultiple(of: 2) else { throw refusal }
        let date = digits.prefix(16).reduce(UInt64(0)) { $0 << 4 | UInt64($1) }
        let bytes = stride(from: 16, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        guard let id = SessionID(bytes) else { throw refusal }
        self.init(updatedAt: Timestamp(milliseconds: Int64(bitPattern: date)), id: id)
    }
}
