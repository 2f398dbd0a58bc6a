import ArgumentParser
import Logging
import Store
import System

/// The store that the settings ask for, open until it is closed.
struct OpenStore {
    /// Whether its calls may wait for a database.
    let blocks: Bool
    /// How many connections to MongoDB it may open; 0 without MongoDB.
    let connections: Int
    let store: any SessionStore
    private let closing: (Duration, () -> Void) -> Int

    /// How many threads beside those that answer requests use connections to MongoDB: those that write what was
    /// recorded during an outage, and the one that looks for the database's return.
    private static let connectionsOfItsOwn = 6

    /// - Parameter threads: how many requests are answered at once.
    init(_ settings: Settings, threads: Int, logger: Logger) throws {
        guard settings.usesMongo else {
            store = MemoryStore(limits: settings.limits, maxBytes: settings.memoryMaxBytes)
            blocks = false
            connections = 0
            closing = { _, _ in 0 }
            return
        }
        let mongo = try Self.mongoStore(settings, connections: threads + Self.connectionsOfItsOwn, logger: logger)
        let fallback = FallbackStore(primary: mongo, secondary: Self.secondary(settings), logger: logger)
        mongo.start()
        try fallback.start(on: Threads())
        store = fallback
        blocks = true
        connections = mongo.maxConnections
        closing = { timeout, whileWaiting in
            fallback.close(within: timeout, whileWaiting: whileWaiting)
            let left = fallback.changesLeft
            if left > 0 {
                logger.error(
                    "Stopping with acknowledged changes that were never written; they are lost.",
                    metadata: ["pending": "\(left)"])
            }
            return left
        }
    }

    /// Writes what is still to be written, and takes nothing more. Returns how many changes were left when the time was
    /// over. The process is to end then: its threads and connections go with it.
    /// - Parameter whileWaiting: called again and again until then.
    func close(within timeout: Duration, whileWaiting: () -> Void) -> Int { closing(timeout, whileWaiting) }

    /// A store on MongoDB that has not connected yet, or exit status 78.
    static func mongoStore(_ settings: Settings, connections: Int, logger: Logger) throws -> MongoStore {
        do throws(MongoURIError) {
            return try MongoStore(
                uri: settings.mongoURI ?? "", database: settings.mongoDatabase, collection: settings.mongoCollection,
                limits: settings.limits, maxConnections: connections,
                logger: logger)
        } catch {
            printError("MONGO_URI: \(error)")
            throw ExitCode(ConfigurationError.exitStatus)
        }
    }

    /// Half of the memory for what this worker knows of its sessions during an outage, half for what is to be written.
    private static func secondary(_ settings: Settings) -> FallbackStore<MongoStore>.Secondary? {
        guard settings.fallback == .memory else { return nil }
        let share = settings.memoryMaxBytes / 2
        return FallbackStore.Secondary(
            view: MemoryStore(limits: settings.limits, maxBytes: share, whenFull: .refuse),
            journal: MemoryJournal(maxBytes: share))
    }
}
