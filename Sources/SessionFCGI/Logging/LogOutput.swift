import Glibc
import Logging
import Synchronization
import System
import Text

/// Where log lines go: standard error, in whole lines. Lines of level `info` and below are gathered for a moment,
/// so that the log of requests does not cost each of them a system call; all others are written at once.
final class LogOutput: Sendable {
    enum Format: String, Sendable, CaseIterable {
        /// `2024-01-15T10:00:00.000Z info Answered a request. method=GET …`
        case text
        /// One JSON object a line.
        case json
    }

    private static let gatheredBytes = 32_768

    private let format: Format
    private let gathered = Mutex(ByteBuffer(capacity: LogOutput.gatheredBytes))
    /// Held while lines are written, so that they keep their order; has the buffer that is not gathered in.
    private let writing = Mutex(ByteBuffer(capacity: LogOutput.gatheredBytes))

    init(format: Format) { self.format = format }

    /// Writes a line, whose fields the closure adds.
    func write(_ level: Logger.Level, _ message: some Collection<UInt8>, _ addFields: (inout LogLine) -> Void) {
        var line = LogLine(level, message, at: SystemClock().now, in: format)
        addFields(&line)
        line.end()
        let isDue = gathered.withLock { gathered in
            gathered.append(line.buffer.bytes)
            return level > .info || gathered.count >= Self.gatheredBytes
        }
        if isDue { flush() }
    }

    /// Writes the lines that were gathered; to be called a few times a second.
    func flush() {
        // Lines are gathered on while others are being written.
        writing.withLock { spare in
            gathered.withLock { swap(&$0, &spare) }
            Self.write(spare)
            spare.removeAll()
        }
    }

    private static func write(_ lines: ByteBuffer) {
        var written = 0
        while written < lines.count {
            let count = lines.bytes.withUnsafeBytes { bytes in
                Glibc.write(STDERR_FILENO, bytes.baseAddress! + written, bytes.count - written)
            }
            // A log that cannot be written has nowhere to say so.
            if count <= 0 { return }
            written += count
        }
    }
}
