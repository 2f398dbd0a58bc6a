import Logging
import Store
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
            for byte in message { buffer.append(byte < 0x20 ? 0x20 : byte) }
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
        switch format {
        case .text:
            buffer.append(" ")
            buffer.append(name)
            buffer.append("=")
            if value.utf8.contains(where: { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=") }) {
                buffer.append(jsonString: value)
            } else {
                buffer.append(value)
            }
        case .json:
            buffer.append(",")
            buffer.append(jsonString: name)
            buffer.append(":")
            buffer.append(jsonString: value)
        }
    }

    mutating func field(_ name: String, _ value: some BinaryInteger) {
        switch format {
        case .text:
            buffer.append(" ")
            buffer.append(name)
            buffer.append("=")
        case .json:
            buffer.append(",\"")
            buffer.append(name)
            buffer.append("\":")
        }
        buffer.append(decimal: value)
    }

    mutating func end() {
        buffer.append(format == .json ? "}\n" : "\n")
    }
}
