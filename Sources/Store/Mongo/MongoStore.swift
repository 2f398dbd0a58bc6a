import Logging
import System

/// Sessions in a MongoDB collection, shared by every worker that is given the same one.
///
/// An append and a read are one command each. Whatever must be true of a change (expiry, caps, keys) is decided
/// by the server within that command and by its clock, so that no two workers can disagree.
package final class MongoStore: RemoteStore {
    let sessions: SessionCollection
    private let appends: GroupCommit<SessionUpdate, Outcome, StoreError>
    private let monitor: MongoMonitor

    /// How many commands of shared appends may be under way, and how much they carry.
    private static let sharing = CommitLimits(commits: 2, items: 64, bytes: 4 << 20)

    /// Does no I/O; `start()` does.
    /// - Parameter maxConnections: as many as there are threads that call, and a few for the store itself.
    package init(
        _ uri: MongoURI, database: String, collection: String, limits: StoreLimits, maxConnections: Int, logger: Logger
    ) {
        MongoDriver.prepare(logger: logger)
        let sessions = SessionCollection(
            uri, database: database, name: Array(collection.utf8), limits: limits, maxConnections: maxConnections)
        self.sessions = sessions
        appends = GroupCommit(limits: Self.sharing, endsAll: \.isUnavailability) { sessions.append($0) }
        monitor = MongoMonitor(sessions, logger: logger)
    }

    deinit { close() }

    /// How many connections to one server its calls may open together.
    package var maxConnections: Int { sessions.pool.maxConnections }

    /// Begins to check the server's health and to put its indexes in order, in the background.
    /// Throws where the system has no thread to give.
    package func start() throws(SystemCallError) { try monitor.start() }

    /// Ends the background work and waits for it, at most about a second; calls from then on are refused.
    package func close() {
        monitor.stop()
        sessions.pool.close()
    }

    // MARK: Sessions

    package func apply(_ operation: Operation) throws(StoreError) -> Outcome {
        switch operation.change {
        case .append(let messages, let key):
            return try appends.submit(SessionUpdate(operation, .append(key: key), messages, limits: sessions.limits))
        case .replace(let messages, let condition):
            return try sessions.replace(operation, messages, condition)
        case .delete:
            return Outcome(existed: try sessions.delete(operation.session, takenAt: operation.takenAt))
        }
    }

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? {
        try sessions.read(id, last: last)
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        try sessions.list(limit: limit, after: cursor)
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        try sessions.cleanup(olderThanDays: days, dryRun: dryRun, progress: progress)
    }

    // MARK: Health

    package var kind: StoreKind { .mongodb }

    /// See `StoreStatus`: nothing but what the background work last saw.
    package var status: StoreStatus { sessions.health.status }

    package var isHealthy: Bool { sessions.health.isHealthy }

    package var serverTime: Timestamp? { sessions.health.serverTime }

    /// Asks the server first over a connection of its own, within about a second, and then over those that requests
    /// use.
    package func probe() throws(StoreError) {
        do {
            try MongoClient.withOwn(sessions.uri, timeout: MongoProbe.timeoutMilliseconds) { client throws(MongoError) in
                sessions.health.note(try sessions.probe(client))
            }
            try sessions.pool.withClient { client throws(MongoError) in _ = try sessions.probe(client) }
        } catch {
            throw error.storeError(limits: sessions.limits)
        }
    }
}
