import ArgumentParser
import Logging
import Store

struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deletes sessions from MongoDB that were not updated for some days.",
        discussion: "Does what POST /admin/cleanup-sessions does, in batches that leave the collection to others.")

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
            guard case .mongo(let plan) = settings.store else {
                throw ConfigurationError(faults: [
                    "SESSION_STORE: there is nothing to clean up from outside a worker that keeps sessions in memory"
                ])
            }
            let output = LogOutput(format: settings.logFormat)
            let logger = Logger(label: "session-fcgi") { _ in LineLogHandler(logLevel: .warning, output: output) }
            let store = MongoStore(plan, limits: settings.limits, maxConnections: 1, logger: logger)
            defer { store.close() }
            do throws(StoreError) {
                let count = try store.cleanup(olderThanDays: days, dryRun: dryRun) { printError("\($0) so far") }
                print("\(dryRun ? "Would delete" : "Deleted") \(count) sessions older than \(days) days.")
            } catch {
                throw StartFailure(description: error.reason)
            }
        }
    }
}
