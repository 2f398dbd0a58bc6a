import Logging
import System
import Text

/// One line of the log while it is being written, in the format of its output.
struct LogLine {
    private(set) var buffer: ByteBuffer
    private let format: LogOutput.Format

    init(_ level: Logger.Level, _ message: some Collection<UInt8>, at time: Timestamp, in format: LogOutput.Format) {
        self.format = format
        buffer = ByteBuffer(capacity: 256)
        switch format {
        case .text:
            buffer.append(time)
            buffer.append(" ")
            buffer.append(level.rawValue)
            buffer.append(" ")
            let start = buffer.count
            buffer.append(message)
            for index in start..<buffer.count where buffer.bytes[index] < 0x20 { buffer.bytes[index] = 0x20 }
        case .json:
            buffer.append("{\"time\":\"")
            buffer.append(time)
            buffer.append("\",\"level\":\"")
            buffer.append(level.rawValue)
            buffer.append("\",\"message\":")
            buffer.append(jsonString: message)
        }
    }

    mutating func field(_ name: String, _ value: String) {
        begin(name)
        if format == .json || value.utf8.contains(where: \.needsQuotes) {
            buffer.append(jsonString: value)
        } else {
            buffer.append(value)
        }
    }

    mutating func field(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        buffer.append(decimal: value)
    }

    /// - Parameter value: a word that needs no quotes.
    mutating func field(_ name: String, _ value: StaticString) {
        begin(name)
        if format == .json { buffer.append(UInt8(ascii: "\"")) }
        buffer.append(value)
        if format == .json { buffer.append(UInt8(ascii: "\"")) }
    }

    mutating func end() { buffer.append(format == .json ? "}\n" : "\n") }

    private mutating func begin(_ name: String) {
        switch format {
        case .text:
            buffer.append(" ")
            buffer.append(name)
            buffer.append("=")
        case .json:
            buffer.append(",")
            buffer.append(jsonString: name)
            buffer.append(":")
        }
    }
}

extension UInt8 {
    /// Whether a value with this byte would not be read as one word.
    fileprivate var needsQuotes: Bool { self <= 0x20 || self == UInt8(ascii: "\"") || self == UInt8(ascii: "=") }
}
