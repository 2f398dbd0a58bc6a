import System

/// The collection in which sessions are, and the ways to send it commands.
final class SessionCollection: Sendable {
    let uri: MongoURI
    let database: String
    let name: [UInt8]
    let limits: StoreLimits
    let expressions: SessionExpressions
    let pool: MongoConnectionPool
    let health: MongoHealth

    init(_ uri: MongoURI, database: String, name: [UInt8], limits: StoreLimits, maxConnections: Int) {
        self.uri = uri
        self.database = database
        self.name = name
        self.limits = limits
        expressions = SessionExpressions(limits: limits)
        pool = MongoConnectionPool(uri: uri, maxConnections: maxConnections)
        health = MongoHealth(ttlSeconds: limits.ttlSeconds)
    }

    var indexes: MongoIndexes { MongoIndexes(database: database, collection: name, ttlSeconds: limits.ttlSeconds) }

    func run(_ command: [UInt8], _ kind: MongoClient.Kind) throws(StoreError) -> BSONDocument {
        do {
            return try send(command, kind)
        } catch {
            throw error.storeError(limits: limits)
        }
    }

    private func send(_ command: [UInt8], _ kind: MongoClient.Kind) throws(MongoError) -> BSONDocument {
        try pool.withClient { client throws(MongoError) in try client.command(command, on: database, kind) }
    }

    /// Runs a findAndModify. Returns the document that the command's projection makes; nil where nothing matched. Two
    /// that make the same document at once may collide in the index on `_id`; the one that lost did nothing then, and
    /// finds the document when it is run again.
    func findAndModify(_ command: [UInt8]) throws(StoreError) -> BSONDocument? {
        for _ in 0..<8 {
            do {
                let reply = try send(command, write)
                let isNew = reply.document("lastErrorObject")?.boolean("updatedExisting") == false
                let value = reply.document("value")
                if isNew, value != nil { health.adjustCount(by: 1) }
                return value
            } catch {
                guard error.isDuplicateKey else { throw error.storeError(limits: limits) }
            }
        }
        throw .failed(reason: "a session could not be made though it does not exist: is there another unique index?")
    }

    /// Updates one session by itself. Returns what the update has left; nil where no document passes the filter.
    /// - Parameter filter: what is asked of the document beside its `_id`, as elements; nil makes the document
    ///   where there is none.
    func image(
        of update: SessionUpdate, filter: @escaping (inout BSONWriter) -> Void
    ) throws(StoreError) -> SessionImage? {
        try findAndModify(updateCommand(update, filter: filter)).map(SessionImage.init)
    }

    func image(of update: SessionUpdate) throws(StoreError) -> SessionImage {
        guard let document = try findAndModify(updateCommand(update, filter: nil)) else {
            throw .failed(reason: "MongoDB answered an upsert without the document")
        }
        return SessionImage(document)
    }

    private func updateCommand(_ update: SessionUpdate, filter: ((inout BSONWriter) -> Void)?) -> [UInt8] {
        BSONWriter.document(capacity: 1536 + update.batch.array.count) { writer in
            writer.string("findAndModify", name)
            writer.document("query") { writer in
                writer.string("_id", update.session.bytes)
                filter?(&writer)
            }
            expressions.pipeline(&writer, named: "update") { update.stage(&$0) }
            writer.boolean("upsert", filter == nil)
            writer.boolean("new", true)
            writer.document("fields") { SessionUpdate.projection(&$0, for: CollectionOfOne(update)) }
        }
    }

    /// How writes are sent. What the address says of it wins.
    var write: MongoClient.Kind { .write(uri.namesWriteConcern ? .standard : health.writeConcern) }

    /// How sessions are read: where writes wait for a majority, only what a majority has is seen. A primary that its
    /// majority has left would tell what nobody acknowledges, and what goes away when it steps down. What the address
    /// says of it wins.
    var reading: MongoClient.Kind {
        if let level = uri.readConcern { return .readAt(level: level) }
        return !uri.namesWriteConcern && health.writeConcern == .majority ? .readAt(level: "majority") : .read
    }

    /// Writes the elements of a filter that holds for living sessions only.
    func filterAlive(_ writer: inout BSONWriter) {
        if let isAlive = expressions.isAlive { writer.raw("$expr", .document, isAlive) }
    }
}

/// Commands that are always the same.
enum MongoCommand {
    static let hello = BSONWriter.document { $0.int32("hello", 1) }
    static let buildInfo = BSONWriter.document { $0.int32("buildInfo", 1) }
    static let ping = BSONWriter.document { $0.int32("ping", 1) }
}
