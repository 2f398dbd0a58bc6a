import ArgumentParser
import Logging
import Store

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validates the settings, prints them with secrets hidden, and looks at MongoDB.",
        discussion: """
            Changes nothing. The exit status is 78 where a setting is wrong, and 1 where MongoDB cannot be used as \
            the settings say.
            """)

    @OptionGroup var settingsOptions: SettingsOptions

    func run() throws {
        let settings = try exiting { try settingsOptions.load() }
        for (name, value) in settings.summary { print("\(name)=\(value)") }
        guard case .mongo(let plan) = settings.store else { return }
        let quiet = Logger(label: "session-fcgi") { _ in SwiftLogNoOpLogHandler() }
        let store = MongoStore(plan, limits: settings.limits, maxConnections: 1, logger: quiet)
        defer { store.close() }
        let diagnosis = store.diagnose()
        print("")
        print("MongoDB server: \(diagnosis.serverVersion ?? "unknown")")
        print("Topology: \(diagnosis.topology ?? "unknown")")
        print("Latency: \(diagnosis.latencyMicroseconds.map { "\($0) µs" } ?? "unknown")")
        print("Indexes: \(diagnosis.indexes.isEmpty ? "none" : diagnosis.indexes.joined(separator: "; "))")
        print("At the start: \(diagnosis.plan.isEmpty ? "nothing to do" : diagnosis.plan.joined(separator: "; "))")
        if let problem = diagnosis.problem {
            print("Problem: \(problem)")
            throw ExitCode.failure
        }
    }
}
