import System

extension MongoStore {
    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?> {
        let asksServer = needsExpiry
        guard let found = try find(id, last: last, withExpiry: asksServer) else { return Stored(nil, in: .mongodb) }
        if asksServer { return Stored(found.session, in: .mongodb) }
        switch isAlive(found) {
        case true?: return Stored(found.session, in: .mongodb)
        case false?: return Stored(nil, in: .mongodb)
        case nil: return Stored(try find(id, last: last, withExpiry: true)?.session, in: .mongodb)
        }
    }

    /// How far the worker's idea of the server's clock is trusted, in seconds.
    private static let clockTolerance = 60

    /// Whether the server is to say in every case whether the session has expired.
    private var needsExpiry: Bool {
        limits.ttlSeconds > 0 && (limits.ttlSeconds <= 2 * Self.clockTolerance || health.serverTime == nil)
    }

    /// Whether a session is alive by the server's clock as the worker knows it; nil where that is too near to call.
    private func isAlive(_ found: Found) -> Bool? {
        guard limits.ttlSeconds > 0, found.hasUpdateDate else { return true }
        guard let now = health.serverTime else { return nil }
        let end = found.session.updatedAt.advanced(bySeconds: limits.ttlSeconds)
        if now.advanced(bySeconds: Self.clockTolerance) < end { return true }
        return end.advanced(bySeconds: Self.clockTolerance) < now ? false : nil
    }

    private struct Found {
        let session: Session
        /// Whether its `updated_at` is a date, without which it does not expire.
        let hasUpdateDate: Bool
    }

    private func find(_ id: SessionID, last: Int?, withExpiry: Bool) throws(StoreError) -> Found? {
        let reply = try run(findCommand(id, last: last, withExpiry: withExpiry), .read)
        guard let document = reply.document("cursor")?.documents("firstBatch").first,
            document.boolean("expired") != true
        else { return nil }
        do {
            return try session(id, from: document, isPart: last != nil)
        } catch {
            throw .failed(reason: "a session in MongoDB is not BSON")
        }
    }

    /// A find by `_id` alone, without a projection, takes the server's shortest way: a projection costs it a third
    /// more, a question in the filter twice as much.
    private func findCommand(_ id: SessionID, last: Int?, withExpiry: Bool) -> [UInt8] {
        BSONWriter.document(capacity: 512) { writer in
            writer.string("find", collection)
            writer.document("filter") { $0.string("_id", id.bytes) }
            if last != nil || withExpiry {
                writer.document("projection") { writer in
                    writer.int32("_id", 0)
                    if let last {
                        writer.document("messages") { $0.int32("$slice", last > 0 ? -Int32(clamping: last) : 0) }
                        writer.raw("n", .document, SessionExpressions.messageCount)
                    } else {
                        writer.int32("messages", 1)
                    }
                    writer.int32("created_at", 1)
                    writer.int32("updated_at", 1)
                    writer.int32("seq", 1)
                    if withExpiry, let expired = expressions.expired { writer.raw("expired", .document, expired) }
                }
            }
            writer.int32("limit", 1)
            writer.boolean("singleBatch", true)
        }
    }

    /// Reads a document in one pass. Another writer may have left it odd: what is missing counts as empty.
    private func session(_ id: SessionID, from document: BSONDocument, isPart: Bool) throws(BSONError) -> Found {
        var messages: [UInt8] = []
        var count = 0
        var created: Timestamp?
        var updated: Timestamp?
        var version: Int64 = 0
        var total: Int?
        var reader = try BSONReader(document.bytes, in: document.range)
        while let element = try reader.next() {
            if document.matches(element, "messages"), element.type == .array {
                var converter = BSONToJSON(
                    document.bytes, capacity: element.value.count + element.value.count / 16)
                count = try converter.append(elementsOf: element.value)
                messages = converter.output.bytes
            } else if document.matches(element, "created_at") {
                created = document.date(of: element)
            } else if document.matches(element, "updated_at") {
                updated = document.date(of: element)
            } else if document.matches(element, "seq") {
                version = document.integer(of: element) ?? 0
            } else if isPart, document.matches(element, "n") {
                total = document.integer(of: element).flatMap { Int(exactly: $0) }
            }
        }
        let epoch = Timestamp(milliseconds: 0)
        let session = Session(
            id: id, messages: messages, messageCount: total ?? count, createdAt: created ?? updated ?? epoch,
            updatedAt: updated ?? created ?? epoch, version: version)
        return Found(session: session, hasUpdateDate: updated != nil)
    }
}
