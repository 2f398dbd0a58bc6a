import System

extension MongoStore {
    package func append(_ messages: [Message], to id: SessionID, key: IdempotencyKey?) throws(StoreError)
        -> Stored<AppendResult>
    {
        let update = SessionUpdate(
            change: .append(key: key, answer: nil), batch: try MessageBatch(messages, limits: limits),
            token: .random(), limits: limits)
        return Stored(try appends.append(update, to: id, in: self), in: .mongodb)
    }

    package func apply(_ operation: Operation) throws(StoreError) -> OperationResult {
        let id = operation.session
        switch operation.change {
        case .append(let messages, let key, let answer):
            let batch = try MessageBatch(messages, limits: limits)
            let update = SessionUpdate(
                change: .append(key: key, answer: answer), batch: batch, token: operation.id, limits: limits)
            return .appended(try appends.append(update, to: id, in: self))
        case .replace(let messages):
            return .replaced(try replace(id, messages, as: operation.id))
        case .delete:
            return .deleted(try delete(id, takenAt: operation.takenAt))
        }
    }

    /// One append by itself: one command.
    func appendAlone(_ update: SessionUpdate, to id: SessionID) throws(StoreError) -> AppendResult {
        guard let value = try findAndModify(updateCommand(update, of: id)).value else {
            throw .failed(reason: "MongoDB answered an append without the document")
        }
        return try SessionImage(value).appendResult(of: update)
    }

    /// Appends to different sessions that share a command, and with it the wait for a majority; a second command
    /// asks what they have left. Each has its own outcome.
    func appendTogether(_ appends: [SessionAppend]) throws(StoreError) -> [Result<AppendResult, StoreError>] {
        let reply = try runTwice(updatesCommand(appends))
        var refused: [Int: MongoError] = [:]
        for error in reply.documents("writeErrors") {
            let code = error.integer("code").flatMap { Int(exactly: $0) } ?? 0
            guard let index = error.integer("index").flatMap({ Int(exactly: $0) }) else { continue }
            refused[index] = MongoError(domain: .server, code: code, description: "MongoDB answered error \(code)")
        }
        health.adjustCount(by: reply.documents("upserted").count)

        var images: [ArraySlice<UInt8>: SessionImage] = [:]
        let states = try run(statesCommand(appends), .read)
        for document in states.document("cursor")?.documents("firstBatch") ?? [] {
            if let id = document.string("_id") { images[id] = SessionImage(document) }
        }
        return appends.enumerated().map { index, append in
            do throws(StoreError) {
                if let error = refused[index] {
                    // Another worker made the same session at the same moment.
                    if error.isDuplicateKey { return .success(try appendAlone(append.update, to: append.id)) }
                    throw error.storeError(limits: limits)
                }
                guard let image = images[append.id.bytes[...]] else {
                    // Somebody has deleted the session since.
                    let given = append.update.batch.given
                    let now = SystemClock().now
                    return .success(AppendResult(messageCount: 0, appended: given, dropped: 0, updatedAt: now))
                }
                return .success(try image.appendResult(of: append.update))
            } catch {
                return .failure(error)
            }
        }
    }

    /// The driver repeats of all writes only a findAndModify. These may be repeated here: an operation that has
    /// arrived is known by its token.
    private func runTwice(_ command: [UInt8]) throws(StoreError) -> BSONDocument {
        do {
            return try run(command, write)
        } catch {
            guard case .unavailable = error else { throw error }
            return try run(command, write)
        }
    }

    private func updatesCommand(_ appends: [SessionAppend]) -> [UInt8] {
        let size = appends.reduce(256) { $0 + 1536 + $1.update.batch.array.count }
        return BSONWriter.document(capacity: size) { writer in
            writer.string("update", collection)
            writer.array("updates") { updates in
                for append in appends {
                    updates.document { writer in
                        writer.document("q") { $0.string("_id", append.id.bytes) }
                        expressions.pipeline(&writer, named: "u") { append.update.stage(&$0) }
                        writer.boolean("upsert", true)
                    }
                }
            }
            writer.boolean("ordered", false)
        }
    }

    private func statesCommand(_ appends: [SessionAppend]) -> [UInt8] {
        BSONWriter.document(capacity: 1024 + 64 * appends.count) { writer in
            writer.string("find", collection)
            writer.document("filter") { writer in
                writer.document("_id") { writer in
                    writer.array("$in") { ids in
                        for append in appends { ids.string(append.id.bytes) }
                    }
                }
            }
            writer.document("projection") { SessionUpdate.projection(&$0, for: appends.map(\.update)) }
            writer.int32("batchSize", Int32(appends.count))
            writer.boolean("singleBatch", true)
        }
    }
}

/// One append that is to be made.
struct SessionAppend {
    let update: SessionUpdate
    let id: SessionID
}

/// What a changed document tells, whether as the projection that was asked for or whole: a command that the
/// driver had to repeat is answered with the whole document.
struct SessionImage {
    private let document: BSONDocument
    private let isWhole: Bool

    init(_ document: BSONDocument) {
        self.document = document
        isWhole = document["messages"] != nil
    }

    var messageCount: Int {
        isWhole ? document.count("messages") ?? 0 : document.integer("n").flatMap { Int(exactly: $0) } ?? 0
    }

    var version: Int64 { document.integer("seq") ?? 0 }
    var updatedAt: Timestamp { document.date("updated_at") ?? Timestamp(milliseconds: 0) }
    var createdAt: Timestamp { document.date("created_at") ?? updatedAt }

    var operations: OperationRecord { OperationRecord(document.string(isWhole ? "recent_ops" : "o")) }

    /// Whether this operation was the last that changed the document.
    func isLast(_ operation: OperationID) -> Bool { operations.place(of: operation) == 0 }

    /// Whether the last change has made the session.
    var isNew: Bool { operations.prior(at: 0) < 0 }

    func appendResult(of update: SessionUpdate) throws(StoreError) -> AppendResult {
        if case .append(let key?, let answer) = update.change, let entry = entry(of: key) {
            let isOwn = entry.string("w")?.elementsEqual(update.token.token) ?? false
            guard isOwn || entry.integer("h") == key.fingerprint else { throw .keyReused }
            if isOwn, let answer { return answer }
            return AppendResult(
                messageCount: entry.integer("n").flatMap { Int(exactly: $0) } ?? 0,
                appended: entry.integer("a").flatMap { Int(exactly: $0) } ?? 0,
                dropped: entry.integer("d").flatMap { Int(exactly: $0) } ?? 0,
                updatedAt: entry.date("t") ?? updatedAt, isReplay: !isOwn,
                isPartial: entry.boolean("p") ?? false)
        }
        if case .append(_, let answer?) = update.change { return answer }
        // Where others have followed, what there was before the next of them is what this one has left.
        let operations = operations
        guard let place = operations.place(of: update.token) else {
            return AppendResult(
                messageCount: messageCount, appended: update.batch.given, dropped: 0, updatedAt: updatedAt)
        }
        let after = place == 0 ? messageCount : operations.prior(at: place - 1)
        return AppendResult(
            messageCount: after, appended: update.batch.given,
            dropped: max(0, operations.prior(at: place) + update.batch.given - after), updatedAt: updatedAt)
    }

    private func entry(of key: IdempotencyKey) -> BSONDocument? {
        document.documents(isWhole ? "recent_keys" : "e").last { entry in
            entry.string("k")?.elementsEqual(key.key.utf8) ?? false
        }
    }
}
