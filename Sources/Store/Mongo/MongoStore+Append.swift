extension MongoStore {
    public func append(_ messages: [Message], to id: SessionID, key: IdempotencyKey?) throws(StoreError)
        -> Stored<AppendResult>
    {
        let update = SessionUpdate(
            change: .append(key: key, answer: nil), batch: try MessageBatch(messages, limits: limits),
            token: .random(), isRecorded: recordsOperations, limits: limits)
        return Stored(try append(update, to: id), in: .mongodb)
    }

    public func apply(_ operation: Operation) throws(StoreError) -> OperationResult {
        let id = operation.session
        switch operation.change {
        case .append(let messages, let key, let answer):
            let batch = try MessageBatch(messages, limits: limits)
            func update(_ key: IdempotencyKey?) -> SessionUpdate {
                SessionUpdate(
                    change: .append(key: key, answer: answer), batch: batch, token: operation.id, isRecorded: true,
                    limits: limits)
            }
            do {
                return .appended(try append(update(key), to: id))
            } catch StoreError.keyReused where answer != nil {
                // Both appends were acknowledged, by stores that did not know of each other: both are kept.
                return .appended(try append(update(nil), to: id))
            }
        case .replace(let messages):
            return .replaced(try replace(id, messages, as: operation.id))
        case .delete:
            return .deleted(try delete(id).value)
        }
    }

    private func append(_ update: SessionUpdate, to id: SessionID) throws(StoreError) -> AppendResult {
        guard let value = try findAndModify(updateCommand(update, of: id)).value else {
            throw .failed(reason: "MongoDB answered an append without the document")
        }
        return try SessionImage(value).appendResult(of: update)
    }
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

    /// How many messages there were before the last change; negative where there was no session.
    var prior: Int { document.integer("prior").flatMap { Int(exactly: $0) } ?? 0 }
    var version: Int64 { document.integer("seq") ?? 0 }
    var updatedAt: Timestamp { document.date("updated_at") ?? Timestamp(milliseconds: 0) }
    var createdAt: Timestamp { document.date("created_at") ?? updatedAt }

    /// Whether this operation was the last that changed the document.
    func isLast(_ operation: OperationID) -> Bool {
        let tokens = isWhole ? document.string("recent_ops") : document.string("o")
        return tokens?.prefix(8).elementsEqual(operation.token) ?? false
    }

    func appendResult(of update: SessionUpdate) throws(StoreError) -> AppendResult {
        if case .append(let key?, let answer) = update.change, let entry = entry(of: key) {
            let isOwn = entry.string("w")?.elementsEqual(update.token.token) ?? false
            guard isOwn || entry.integer("h") == key.fingerprint else { throw .keyReused }
            if isOwn, let answer { return answer }
            return AppendResult(
                messageCount: entry.integer("n").flatMap { Int(exactly: $0) } ?? 0,
                appended: entry.integer("a").flatMap { Int(exactly: $0) } ?? 0,
                dropped: entry.integer("d").flatMap { Int(exactly: $0) } ?? 0,
                updatedAt: entry.date("t") ?? updatedAt, isReplay: !isOwn)
        }
        if case .append(_, let answer?) = update.change { return answer }
        // Of an operation that had arrived before, and that others have followed, the count is not known any more.
        let wasLast = !update.isRecorded || isLast(update.token)
        return AppendResult(
            messageCount: messageCount, appended: update.batch.given,
            dropped: wasLast ? max(0, prior + update.batch.given - messageCount) : 0, updatedAt: updatedAt)
    }

    private func entry(of key: IdempotencyKey) -> BSONDocument? {
        document.documents(isWhole ? "recent_keys" : "e").last { entry in
            entry.string("k")?.elementsEqual(key.key.utf8) ?? false
        }
    }
}
