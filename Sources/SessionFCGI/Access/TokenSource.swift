import Glibc
import System
import Text

/// Where a setting's tokens come from: the variable itself, or the file that its `_FILE` variable names, which is
/// read again when the worker is told to.
enum TokenSource: Equatable, Sendable {
    case none
    case value([String])
    /// One token a line, or several with commas between them: while one is being replaced, both are there.
    case file(path: String, tokens: [String])

    init(_ name: String, isList: Bool, from reader: inout EnvironmentReader) {
        self = .none
        switch (reader.text(name), reader.text(name + "_FILE")) {
        case (nil, nil): break
        case (_?, _?): reader.fault("\(name): contradicts \(name)_FILE; set one of the two")
        case (let value?, nil):
            let tokens = Self.tokens(in: value, isList: isList)
            if let fault = Self.fault(of: tokens) { reader.fault("\(name): \(fault)") }
            self = .value(tokens)
        case (nil, let path?):
            do throws(ConfigurationError) {
                self = .file(path: path, tokens: try Self.load(path, named: name))
            } catch {
                error.faults.forEach { reader.fault($0) }
            }
        }
    }

    /// The tokens that were there at the start.
    var tokens: [String] {
        switch self {
        case .none: []
        case .value(let tokens), .file(_, let tokens): tokens
        }
    }

    /// The tokens that a setting's file has now. Throws where it cannot be read or holds no usable token.
    static func load(_ path: String, named name: String) throws(ConfigurationError) -> [String] {
        guard let bytes = readFile(path, maximumBytes: 1 << 16) else {
            let reason = String(cString: strerror(errno))
            throw ConfigurationError(faults: ["\(name)_FILE: \(path) cannot be read: \(reason)"])
        }
        let tokens = tokens(in: String(decoding: bytes, as: UTF8.self), isList: true)
        if let fault = fault(of: tokens) { throw ConfigurationError(faults: ["\(name)_FILE: \(fault)"]) }
        return tokens
    }

    private static func tokens(in text: String, isList: Bool) -> [String] {
        guard isList else { return [String(text[...].trimming(while: \.isWhitespace))] }
        return text.split { $0 == "," || $0.isNewline }.map { String($0.trimming(while: \.isWhitespace)) }.filter { !$0.isEmpty }
    }

    private static func fault(of tokens: [String]) -> String? {
        if tokens.isEmpty { return "holds no token" }
        let areUsable = tokens.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
        return areUsable ? nil : "a token consists of printable ASCII characters without spaces"
    }
}
