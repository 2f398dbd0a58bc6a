import System

extension MongoStore {
    package func delete(_ id: SessionID) throws(StoreError) -> Stored<Bool> {
        Stored(try delete(id, takenAt: nil), in: .mongodb)
    }

    /// How far the worker's idea of the server's clock may be off, in seconds.
    private static let clockTolerance = 2

    /// - Parameter takenAt: when the deletion was taken, by the server's clock. One that comes late leaves alone what
    ///   others have appended since.
    func delete(_ id: SessionID, takenAt: Timestamp?) throws(StoreError) -> Bool {
        // The driver sends this again when the connection breaks, and a `delete` of many not.
        let command = BSONWriter.document { writer in
            writer.string("findAndModify", collection)
            writer.document("query") { writer in
                writer.string("_id", id.bytes)
                if let takenAt {
                    writer.document("updated_at") { writer in
                        writer.document("$not") {
                            $0.date("$gt", takenAt.advanced(bySeconds: Self.clockTolerance))
                        }
                    }
                }
                isAlive(&writer)
            }
            writer.boolean("remove", true)
            writer.document("fields") { $0.int32("_id", 1) }
        }
        let wasThere = try findAndModify(command).value != nil
        if wasThere { health.adjustCount(by: -1) }
        return wasThere
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool) throws(StoreError) -> Stored<Int> {
        try cleanup(olderThanDays: days, dryRun: dryRun, progress: { _ in })
    }

    /// Deletes the sessions not updated within the last `days` days, a thousand at a time so that the collection
    /// is never held for long, or only counts them. Documents whose `updated_at` is no date are left alone.
    /// - Parameter progress: is told after each step how many sessions were deleted so far.
    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError)
        -> Stored<Int>
    {
        // The server's clock, read once: sessions that grow too old meanwhile can wait for the next time.
        guard let now = try run(MongoCommand.hello, .read).date("localTime") else {
            throw .failed(reason: "MongoDB does not tell the time")
        }
        let isOld = BSONWriter.document { writer in
            writer.document("updated_at") { $0.isDate("$lt", now.advanced(bySeconds: -days * 86_400)) }
        }
        guard !dryRun else {
            let reply = try run(
                BSONWriter.document { writer in
                    writer.string("count", collection)
                    writer.raw("query", .document, isOld)
                }, .read)
            return Stored(Int(reply.integer("n") ?? 0), in: .mongodb)
        }
        var deleted = 0
        while true {
            let found = try oldSessions(isOld)
            guard !found.isEmpty else { return Stored(deleted, in: .mongodb) }
            let reply = try run(
                BSONWriter.document(capacity: 64 * found.count) { writer in
                    writer.string("delete", collection)
                    writer.array("deletes") { deletes in
                        deletes.document { writer in
                            writer.document("q") { writer in
                                writer.document("_id") { writer in
                                    writer.array("$in") { ids in
                                        for id in found { ids.raw(id.type, id.bytes) }
                                    }
                                }
                                writer.elements(isOld.elements)
                            }
                            writer.int32("limit", 0)
                        }
                    }
                }, write)
            if let error = reply.documents("writeErrors").first {
                throw .failed(reason: "MongoDB refused to delete sessions (\(error.integer("code") ?? 0))")
            }
            let count = Int(reply.integer("n") ?? 0)
            deleted += count
            health.adjustCount(by: -count)
            progress(deleted)
        }
    }

    /// The `_id`s, of whatever type, of up to a thousand old sessions.
    private func oldSessions(_ isOld: [UInt8]) throws(StoreError) -> [(type: BSONType, bytes: ArraySlice<UInt8>)] {
        let reply = try run(
            BSONWriter.document { writer in
                writer.string("find", collection)
                writer.raw("filter", .document, isOld)
                writer.document("projection") { $0.int32("_id", 1) }
                writer.int32("limit", 1000)
                writer.int32("batchSize", 1000)
                writer.boolean("singleBatch", true)
            }, .read)
        return reply.document("cursor")?.documents("firstBatch").compactMap { document in
            document["_id"].map { (type: $0.type, bytes: document.bytes[$0.value]) }
        } ?? []
    }
}
