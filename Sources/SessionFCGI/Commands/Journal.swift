import ArgumentParser
import Glibc
import Store
import System
import Text

struct Journal: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what this host has acknowledged and MongoDB does not have yet, and why.",
        discussion: """
            Workers may run meanwhile. A change that MongoDB refuses holds up its own session only; where it can never be \
            written, its session's changes can be set aside into a file.
            """)

    @Option(help: ArgumentHelp("The session whose changes are to be taken out.", valueName: "session id"))
    var setAside: String?

    @Option(help: ArgumentHelp("The file that they go into, one JSON object a line. It must not exist.", valueName: "file"))
    var to: String?

    @Option(help: "How many sessions are shown, those that have waited longest first.")
    var limit = 50

    @OptionGroup var settingsOptions: SettingsOptions

    func validate() throws {
        guard (setAside == nil) == (to == nil) else { throw ValidationError("--set-aside and --to belong together.") }
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be from 1 to 100000.") }
    }

    func run() throws {
        try exiting {
            let settings = try settingsOptions.load()
            guard case .mongo(let plan) = settings.store, case .disk(let directory, let maxBytes) = plan.standby else {
                throw ConfigurationError(faults: ["MONGO_FALLBACK: there is a journal only with disk and MONGO_URI"])
            }
            let standby = try SQLiteStandby(
                in: directory, target: plan.target, limits: settings.limits, maxBytes: maxBytes)
            if let setAside, let to { return try move(setAside, of: standby, to: to) }
            let backlog = standby.backlog
            print("\(backlog.operations) changes wait, \(backlog.bytes) bytes of at most \(maxBytes).")
            for session in try standby.waiting(atMost: limit) {
                var line = ByteBuffer()
                line.append(session.oldest)
                line.append("  \(session.operations) changes, \(session.bytes) bytes  ")
                line.append(jsonString: session.session.bytes)
                if let refusal = session.refusal { line.append("  refused: \(refusal)") }
                print(String(decoding: line.bytes, as: UTF8.self))
            }
        }
    }

    private func move(_ text: String, of standby: SQLiteStandby, to path: String) throws {
        guard let session = SessionID(text) else { throw StartFailure(description: "\(text) is not a session id") }
        let count = try standby.setAside(session) { operations in
            guard !operations.isEmpty else { return }
            let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw SystemCallError("open \(path)") }
            defer { close(descriptor) }
            var text = ByteBuffer()
            for operation in operations {
                text.append(JSONWriter.operation(operation).bytes)
                text.append("\n")
            }
            guard write(descriptor, text.bytes, text.count) == text.count, fsync(descriptor) == 0 else {
                throw SystemCallError("write \(path)")
            }
        }
        printError("set \(count) changes of a session aside into \(path); MongoDB will not have them")
    }
}

extension JSONWriter {
    /// A change, as a file of those that were set aside has it.
    fileprivate static func operation(_ operation: Operation) -> ByteBuffer {
        object { writer in
            writer.string("session_id", operation.session.bytes)
            if let takenAt = operation.takenAt { writer.date("taken_at", takenAt) }
            switch operation.change {
            case .append(let messages, let key):
                writer.string("change", "append")
                if let key { writer.string("idempotency_key", key.key) }
                writer.array("messages", elements: Array(messages.map(\.json).joined(separator: [UInt8(ascii: ",")])))
            case .replace(let messages, _):
                writer.string("change", "replace")
                writer.array("messages", elements: Array(messages.map(\.json).joined(separator: [UInt8(ascii: ",")])))
            case .delete: writer.string("change", "delete")
            }
        }
    }
}
