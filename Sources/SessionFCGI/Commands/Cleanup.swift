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
        guard Router.cleanupDays.contains(days) else { throw ValidationError("--days must be from 1 to 36500.") }
    }

    func run() throws {
        let settings = try settingsOptions.load()
        guard settings.usesMongo else {
            printError("SESSION_STORE: there is nothing to clean up from outside a worker that keeps sessions in memory")
            throw ExitCode(ConfigurationError.exitStatus)
        }
        let output = LogOutput(format: settings.logFormat)
        let logger = Logger(label: "session-fcgi") { _ in LineLogHandler(output: output, level: .warning) }
        let store = try OpenStore.mongoStore(settings, connections: 1, logger: logger)
        defer { store.close() }
        do throws(StoreError) {
            let count = try store.cleanup(olderThanDays: days, dryRun: dryRun) { printError("\($0) so far") }.value
            print("\(dryRun ? "Would delete" : "Deleted") \(count) sessions older than \(days) days.")
        } catch {
            printError("\(Problem(error).cause ?? "\(error)")")
            throw ExitCode.failure
        }
    }
}
