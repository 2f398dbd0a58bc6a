import Logging
import Store
import System

/// The stores that a plan asks for, put together, open until they are closed.
struct StoreAssembly {
    private enum Stores {
        case memory(MemoryStore)
        case sqlite(SQLiteStore)
        case mongo(MongoStore, OutageStore)
    }

    private let stores: Stores
    private let logger: Logger

    /// Opens files of this host's, and nothing else yet: `start()` does. Throws where they cannot be used.
    /// - Parameter threads: how many requests are answered at once.
    init(_ plan: StorePlan, limits: StoreLimits, threads: Int, logger: Logger) throws(StateDirectoryError) {
        self.logger = logger
        switch plan {
        case .memory(let maxBytes): stores = .memory(MemoryStore(limits: limits, maxBytes: maxBytes))
        case .sqlite(let directory): stores = .sqlite(try SQLiteStore(in: directory, limits: limits))
        case .mongo(let plan):
            // One more looks for the database's return over the connections that requests use.
            let connections = threads + OutageStore.ownThreads + 1
            let mongo = MongoStore(plan, limits: limits, maxConnections: connections, logger: logger)
            let standby: (any Standby)? = switch plan.standby {
            case .disk(let directory, let maxBytes): try SQLiteStandby(
                in: directory, target: plan.target, limits: limits, maxBytes: maxBytes)
            case .memory(let maxBytes): MemoryStandby(limits: limits, maxBytes: maxBytes)
            case nil: nil
            }
            let outage = OutageStore(primary: mongo, standby: standby) { event in event.log(to: logger) }
            stores = .mongo(mongo, outage)
        }
    }

    /// Finds out whether the database can be reached, within about a second, and begins the background work, which
    /// `close` ends. Throws where the system has no thread to give.
    func start() throws(SystemCallError) {
        switch stores {
        case .memory: break
        case .sqlite(let store): try store.start()
        case .mongo(let mongo, let outage):
            try mongo.start()
            try outage.start()
        }
    }

    var sessions: any SessionService {
        switch stores {
        case .memory(let store): store
        case .sqlite(let store): store
        case .mongo(_, let store): store
        }
    }

    /// Whether its calls may wait for a disk or a database.
    var blocks: Bool {
        if case .memory = stores { false } else { true }
    }

    /// How many connections to MongoDB it may open; 0 without MongoDB.
    var connections: Int {
        switch stores {
        case .memory, .sqlite: 0
        case .mongo(let mongo, _): mongo.maxConnections
        }
    }

    /// Writes what is still to be written, at most until the time is over, and ends the background work. To be called when
    /// no request is answered any more. Returns how many acknowledged operations are lost.
    func close(within timeout: Duration, whileWaiting: () -> Void) -> Int {
        if case .sqlite(let store) = stores { store.close() }
        guard case .mongo(let mongo, let outage) = stores else { return 0 }
        let lost = outage.close(within: timeout, whileWaiting: whileWaiting)
        mongo.close()
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
        case .primaryLost(let cause, let standby):
            let consequence = switch standby {
            case nil: "requests are refused until it can be (MONGO_FALLBACK=off)"
            case .sqlite: "sessions are kept on this host's disk until it can be (MONGO_FALLBACK=disk)"
            default: "sessions are kept in this worker's memory until it can be (MONGO_FALLBACK=memory)"
            }
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
