import Logging

/// swift-log's way into a `LogOutput`.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    let output: LogOutput

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        output.write(event.level, event.message.description.utf8) { line in
            for (name, value) in all.sorted(by: { $0.key < $1.key }) { line.field(name, "\(value)") }
        }
    }
}
