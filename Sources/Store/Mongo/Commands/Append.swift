import System

/// Appends, alone or sharing a command.
extension SessionCollection {
    /// Appends to different sessions. Those that are not alone share a command; where that fails for another reason than
    /// an unavailable server, one of them is at fault for all, and by itself each finds its own outcome.
    func append(_ updates: [SessionUpdate]) -> [Result<Outcome, StoreError>] {
        do throws(StoreError) {
            if updates.count > 1 { return try appendTogether(updates) }
        } catch {
            if error.isUnavailability { return updates.map { _ in .failure(error) } }
        }
        var unavailability: StoreError?
        return updates.map { update in
            if let unavailability { return .failure(unavailability) }
            do throws(StoreError) {
                return .success(try appendAlone(update))
            } catch {
                if error.isUnavailability { unavailability = error }
                return .failure(error)
            }
        }
    }

    /// One append by itself: one command.
    private func appendAlone(_ update: SessionUpdate) throws(StoreError) -> Outcome {
        try image(of: update).outcome(of: update)
    }

    /// Appends that share a command, and with it the wait for a majority; a second command asks what they have left.
    /// Each has its own outcome.
    private func appendTogether(_ updates: [SessionUpdate]) throws(StoreError) -> [Result<Outcome, StoreError>] {
        let reply = try runTwice(updatesCommand(updates))
        var refused: [Int: MongoError] = [:]
        for error in reply.documents("writeErrors") {
            let code = error.count(of: "code")
            guard let index = error.integer("index").flatMap({ Int(exactly: $0) }) else { continue }
            refused[index] = MongoError(domain: .server, code: code, description: "MongoDB answered error \(code)")
        }
        health.adjustCount(by: reply.documents("upserted").count)

        var images: [ArraySlice<UInt8>: SessionImage] = [:]
        for document in try run(statesCommand(updates), .read).firstBatch {
            if let id = document.string("_id") { images[id] = SessionImage(document) }
        }
        return updates.enumerated().map { index, update in
            Result { () throws(StoreError) in
                if let error = refused[index] {
                    // Another worker made the same session at the same moment.
                    if error.isDuplicateKey { return try appendAlone(update) }
                    throw error.storeError(limits: limits)
                }
                if let image = images[update.session.bytes[...]] { return try image.outcome(of: update) }
                // Somebody has deleted the session since.
                var outcome = Outcome(existed: true)
                outcome.appended = update.batch.given
                outcome.updatedAt = SystemClock().now
                return outcome
            }
        }
    }

    /// The driver repeats of all writes only a findAndModify. These may be repeated here: an operation that has
    /// arrived is known by its id.
    private func runTwice(_ command: [UInt8]) throws(StoreError) -> BSONDocument {
        do {
            return try run(command, write)
        } catch {
            guard error.isUnavailability else { throw error }
            return try run(command, write)
        }
    }

    private func updatesCommand(_ updates: [SessionUpdate]) -> [UInt8] {
        let size = updates.reduce(256) { $0 + 1536 + $1.batch.array.count }
        return BSONWriter.document(capacity: size) { writer in
            writer.string("update", name)
            writer.array("updates") { list in
                for update in updates {
                    list.document { writer in
                        writer.document("q") { $0.string("_id", update.session.bytes) }
                        expressions.pipeline(&writer, named: "u") { update.stage(&$0) }
                        writer.boolean("upsert", true)
                    }
                }
            }
            writer.boolean("ordered", false)
        }
    }

    private func statesCommand(_ updates: [SessionUpdate]) -> [UInt8] {
        BSONWriter.document(capacity: 1024 + 64 * updates.count) { writer in
            writer.string("find", name)
            writer.document("filter") { writer in
                writer.expression("_id", "$in") { ids in
                    for update in updates { ids.string(update.session.bytes) }
                }
            }
            writer.document("projection") { SessionUpdate.projection(&$0, for: updates) }
            writer.int32("batchSize", Int32(updates.count))
            writer.boolean("singleBatch", true)
        }
    }
}
