/// The messages of one session in one run of bytes, joined by commas: reading them all is one copy, and
/// dropping the oldest moves an index.
struct MessageLog: Sendable {
    private var text: [UInt8] = []
    /// Where each message begins in `text`; those before `first` are dropped.
    private var starts: [Int32] = []
    private var first = 0

    var count: Int { starts.count - first }

    /// The bytes of JSON of all messages, without the commas between them.
    var messageBytes: Int { count == 0 ? 0 : text.count - Int(starts[first]) - (count - 1) }

    /// The bytes that the log holds on to, used or not.
    var allocatedBytes: Int { text.capacity + starts.capacity * MemoryLayout<Int32>.stride }

    /// Appends messages and drops the oldest over the limits; the newest message always stays.
    /// Returns how many messages were dropped.
    mutating func append(_ messages: [Message], limits: StoreLimits) -> Int {
        for message in messages {
            if !text.isEmpty { text.append(UInt8(ascii: ",")) }
            starts.append(Int32(text.count))
            text.append(contentsOf: message.json)
        }
        var dropped = 0
        while count > limits.maxMessages || (count > 1 && messageBytes > limits.maxSessionBytes) {
            first += 1
            dropped += 1
        }
        compactIfWorthwhile()
        return dropped
    }

    /// The newest `last` messages, or all of them where nil, joined by commas.
    func joined(last: Int?) -> [UInt8] {
        let wanted = min(last ?? count, count)
        guard wanted > 0 else { return [] }
        return Array(text[Int(starts[starts.count - wanted])...])
    }

    /// Gives dropped messages' room back once it is as much as the living ones take: each byte is then moved
    /// at most once for each byte appended.
    private mutating func compactIfWorthwhile() {
        guard first > 0, count > 0 else { return }
        let dead = Int(starts[first])
        guard dead >= text.count - dead else { return }
        text = Array(text[dead...])
        starts = starts[first...].map { $0 - Int32(dead) }
        first = 0
    }
}
