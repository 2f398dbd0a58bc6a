import Logging
import Store
import System

/// The stores that a plan asks for, put together, open until they are closed.
struct StoreAssembly {
    let sessions: any SessionService
    /// What belongs to a plan with MongoDB.
    private let mongo: (store: MongoStore, outage: OutageStore)?
    private let logger: Logger

    /// Does no I/O; `start()` does.
    /// - Parameter threads: how many requests are answered at once.
    init(_ plan: StorePlan, limits: StoreLimits, threads: Int, logger: Logger) {
        self.logger = logger
        switch plan {
        case .memory(let maxBytes): (sessions, mongo) = (MemoryStore(limits: limits, maxBytes: maxBytes), nil)
        case .mongo(let plan):
            // One more looks for the database's return over the connections that requests use.
            let connections = threads + OutageStore.ownThreads + 1
            let store = MongoStore(plan, limits: limits, maxConnections: connections, logger: logger)
            let standby = plan.standbyBytes.map { MemoryStandby(limits: limits, maxBytes: $0) }
            let outage = OutageStore(primary: store, standby: standby) { event in event.log(to: logger) }
            (sessions, mongo) = (outage, (store, outage))
        }
    }

    /// Finds out whether the database can be reached, within about a second, and begins the background work, which
    /// `close` ends. Throws where the system has no thread to give.
    func start() throws(SystemCallError) {
        try mongo?.store.start()
        try mongo?.outage.start()
    }

    /// Whether its calls may wait for a database.
    var blocks: Bool { mongo != nil }

    /// How many connections to MongoDB it may open; 0 without MongoDB.
    var connections: Int { mongo?.store.maxConnections ?? 0 }

    /// Writes what is still to be written, at most until the time is over, and ends the background work. To be called when
    /// no request is answered any more. Returns how many acknowledged operations are lost.
    func close(within timeout: Duration, whileWaiting: () -> Void) -> Int {
        guard let mongo else { return 0 }
        let lost = mongo.outage.close(within: timeout, whileWaiting: whileWaiting)
        mongo.store.close()
        if lost > 0 {
            logger.error(
                "Stopping with acknowledged changes that were never written; they are lost.",
                metadata: ["pending": "\(lost)"])
        }
        return lost
    }
}

extension MongoStore {
    convenience init(_ plan: StorePlan.MongoPlan, limits: StoreLimits, maxConnections: Int, logger: Logger) {
        self.init(
            plan.uri, database: plan.database, collection: plan.collection, limits: limits,
            maxConnections: maxConnections, logger: logger)
    }
}

extension OutageEvent {
    /// What an operator of workers on MongoDB is told.
    fileprivate func log(to logger: Logger) {
        switch self {
        case .primaryLost(let cause, let hasStandby):
            let consequence = hasStandby
                ? "sessions are kept in this worker's memory until it can be (MONGO_FALLBACK=memory)"
                : "requests are refused until it can be (MONGO_FALLBACK=off)"
            logger.warning(
                "MongoDB cannot be reached.",
                metadata: ["cause": "\(cause)", "consequence": "\(consequence)", "setting": "MONGO_URI"])
        case .primaryRecovered(let pending):
            logger.notice("MongoDB can be reached again.", metadata: ["pending": "\(pending)"])
        case .callFailed(let cause):
            logger.warning("MongoDB answers, but a request to it has failed.", metadata: ["cause": "\(cause)"])
        case .replayFailed(let cause):
            logger.error("A pending change could not be written; trying again.", metadata: ["cause": "\(cause)"])
        case .closingWithBacklog(let pending):
            logger.warning(
                "Trying to write what was acknowledged while MongoDB could not be reached.",
                metadata: ["pending": "\(pending)"])
        }
    }
}
