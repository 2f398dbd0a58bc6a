import Glibc
import Store
import TestSupport
import Testing

@testable import SessionFCGI

/// Mutated and random bytes from fixed seeds against a whole worker, in a process of its own.
@Suite(.serialized) struct WorkerFuzzTests {
    private static let seeds: [[UInt8]] = {
        let append = WireRequest.append("fuzz", to: "s")
        let long = WireRequest.append(String(repeating: "x", count: 20_000), to: "s")
        return [
            append.bytes, WireRequest.read("s").bytes, WireRequest(keep: false).bytes, long.bytes,
            Records.begin(keep: true) + Records.parameters(append.parameters, size: 16)
                + Records.input(append.body, size: 5, padding: 3),
            append.head + Records.abort(), WireRequest(role: 2).bytes, append.bytes + append.bytes,
            WireRequest(extra: [("HTTP_X", String(repeating: "y", count: 300))]).bytes,
            Records.record(type: 9, id: 0, Records.pairs([("A", "")])) + append.bytes,
        ]
    }()

    @Test func `mutated requests end no worker`() async {
        await #expect(processExitsWith: .success) {
            let live = try LiveWorker(options: Worker.Options(threads: 4, requestTimeout: .milliseconds(100)))
            var generator = SeededGenerator(1)
            for round in 0..<12_000 {
                try Self.attack(live, Self.mutated(using: &generator))
                if round.isMultiple(of: 500) { #expect(try live.ask(WireRequest())?.status == 200) }
            }
            #expect(live.settles(at: 0))
            #expect(try live.ask(.append("good", to: "other"))?.status == 201)
            #expect(try live.ask(.read("other"))?.contents == ["good"])
            live.stop()
        }
    }

    @Test func `random bytes end no worker`() async {
        await #expect(processExitsWith: .success) {
            let live = try LiveWorker(options: Worker.Options(threads: 4, requestTimeout: .milliseconds(100)))
            var generator = SeededGenerator(2)
            for _ in 0..<8_000 {
                var bytes = (0..<Int.random(in: 1...200, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                // Random bytes alone hardly ever get beyond the first header.
                if Bool.random(using: &generator) { bytes = Records.begin(keep: true) + bytes }
                if Bool.random(using: &generator) { bytes[0] = 1 }
                try Self.attack(live, bytes)
            }
            #expect(live.settles(at: 0))
            #expect(try live.ask(WireRequest())?.status == 200)
            live.stop()
        }
    }

    /// Sends the bytes, and leaves at once or after a look at the answer.
    private static func attack(_ live: LiveWorker, _ bytes: [UInt8]) throws {
        let client = try live.connect()
        client.write(bytes)
        if bytes.count.isMultiple(of: 16) {
            shutdown(client.descriptor, Int32(SHUT_WR))
            _ = client.isClosedByPeer()
        }
        client.close()
    }

    private static func mutated(using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = seeds.randomElement(using: &generator)!
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            // Most of what matters stands at the beginning.
            let reach = Bool.random(using: &generator) ? min(64, bytes.count) : bytes.count
            let position = Int.random(in: 0..<reach, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes[position] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            case 2: bytes[position] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator)!
            case 3:
                let count = Int.random(in: 1...20, using: &generator)
                bytes.removeSubrange(position..<min(bytes.count, position + count))
            case 4: bytes.insert(contentsOf: bytes[position..<min(bytes.count, position + 24)], at: position)
            default: bytes.removeLast(bytes.count - position)
            }
        }
        return bytes
    }
}
