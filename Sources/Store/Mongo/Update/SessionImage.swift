import System

/// What a changed document tells, whether as the projection that was asked for or whole: a command that the
/// driver had to repeat is answered with the whole document.
struct SessionImage {
    private let document: BSONDocument
    private let isWhole: Bool

    init(_ document: BSONDocument) {
        self.document = document
        isWhole = document["messages"] != nil
    }

    var messageCount: Int { isWhole ? document.elementCount("messages") ?? 0 : document.count(of: "n") }

    var version: Int64 { document.integer("seq") ?? 0 }
    var updatedAt: Timestamp { document.date("updated_at") ?? Timestamp(milliseconds: 0) }
    var createdAt: Timestamp { document.date("created_at") ?? updatedAt }

    var operations: OperationRecord { OperationRecord(document.string(isWhole ? "recent_ops" : "o")) }

    /// Whether this operation was the last that changed the document.
    func isLast(_ operation: OperationID) -> Bool { operations.place(of: operation) == 0 }

    /// What an append has done, as far as the document tells.
    func outcome(of update: SessionUpdate) throws(StoreError) -> Outcome {
        let operations = operations
        let place = operations.place(of: update.operation)
        // What there was before; nil where there was no session.
        let before = place.flatMap(operations.prior)
        var outcome = update.outcomeTold ?? Outcome(existed: true)
        outcome.existed = place == nil || before != nil
        outcome.createdAt = createdAt
        outcome.version = version
        if let key = update.key, let entry = entry(of: key) {
            let isOwn = entry.string("w")?.elementsEqual(update.operation.bytes) ?? false
            guard isOwn || entry.integer("h") == key.fingerprint else { throw .keyReused }
            if isOwn, update.outcomeTold != nil { return outcome }
            outcome.messageCount = entry.count(of: "n")
            outcome.appended = entry.count(of: "a")
            outcome.dropped = entry.count(of: "d")
            outcome.updatedAt = entry.date("t") ?? updatedAt
            outcome.isReplay = !isOwn
            outcome.isPartial = entry.boolean("p") ?? false
            return outcome
        }
        if update.outcomeTold != nil { return outcome }
        outcome.appended = update.batch.given
        outcome.updatedAt = updatedAt
        outcome.messageCount = messageCount
        if let place {
            // Where others have followed, what there was before the next of them is what this one has left.
            if place > 0 { outcome.messageCount = operations.prior(at: place - 1) ?? 0 }
            outcome.dropped = max(0, (before ?? 0) + update.batch.given - outcome.messageCount)
        }
        return outcome
    }

    private func entry(of key: IdempotencyKey) -> BSONDocument? {
        document.documents(isWhole ? "recent_keys" : "e").last { entry in
            entry.string("k")?.elementsEqual(key.key.utf8) ?? false
        }
    }
}
