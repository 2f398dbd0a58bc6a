import ArgumentParser
import Logging
import Store

struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deletes sessions that were not updated for some days.",
        discussion: "Does what POST /admin/cleanup-sessions does, in batches that leave the store to others.")

    @Option(help: "How long a session must not have been updated, in days from 1 to 36500.")
    var days: Int

    @Flag(help: "Count the sessions and delete none.")
    var dryRun = false

    @OptionGroup var settingsOptions: SettingsOptions

    func validate() throws {
        guard AdminAPI.cleanupDays.contains(days) else { throw ValidationError("--days must be from 1 to 36500.") }
    }

    func run() throws {
        try exiting {
            let settings = try settingsOptions.load()
            let output = LogOutput(format: settings.logFormat)
            let logger = Logger(label: "session-fcgi") { _ in LineLogHandler(logLevel: .warning, output: output) }
            let store: any SessionStore
            switch settings.store {
            case .memory:
                throw ConfigurationError(faults: [
                    "SESSION_STORE: there is nothing to clean up from outside a worker that keeps sessions in memory"
                ])
            case .sqlite(let directory): store = try SQLiteStore(in: directory, limits: settings.limits)
            case .mongo(let plan): store = MongoStore(plan, limits: settings.limits, maxConnections: 1, logger: logger)
            }
            do throws(StoreError) {
                let count = try store.cleanup(olderThanDays: days, dryRun: dryRun) { printError("\($0) so far") }
                print("\(dryRun ? "Would delete" : "Deleted") \(count) sessions older than \(days) days.")
            } catch {
                throw StartFailure(description: error.reason)
            }
        }
    }
}
