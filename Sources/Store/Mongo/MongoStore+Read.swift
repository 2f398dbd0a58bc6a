extension MongoStore {
    public func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?> {
        let reply = try run(readCommand(id, last: last), .read)
        guard let document = reply.document("cursor")?.documents("firstBatch").first,
            document.boolean("expired") != true
        else { return Stored(nil, in: .mongodb) }
        do {
            return Stored(try session(id, from: document, isPart: last != nil), in: .mongodb)
        } catch {
            throw .failed(reason: "a session in MongoDB is not BSON")
        }
    }

    /// A find by `_id` alone takes the server's shortest way; whether the session has expired it says in the
    /// projection, since the same question in the filter costs twice as much.
    private func readCommand(_ id: SessionID, last: Int?) -> [UInt8] {
        BSONWriter.document(capacity: 512) { writer in
            writer.string("find", collection)
            writer.document("filter") { $0.string("_id", id.bytes) }
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
                if let expired = expressions.expired { writer.raw("expired", .document, expired) }
            }
            writer.int32("limit", 1)
            writer.boolean("singleBatch", true)
        }
    }

    /// Reads a document in one pass. Another writer may have left it odd: what is missing counts as empty.
    private func session(_ id: SessionID, from document: BSONDocument, isPart: Bool) throws(BSONError) -> Session {
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
        return Session(
            id: id, messages: messages, messageCount: total ?? count, createdAt: created ?? updated ?? epoch,
            updatedAt: updated ?? created ?? epoch, version: version)
    }
}
