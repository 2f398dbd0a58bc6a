import ArgumentParser
import Glibc

/// Where the settings come from, the same for all commands.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file of NAME=value lines; the environment wins.", valueName: "file"))
    var envFile: String?

    func load() throws(ConfigurationError) -> Settings {
        var environment = try envFile.map(EnvironmentFile.init(path:))?.variables ?? [:]
        environment.merge(Self.processEnvironment()) { _, process in process }
        return try Settings(environment)
    }

    private static func processEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next = next.advanced(by: 1)
        }
        return variables
    }
}
