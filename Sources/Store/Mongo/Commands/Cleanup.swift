import System

extension SessionCollection {
    /// Deletes the sessions not updated within the last `days` days, a thousand at a time so that the collection
    /// is never held for long, or only counts them. Documents whose `updated_at` is no date are left alone.
    /// - Parameter progress: is told after each step how many sessions were deleted so far.
    func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        // The server's clock, read once: sessions that grow too old meanwhile can wait for the next time.
        guard let now = try run(MongoCommand.hello, .read).date("localTime") else {
            throw .failed(reason: "MongoDB does not tell the time")
        }
        let isOld = BSONWriter.document { writer in
            writer.document("updated_at") { $0.isDate("$lt", now.advanced(bySeconds: -days * 86_400)) }
        }
        guard !dryRun else {
            let command = BSONWriter.document { writer in
                writer.string("count", name)
                writer.raw("query", .document, isOld)
            }
            return try run(command, .read).count(of: "n")
        }
        var deleted = 0
        while true {
            let found = try oldSessions(isOld)
            guard !found.isEmpty else { return deleted }
            let command = BSONWriter.document(capacity: 64 * found.count) { writer in
                writer.string("delete", name)
                writer.array("deletes") { deletes in
                    deletes.document { writer in
                        writer.document("q") { writer in
                            writer.expression("_id", "$in") { ids in
                                for id in found { ids.raw(id.type, id.bytes) }
                            }
                            writer.elements(of: isOld)
                        }
                        writer.int32("limit", 0)
                    }
                }
            }
            let reply = try run(command, write)
            if let error = reply.documents("writeErrors").first {
                throw .failed(reason: "MongoDB refused to delete sessions (\(error.count(of: "code")))")
            }
            let count = reply.count(of: "n")
            deleted += count
            health.adjustCount(by: -count)
            progress(deleted)
        }
    }

    /// The `_id`s, of whatever type, of up to a thousand old sessions.
    private func oldSessions(_ isOld: [UInt8]) throws(StoreError) -> [(type: BSONType, bytes: ArraySlice<UInt8>)] {
        let command = BSONWriter.document { writer in
            writer.string("find", name)
            writer.raw("filter", .document, isOld)
            writer.document("projection") { $0.int32("_id", 1) }
            writer.int32("limit", 1000)
            writer.int32("batchSize", 1000)
            writer.boolean("singleBatch", true)
        }
        return try run(command, .read).firstBatch.compactMap { document in
            document["_id"].map { (type: $0.type, bytes: document.bytes[$0.value]) }
        }
    }
}
