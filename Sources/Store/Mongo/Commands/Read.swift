import System

/// Reads of one session.
extension SessionCollection {
    func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? {
        let asksForExpiry = limits.ttlSeconds > 0
            && (limits.ttlSeconds <= 2 * Self.expiryMargin || health.serverTime == nil)
        guard let found = try find(id, last: last, withExpiry: asksForExpiry) else { return nil }
        if asksForExpiry { return found.session }
        switch life(of: found) {
        case .alive: return found.session
        case .expired: return nil
        case .tooNearToCall: return try find(id, last: last, withExpiry: true)?.session
        }
    }

    /// How near to a session's end, in seconds, only the server is trusted to say whether it has come: the worker knows
    /// the server's clock to within a round trip, and that clock may be set.
    private static let expiryMargin = 60

    private enum Life { case alive, expired, tooNearToCall }

    /// What has become of a session by the server's clock as the worker knows it.
    private func life(of found: Found) -> Life {
        guard limits.ttlSeconds > 0, found.hasUpdateDate else { return .alive }
        guard let now = health.serverTime else { return .tooNearToCall }
        let end = found.session.updatedAt.advanced(bySeconds: limits.ttlSeconds)
        if now.advanced(bySeconds: Self.expiryMargin) < end { return .alive }
        return end.advanced(bySeconds: Self.expiryMargin) < now ? .expired : .tooNearToCall
    }

    /// A session, and whether its `updated_at` is a date, without which it does not expire.
    private typealias Found = (session: Session, hasUpdateDate: Bool)

    private func find(_ id: SessionID, last: Int?, withExpiry: Bool) throws(StoreError) -> Found? {
        let reply = try run(findCommand(id, last: last, withExpiry: withExpiry), reading)
        guard let document = reply.firstBatch.first, document.boolean("expired") != true else { return nil }
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
            writer.string("find", name)
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
                var converter = BSONToJSON(document.bytes, capacity: element.value.count + element.value.count / 16)
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
        return (session, hasUpdateDate: updated != nil)
    }
}
