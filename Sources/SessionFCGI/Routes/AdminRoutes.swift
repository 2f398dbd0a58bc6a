import Store
import System
import Text

extension Router {
    /// The days that a cleanup may name.
    static let cleanupDays = 1...36_500

    func cleanUp(_ target: RequestTarget) throws(Problem) -> Response {
        let days = try target.integer("days", in: Self.cleanupDays) ?? 7
        let dryRun = try target.flag("dry_run")
        let stored = try ask { store throws(StoreError) in try store.cleanup(olderThanDays: days, dryRun: dryRun) }
        var response = Response(status: 200, store: stored.kind)
        response.body.append("{\"status\":\"ok\",\"deleted_sessions\":")
        response.body.append(decimal: stored.value)
        response.body.append(",\"days\":")
        response.body.append(decimal: days)
        response.body.append(dryRun ? ",\"dry_run\":true}" : "}")
        return response
    }

    func listSessions(_ target: RequestTarget) throws(Problem) -> Response {
        let limit = try target.integer("limit", in: 1...500) ?? 50
        let cursor = try target.parameter("cursor").map { text throws(Problem) in try SessionCursor(token: text) }
        let stored = try ask { store throws(StoreError) in try store.list(limit: limit, after: cursor) }
        var response = Response(status: 200, store: stored.kind)
        response.body.append("{\"sessions\":[")
        for (index, summary) in stored.value.sessions.enumerated() {
            if index > 0 { response.body.append(",") }
            response.body.append(summary)
        }
        response.body.append("],\"next_cursor\":")
        if let next = stored.value.next { response.body.append(jsonString: next.token) } else { response.body.append("null") }
        response.body.append("}")
        return response
    }
}

/// The cursor as clients carry it: the date in milliseconds and the id, both in hexadecimal.
extension SessionCursor {
    var token: String {
        let date = UInt64(bitPattern: updatedAt.milliseconds).hexDigits
        return String(decoding: date + id.bytes.flatMap { UInt64($0).hexDigits.suffix(2) }, as: UTF8.self)
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
