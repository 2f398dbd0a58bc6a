import Glibc
import System
import Text

/// Where a setting's tokens come from: the variable itself, or the file that its `_FILE` variable names, which is
/// read again when the worker is told to.
enum TokenSource: Equatable, Sendable {
    case none
    case value([String])
    /// One token a line, or several with commas between them: while one is being replaced, both are there.
    case file(path: String)

    init(_ name: String, isList: Bool, from reader: inout EnvironmentReader) {
        let value = reader.text(name)
        let path = reader.text(name + "_FILE")
        switch (value, path) {
        case (nil, nil): self = .none
        case (_?, _?):
            reader.fault("\(name): contradicts \(name)_FILE; set one of the two")
            self = .none
        case (let value?, nil):
            let tokens = Self.tokens(in: value, isList: isList)
            if let fault = Self.fault(of: tokens) { reader.fault("\(name): \(fault)") }
            self = .value(tokens)
        case (nil, let path?):
            self = .file(path: path)
            do throws(ConfigurationError) {
                _ = try load(named: name)
            } catch {
                error.faults.forEach { reader.fault($0) }
            }
        }
    }

    /// The tokens as they are now. Throws where the file cannot be read or holds no usable token.
    func load(named name: String) throws(ConfigurationError) -> [String] {
        switch self {
        case .none: return []
        case .value(let tokens): return tokens
        case .file(let path):
            guard let bytes = readFile(path, maximumBytes: 1 << 16) else {
                let reason = String(cString: strerror(errno))
                throw ConfigurationError(faults: ["\(name)_FILE: \(path) cannot be read: \(reason)"])
            }
            let tokens = Self.tokens(in: String(decoding: bytes, as: UTF8.self), isList: true)
            if let fault = Self.fault(of: tokens) { throw ConfigurationError(faults: ["\(name)_FILE: \(fault)"]) }
            return tokens
        }
    }

    private static func tokens(in text: String, isList: Bool) -> [String] {
        guard isList else { return [String(text[...].trimming(while: \.isWhitespace))] }
        return text.split { $0 == "," || $0.isNewline }.map { String($0.trimming(while: \.isWhitespace)) }.filter { !$0.isEmpty }
    }

    private static func fault(of tokens: [String]) -> String? {
        if tokens.isEmpty { return "holds no token" }
        for token in tokens {
            if token.isEmpty || !token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
                return "a token consists of printable ASCII characters without spaces"
            }
        }
        return nil
    }
}
