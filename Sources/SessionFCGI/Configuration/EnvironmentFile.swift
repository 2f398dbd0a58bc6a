import Glibc
import Store

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
            let line = line.trimmingWhitespace()
            if line.isEmpty || line.hasPrefix("#") { continue }
            let assignment = line.hasPrefix("export ") ? line.dropFirst(7).trimmingWhitespace() : line
            guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
                faults.append("\(name), line \(index + 1): not of the form NAME=value")
                continue
            }
            let key = String(assignment[..<equals].trimmingWhitespace())
            guard Self.isName(key) else {
                faults.append("\(name), line \(index + 1): what stands before the = is not a variable's name")
                continue
            }
            variables[key] = Self.unquoted(assignment[assignment.index(after: equals)...].trimmingWhitespace())
        }
        guard faults.isEmpty else { throw ConfigurationError(faults: faults) }
        self.variables = variables
    }

    /// POSIX.1-2017, section 8.1, with small letters besides.
    private static func isName(_ text: String) -> Bool {
        let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        return !isDigit(text.utf8.first ?? UInt8(ascii: "0"))
            && text.utf8.allSatisfy { byte in
                isDigit(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }

    private static func unquoted(_ value: Substring) -> String {
        for quote in ["\"", "'"] where value.count >= 2 && value.hasPrefix(quote) && value.hasSuffix(quote) {
            return String(value.dropFirst().dropLast())
        }
        return String(value)
    }
}

/// A small file's bytes; nil, with `errno` set, where it cannot be read or is larger.
func readFile(_ path: String, maximumBytes: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 { return nil }
        if count == 0 { return content }
        content += chunk[..<count]
        if content.count > maximumBytes {
            errno = EFBIG
            return nil
        }
    }
}

extension Substring {
    func trimmingWhitespace() -> Substring {
        var trimmed = drop(while: \.isWhitespace)
        while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
        return trimmed
    }
}
