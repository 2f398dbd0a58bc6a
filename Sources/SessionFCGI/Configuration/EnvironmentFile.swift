import Glibc
import System
import Text

/// Variables from a file of `NAME=value` lines: blank lines and those that begin with `#` are passed over, a value may
/// stand in single or double quotes, and nothing in it is expanded.
struct EnvironmentFile {
    let variables: [String: String]

    init(path: String) throws(ConfigurationError) {
        guard let bytes = readFile(path, maximumBytes: 1 << 20) else {
            throw ConfigurationError(faults: ["--env-file: \(path) cannot be read: \(String(cString: strerror(errno)))"])
        }
        try self.init(text: String(decoding: bytes, as: UTF8.self), name: path)
    }

    init(text: String, name: String) throws(ConfigurationError) {
        var variables: [String: String] = [:]
        var faults: [String] = []
        // "\r\n" is one character to Swift.
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            let line = line.trimming(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let assignment = line.hasPrefix("export ") ? line.dropFirst(7).trimming(while: \.isWhitespace) : line
            guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
                faults.append("\(name), line \(index + 1): not of the form NAME=value")
                continue
            }
            let key = String(assignment[..<equals].trimming(while: \.isWhitespace))
            guard Self.isName(key) else {
                faults.append("\(name), line \(index + 1): what stands before the = is not a variable's name")
                continue
            }
            variables[key] = Self.unquoted(assignment[assignment.index(after: equals)...].trimming(while: \.isWhitespace))
        }
        guard faults.isEmpty else { throw ConfigurationError(faults: faults) }
        self.variables = variables
    }

    /// POSIX.1-2017, section 8.1, with small letters besides.
    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !first.isDigit else { return false }
        return text.utf8.allSatisfy { $0.isDigit || $0.isLetter || $0 == UInt8(ascii: "_") }
    }

    private static func unquoted(_ value: Substring) -> String {
        for quote in ["\"", "'"] where value.count >= 2 && value.hasPrefix(quote) && value.hasSuffix(quote) {
            return String(value.dropFirst().dropLast())
        }
        return String(value)
    }
}
