import System

extension SessionCollection {
    /// Where a listing is: behind this document, or before all of that date where the id is nil.
    private typealias Position = (updatedAt: Timestamp, id: ArraySlice<UInt8>?)

    /// A document, and what a page says of it: nothing where its `_id` is no session's id.
    private typealias Found = (updatedAt: Timestamp, id: ArraySlice<UInt8>, summary: SessionSummary?)

    func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        guard limit > 0 else { return SessionPage(sessions: [], next: nil) }
        var sessions: [SessionSummary] = []
        // No date is later than the one that a listing without a cursor begins before.
        var position: Position = (cursor?.updatedAt ?? Timestamp(milliseconds: .max), cursor?.id.bytes[...])
        // Documents whose _id is no session's id take up places in what the server gives, but none on the page.
        while true {
            let (found, hasMore) = try documents(behind: position, limit: limit - sessions.count)
            sessions += found.compactMap(\.summary)
            guard hasMore else { return SessionPage(sessions: sessions, next: nil) }
            if sessions.count == limit { return SessionPage(sessions: sessions, next: sessions.last?.cursor) }
            if let last = found.last { position = (last.updatedAt, last.id) }
        }
    }

    /// Up to `limit` documents, newest first and greatest `_id` first, and whether there are more behind them.
    ///
    /// The index has the dates only. Documents of one date come in any order from it, so that a date at which
    /// the page begins or ends is asked for by itself, in the order of `_id`.
    private func documents(behind position: Position, limit: Int) throws(StoreError) -> ([Found], hasMore: Bool) {
        var found: [Found] = []
        if let id = position.id { found = try find(at: position.updatedAt, behind: id, limit: limit + 1) }
        guard found.count <= limit else { return (Array(found.prefix(limit)), true) }
        let wanted = limit - found.count
        var older = try find(before: position, limit: wanted + 1)
        guard older.count > wanted, let cut = older.last?.updatedAt else {
            return (found + older.sorted(by: Self.isBefore), false)
        }
        older.removeAll { $0.updatedAt == cut }
        older.sort(by: Self.isBefore)
        if older.count < wanted { older += try find(at: cut, behind: nil, limit: wanted - older.count) }
        return (found + older, true)
    }

    private static func isBefore(_ left: Found, _ right: Found) -> Bool {
        left.updatedAt != right.updatedAt
            ? left.updatedAt > right.updatedAt : right.id.lexicographicallyPrecedes(left.id)
    }

    private func find(at date: Timestamp, behind id: ArraySlice<UInt8>?, limit: Int) throws(StoreError) -> [Found] {
        try find(limit: limit) { filter in
            filter.document("updated_at") { $0.isDate("$eq", date) }
            filter.document("_id") { writer in
                if let id { writer.string("$lt", id) } else { writer.string("$type", "string") }
            }
        } sort: { sort in
            sort.int32("_id", -1)
        }
    }

    private func find(before position: Position, limit: Int) throws(StoreError) -> [Found] {
        try find(limit: limit) { filter in
            filter.document("updated_at") { $0.isDate(position.id == nil ? "$lte" : "$lt", position.updatedAt) }
            filter.document("_id") { $0.string("$type", "string") }
        } sort: { sort in
            sort.int32("updated_at", -1)
        }
    }

    private func find(
        limit: Int, filter: (inout BSONWriter) -> Void, sort: (inout BSONWriter) -> Void
    ) throws(StoreError) -> [Found] {
        let command = BSONWriter.document(capacity: 512) { writer in
            writer.string("find", name)
            writer.document("filter") { writer in
                filter(&writer)
                filterAlive(&writer)
            }
            writer.document("sort", sort)
            writer.document("projection") { writer in
                writer.raw("n", .document, SessionExpressions.messageCount)
                writer.int32("created_at", 1)
                writer.int32("updated_at", 1)
            }
            writer.int32("limit", Int32(clamping: limit))
            writer.int32("batchSize", Int32(clamping: limit))
            writer.boolean("singleBatch", true)
        }
        return try run(command, reading).firstBatch.compactMap { document in
            guard let id = document.string("_id"), let updatedAt = document.date("updated_at") else { return nil }
            let summary = SessionID(id).map { id in
                SessionSummary(
                    id: id, messageCount: document.count(of: "n"),
                    createdAt: document.date("created_at") ?? updatedAt, updatedAt: updatedAt)
            }
            return (updatedAt, id, summary)
        }
    }
}

extension BSONWriter {
    /// Writes a comparison that holds for dates only: MongoDB compares an array by each of its elements.
    mutating func isDate(_ comparison: StaticString, _ date: Timestamp) {
        self.date(comparison, date)
        document("$not") { $0.string("$type", "array") }
    }
}
