import ArgumentParser
import Glibc

/// Runs a command's body, and turns its errors into lines on standard error and an exit status.
func exiting<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as ConfigurationError {
        for fault in error.faults { printError(fault) }
        throw ExitCode(ConfigurationError.exitStatus)
    } catch {
        printError("\(error)")
        throw ExitCode.failure
    }
}

func printError(_ text: String) {
    let line = Array("session-fcgi: \(text)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
