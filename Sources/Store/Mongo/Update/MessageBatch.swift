/// Messages as the BSON array that a session holds them in: the newest of those given that a session may hold.
struct MessageBatch {
    /// The bytes of the array.
    let array: [UInt8]
    /// How many messages the array has.
    let count: Int
    /// How many were given.
    let given: Int
    /// The bytes of the messages in the array, each counted as a document of its own.
    let byteCount: Int

    /// Room for a command around the messages, or for a session's other members (MongoDB manual, "Limits").
    private static let maximumBytes = (16 << 20) - (64 << 10)

    /// Throws `.tooLarge` where a message is larger than a whole session may be.
    init(_ messages: [Message], limits: StoreLimits) throws(StoreError) {
        guard messages.allSatisfy({ $0.json.count <= limits.maxSessionBytes }) else {
            throw .tooLarge(limit: limits.maxSessionBytes)
        }
        var documents: [[UInt8]] = []
        var byteCount = 0
        for message in messages.suffix(limits.maxMessages).reversed() {
            let document = JSONToBSON.document(message)
            guard documents.isEmpty || byteCount + document.count <= limits.maxSessionBytes else { break }
            byteCount += document.count
            documents.append(document)
        }
        // Each element has a type, a name of up to five digits, and the name's end.
        guard byteCount + 7 * documents.count <= Self.maximumBytes else {
            throw .tooLarge(limit: limits.maxSessionBytes)
        }
        var writer = BSONWriter(capacity: byteCount + 7 * documents.count + 5)
        writer.nest { writer in
            for (index, document) in documents.reversed().enumerated() {
                writer.begin(.document, index: index)
                writer.buffer.append(document)
            }
        }
        array = writer.buffer.bytes
        count = documents.count
        given = messages.count
        self.byteCount = byteCount
    }

    /// The messages as a session gives them back: JSON, joined by commas.
    func json() throws(BSONError) -> [UInt8] {
        var converter = BSONToJSON(array, capacity: array.count + array.count / 8)
        _ = try converter.append(elementsOf: 0..<array.count)
        return converter.output.bytes
    }
}
