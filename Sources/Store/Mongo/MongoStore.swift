import Logging
import System

/// Sessions in a MongoDB collection, shared by every worker that is given the same one.
///
/// An append and a read are one command each. Whatever must be true of a change (expiry, caps, keys) is decided
/// by the server within that command and by its clock, so that no two workers can disagree.
package final class MongoStore: ReplayTarget {
    let pool: MongoConnectionPool
    let uri: MongoURI
    let database: String
    let collection: [UInt8]
    let limits: StoreLimits
    let expressions: SessionExpressions
    let appends = AppendQueue()
    let logger: Logger
    let health: MongoHealth
    private let monitor: MongoMonitor

    /// Does no I/O; `start()` does.
    /// - Parameters:
    ///   - uri: `mongodb://` or `mongodb+srv://`. Its own timeouts and pool size win over the defaults.
    ///   - maxConnections: as many as there are threads that call, and a few for the store itself.
    /// - Throws: where the address is not one; its description never shows the credentials.
    package init(
        uri: String, database: String, collection: String, limits: StoreLimits, maxConnections: Int, logger: Logger
    ) throws(MongoURIError) {
        MongoDriver.prepare(logger: logger)
        self.uri = try MongoURI(uri)
        self.database = database
        self.collection = Array(collection.utf8)
        self.limits = limits
        self.logger = logger
        expressions = SessionExpressions(limits: limits)
        pool = MongoConnectionPool(uri: self.uri, maxConnections: maxConnections)
        health = MongoHealth(ttlSeconds: limits.ttlSeconds)
        monitor = MongoMonitor(
            uri: self.uri, probe: MongoProbe(database: database, collection: self.collection),
            indexes: MongoIndexes(
                database: database, collection: self.collection, ttlSeconds: limits.ttlSeconds),
            health: health, logger: logger)
    }

    deinit { close() }

    /// How many connections to one server its calls may open together.
    package var maxConnections: Int { pool.maxConnections }

    /// Begins to watch the server and to put its indexes in order, in the background.
    package func start() {
        do {
            try monitor.start()
        } catch {
            logger.error("There is no thread to watch MongoDB with", metadata: ["reason": "\(error)"])
        }
    }

    /// Ends the background work and waits for it, at most about a second; calls from then on are refused.
    package func close() {
        monitor.stop()
        pool.close()
    }

    /// See `StoreStatus`: nothing but what the background work last saw.
    package var status: StoreStatus { health.status }

    package var kind: StoreKind { .mongodb }

    /// Asks the server whether sessions can be read and written, first over a connection of its own, within
    /// about a second, and then over those that requests use. Throws `.unavailable`, `.failed`.
    package func ping() throws(StoreError) {
        let probe = MongoProbe(database: database, collection: collection)
        do {
            try MongoClient.withOwn(uri, timeout: MongoProbe.timeoutMilliseconds) { client throws(MongoError) in
                health.note(try probe.ask(client))
            }
            try pool.withClient { client throws(MongoError) in _ = try probe.ask(client) }
        } catch {
            throw error.storeError(limits: limits)
        }
    }

    /// Asks the background work to look at the indexes again.
    package func reconcileIndexes() {
        monitor.reconcileIndexes()
    }

    // MARK: Commands

    func run(_ command: [UInt8], _ kind: MongoClient.Kind) throws(StoreError) -> BSONDocument {
        let database = database
        do {
            return try pool.withClient { client throws(MongoError) in
                try client.command(command, on: database, kind)
            }
        } catch {
            throw error.storeError(limits: limits)
        }
    }

    /// What a findAndModify leaves or finds.
    struct Modified {
        /// The document that the command's projection makes; nil where nothing matched.
        let value: BSONDocument?
        /// Whether the command made the document.
        let isNew: Bool
    }

    /// Runs a findAndModify. Two that make the same document at once may collide in the index on `_id`; the one
    /// that lost did nothing then, and finds the document when it is run again.
    func findAndModify(_ command: [UInt8]) throws(StoreError) -> Modified {
        let (database, kind) = (database, write)
        for _ in 0..<8 {
            do {
                let reply = try pool.withClient { client throws(MongoError) in
                    try client.command(command, on: database, kind)
                }
                let isNew = reply.document("lastErrorObject")?.boolean("updatedExisting") == false
                let value = reply.document("value")
                if isNew, value != nil { health.adjustCount(by: 1) }
                return Modified(value: value, isNew: isNew)
            } catch where error.isDuplicateKey {
                continue
            } catch {
                throw error.storeError(limits: limits)
            }
        }
        throw .failed(reason: "a session could not be made though it does not exist: is there another unique index?")
    }

    /// The command for an update of one session.
    /// - Parameter filter: what is asked of the document beside its `_id`, as elements; nil makes the document
    ///   where there is none.
    func updateCommand(
        _ update: SessionUpdate, of id: SessionID, filter: ((inout BSONWriter) -> Void)? = nil
    ) -> [UInt8] {
        BSONWriter.document(capacity: 1536 + update.batch.array.count) { writer in
            writer.string("findAndModify", collection)
            writer.document("query") { writer in
                writer.string("_id", id.bytes)
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

    package var serverTime: Timestamp? { health.serverTime }

    /// Elements of a filter that holds for living sessions only.
    func isAlive(_ writer: inout BSONWriter) {
        if let isAlive = expressions.isAlive { writer.raw("$expr", .document, isAlive) }
    }
}

/// Commands that are always the same.
enum MongoCommand {
    static let hello = BSONWriter.document { $0.int32("hello", 1) }
    static let buildInfo = BSONWriter.document { $0.int32("buildInfo", 1) }
}
