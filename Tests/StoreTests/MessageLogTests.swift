import TestSupport
import Testing

@testable import Store

/// The log against a plain array of messages, under random operations from a fixed seed.
@Suite struct MessageLogTests {
    private struct Model {
        var messages: [Message] = []

        mutating func append(_ new: [Message], limits: StoreLimits) -> Int {
            messages += new
            var removed = 0
            while messages.count > limits.maxMessages
                || (messages.count > 1 && messages.reduce(0) { $0 + $1.json.count } > limits.maxSessionBytes)
            {
                messages.removeFirst()
                removed += 1
            }
            return removed
        }

        func joined(last: Int?) -> [UInt8] {
            Array(messages.suffix(last ?? messages.count).map(\.json).joined(separator: [UInt8(ascii: ",")]))
        }
    }

    @Test(arguments: [(1, 1 << 20), (3, 1 << 20), (30, 1 << 20), (30, 300), (10_000, 1_000), (2, 40)])
    func `the log agrees with a plain array`(maxMessages: Int, maxBytes: Int) {
        let limits = StoreLimits(maxMessages: maxMessages, maxSessionBytes: maxBytes)
        var generator = SeededGenerator(UInt64(maxMessages * 31 + maxBytes))
        var log = MessageLog()
        var model = Model()
        for step in 0..<3_000 {
            let batch = (0..<Int.random(in: 0...4, using: &generator)).map { index in
                Message(
                    role: "user",
                    content: "\(step).\(index)" + String(repeating: "x", count: .random(in: 0...60, using: &generator)))
            }
            #expect(log.append(batch, limits: limits) == model.append(batch, limits: limits))
            #expect(log.count == model.messages.count)
            #expect(log.messageBytes == model.messages.reduce(0) { $0 + $1.json.count })
            let last = Bool.random(using: &generator) ? nil : Int.random(in: 0...40, using: &generator)
            #expect(log.joined(last: last) == model.joined(last: last))
        }
    }

    @Test func `dropped messages' room is given back`() {
        let limits = StoreLimits(maxMessages: 4)
        var log = MessageLog()
        let message = Message(role: "user", content: String(repeating: "x", count: 1_000))
        for _ in 0..<10_000 { _ = log.append([message], limits: limits) }
        #expect(log.allocatedBytes < 40_000)
    }

    @Test func `the newest message stays even where it alone is over the limit`() {
        var log = MessageLog()
        let limits = StoreLimits(maxMessages: 5, maxSessionBytes: 10)
        let messages = ["a", "b", "c"].map { Message(role: "user", content: $0) }
        #expect(log.append(messages, limits: limits) == 2)
        #expect(log.joined(last: nil) == Array(messages[2].json))
        #expect(log.append([messages[0]], limits: limits) == 1)
    }
}
