import System

extension MongoStore {
    package func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Stored<Session> {
        guard let session = try create(id, messages) else { throw .exists }
        return Stored(session, in: .mongodb)
    }

    package func replace(_ id: SessionID, messages: [Message], condition: ReplaceCondition) throws(StoreError)
        -> Stored<ReplaceResult>
    {
        let result: ReplaceResult?
        switch condition {
        case .none: result = try replace(id, messages, filter: nil)
        case .absent: result = try create(id, messages).map { ReplaceResult(session: $0, created: true) }
        case .present: result = try replace(id, messages, filter: isAlive)
        case .matching(let tags): result = try replace(id, messages, matching: tags)
        }
        guard let result else { throw .conditionFailed }
        return Stored(result, in: .mongodb)
    }

    /// Replaces once, however often the operation is given.
    func replace(_ id: SessionID, _ messages: [Message], as operation: OperationID) throws(StoreError)
        -> ReplaceResult
    {
        let update = SessionUpdate(
            change: .replace, batch: try MessageBatch(messages, limits: limits), token: operation,
            limits: limits)
        guard let value = try findAndModify(updateCommand(update, of: id)).value else {
            throw .failed(reason: "MongoDB answered an upsert without the document")
        }
        let image = SessionImage(value)
        // Where others have followed an operation that had arrived before, what they made of the session counts.
        if !image.isLast(operation), let session = try read(id, last: nil).value {
            return ReplaceResult(session: session, created: false)
        }
        return ReplaceResult(session: try session(id, from: image, update), created: image.isNew)
    }

    /// Nil where there is a session.
    private func create(_ id: SessionID, _ messages: [Message]) throws(StoreError) -> Session? {
        let update = try update(.create, messages)
        guard let value = try findAndModify(updateCommand(update, of: id)).value else {
            throw .failed(reason: "MongoDB answered an upsert without the document")
        }
        let image = SessionImage(value)
        return image.isLast(update.token) ? try session(id, from: image, update) : nil
    }

    /// Nil where no document passes the filter.
    private func replace(
        _ id: SessionID, _ messages: [Message], filter: ((inout BSONWriter) -> Void)?
    ) throws(StoreError) -> ReplaceResult? {
        let update = try update(.replace, messages)
        guard let value = try findAndModify(updateCommand(update, of: id, filter: filter)).value else { return nil }
        let image = SessionImage(value)
        return ReplaceResult(
            session: try session(id, from: image, update), created: filter == nil && image.isNew)
    }

    /// An entity tag names one state: the session is read, and replaced only if it is still in that state.
    private func replace(
        _ id: SessionID, _ messages: [Message], matching tags: [String]
    ) throws(StoreError) -> ReplaceResult? {
        // Each further turn means that another writer came between; a tag that survives several is a wonder.
        for _ in 0..<8 {
            guard let state = try state(of: id), tags.contains(state.tag) else { return nil }
            if let result = try replace(id, messages, filter: state.filter) { return result }
        }
        return nil
    }

    private func update(_ change: SessionUpdate.Change, _ messages: [Message]) throws(StoreError) -> SessionUpdate {
        SessionUpdate(
            change: change, batch: try MessageBatch(messages, limits: limits), token: .random(),
            limits: limits)
    }

    /// The session as it is after the update. The messages are not fetched, but rendered from what was sent, so
    /// that a read of the same state gives the same bytes.
    private func session(
        _ id: SessionID, from image: SessionImage, _ update: SessionUpdate
    ) throws(StoreError) -> Session {
        do {
            return Session(
                id: id, messages: try update.batch.json(), messageCount: update.batch.count,
                createdAt: image.createdAt, updatedAt: image.updatedAt, version: image.version)
        } catch {
            throw .failed(reason: "the messages that were stored are not BSON")
        }
    }

    // MARK: The state that a tag names

    private struct State {
        let tag: String
        let filter: (inout BSONWriter) -> Void
    }

    /// What of a session its entity tag is made of, and a filter for exactly that. Nil where there is none.
    private func state(of id: SessionID) throws(StoreError) -> State? {
        guard let session = try read(id, last: 0).value else { return nil }
        let isAlive = expressions.isAlive
        // Compared as the read saw them: a member that is no date counts as what stands in for it.
        return State(tag: session.entityTag) { writer in
            writer.document("$expr") { writer in
                writer.array("$and") { terms in
                    if let isAlive { terms.raw(.document, isAlive) }
                    terms.document { $0.equal(SessionExpressions.updatedAt, to: session.updatedAt) }
                    terms.document { $0.equal(SessionExpressions.createdAt, to: session.createdAt) }
                    terms.document { $0.equal(SessionExpressions.sequence, to: session.version) }
                    terms.document { $0.equal(SessionExpressions.messageCount, to: Int64(session.messageCount)) }
                }
            }
        }
    }
}

extension BSONWriter {
    fileprivate mutating func equal(_ expression: [UInt8], to date: Timestamp) {
        array("$eq") { arguments in
            arguments.raw(.document, expression)
            arguments.date(date)
        }
    }

    fileprivate mutating func equal(_ expression: [UInt8], to number: Int64) {
        array("$eq") { arguments in
            arguments.raw(.document, expression)
            arguments.int64(number)
        }
    }
}
