import ArgumentParser
import Glibc

/// Where the settings come from, the same for all commands.
struct SettingsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file of NAME=value lines; the environment wins.", valueName: "file"))
    var envFile: String?

    /// The settings, or exit status 78 with one line per fault on standard error.
    func load() throws -> Settings {
        do throws(ConfigurationError) {
            var environment = try envFile.map { path throws(ConfigurationError) in
                try EnvironmentFile(path: path).variables
            } ?? [:]
            environment.merge(processEnvironment()) { _, process in process }
            return try Settings(environment)
        } catch {
            for fault in error.faults { printError(fault) }
            throw ExitCode(ConfigurationError.exitStatus)
        }
    }
}

private func processEnvironment() -> [String: String] {
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

func printError(_ text: String) {
    let line = Array("session-fcgi: \(text)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
