import System

extension SessionCollection {
    func replace(_ operation: Operation, _ messages: [Message], _ condition: Condition) throws(StoreError) -> Outcome {
        let kind: SessionUpdate.Kind = condition == .absent ? .create : .replace
        let update = try SessionUpdate(operation, kind, messages, limits: limits)
        switch condition {
        case .none: return try replace(update)
        case .absent:
            let image = try image(of: update)
            // Where there was a session, the update has left it alone.
            guard image.isLast(operation.id) else { throw .conditionFailed }
            return try outcome(of: update, image, existed: false)
        case .present:
            guard let image = try image(of: update, filter: filterAlive) else { throw .conditionFailed }
            return try outcome(of: update, image, existed: true)
        case .matching(let tags): return try replace(update, matching: tags)
        }
    }

    private func replace(_ update: SessionUpdate) throws(StoreError) -> Outcome {
        let image = try image(of: update)
        // Where others have followed an operation that had arrived before, what they made of the session counts.
        if !image.isLast(update.operation), let session = try read(update.session, last: nil) {
            return Outcome(replacementBy: session, existed: true)
        }
        return try outcome(of: update, image, existed: image.operations.prior(at: 0) != nil)
    }

    /// An entity tag names one state: the session is read, and replaced only if it is still in that state.
    private func replace(_ update: SessionUpdate, matching tags: [String]) throws(StoreError) -> Outcome {
        // Each further turn means that another writer came between; a tag that survives several is a wonder.
        for _ in 0..<8 {
            guard let state = try state(of: update.session), tags.contains(state.tag) else { break }
            if let image = try image(of: update, filter: state.filter) {
                return try outcome(of: update, image, existed: true)
            }
        }
        throw .conditionFailed
    }

    /// The session as it is after the update. The messages are not fetched, but rendered from what was sent, so
    /// that a read of the same state gives the same bytes.
    private func outcome(of update: SessionUpdate, _ image: SessionImage, existed: Bool) throws(StoreError) -> Outcome {
        do {
            let session = Session(
                id: update.session, messages: try update.batch.json(), messageCount: update.batch.count,
                createdAt: image.createdAt, updatedAt: image.updatedAt, version: image.version)
            return Outcome(replacementBy: session, existed: existed)
        } catch {
            throw .failed(reason: "the messages that were stored are not BSON")
        }
    }

    // MARK: The state that a tag names

    /// A session's entity tag, and a filter for exactly what it is made of. Nil where there is no session.
    private func state(of id: SessionID) throws(StoreError) -> (tag: String, filter: (inout BSONWriter) -> Void)? {
        guard let session = try read(id, last: 0) else { return nil }
        let isAlive = expressions.isAlive
        // Compared as the read saw them: a member that is no date counts as what stands in for it.
        return (session.entityTag, { writer in
            writer.expression("$expr", "$and") { terms in
                if let isAlive { terms.raw(.document, isAlive) }
                terms.equal(SessionExpressions.updatedAt) { $0.date(session.updatedAt) }
                terms.equal(SessionExpressions.createdAt) { $0.date(session.createdAt) }
                terms.equal(SessionExpressions.sequence) { $0.int64(session.version) }
                terms.equal(SessionExpressions.messageCount) { $0.int64(Int64(session.messageCount)) }
            }
        })
    }
}

extension BSONArrayWriter {
    fileprivate mutating func equal(_ left: [UInt8], _ right: (inout BSONArrayWriter) -> Void) {
        expression("$eq") { arguments in
            arguments.raw(.document, left)
            right(&arguments)
        }
    }
}
