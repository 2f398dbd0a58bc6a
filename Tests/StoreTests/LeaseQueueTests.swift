import TestSupport
import Testing

@testable import Store

/// The operations that wait, under seeded arrivals, leases and settlements.
@Suite struct LeaseQueueTests {
    @Test func `operations are applied once, in their session's order, by one at a time`() throws {
        try forEachSeed(2000) { seed in
            var run = Run(seed)
            for _ in 0..<100 { try run.step() }
            try run.finish()
        }
    }

    /// A queue, and what is to be true of it.
    private struct Run {
        private var generator: SeededGenerator
        private let sessions: [SessionID]
        private var queue = LeaseQueue()
        /// What waits of each session.
        private var waiting: [SessionID: [Operation]] = [:]
        private var count = 0
        private var bytes = 0
        private var leases: [Lease] = []
        /// The sessions that can be leased, in the order in which they came.
        private var ready: [SessionID] = []
        private var arrived: [SessionID: [OperationID]] = [:]
        private var applied: [SessionID: [OperationID]] = [:]
        private static let messages = ["a", "bcd", "ef"].map(Message.user)

        init(_ seed: UInt64) {
            generator = SeededGenerator(seed)
            // Few sessions have more operations each than a lease takes.
            sessions = (0..<Int.random(in: 1...6, using: &generator)).map { SessionID("s\($0)")! }
        }

        mutating func step() throws {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...5: append()
            case 6...7: try lease()
            default: try settle()
            }
            try check()
        }

        mutating func finish() throws {
            var turns = 0
            while queue.count > 0 {
                try lease()
                try settle(wholly: true)
                try check()
                turns += 1
                try hold(turns < 1000, "\(queue.count) operations never leave")
            }
            while !leases.isEmpty { try settle() }
            try check()
            try hold(queue.lease() == nil, "an empty queue leases")
            try hold(queue.bytes == 0, "an empty queue takes up \(queue.bytes) bytes")
            try hold(applied == arrived, "\(arrived) came and \(applied) were applied")
        }

        private mutating func append() {
            let session = sessions.randomElement(using: &generator)!
            let messages = Array(Self.messages.prefix(.random(in: 1...3, using: &generator)))
            let change: Operation.Change = switch Int.random(in: 0..<4, using: &generator) {
            case 0: .delete
            case 1: .replace(messages, .none)
            default: .append(messages, key: nil)
            }
            let operation = Operation(of: session, change)
            queue.append(operation)
            if waiting[session, default: []].isEmpty { ready.append(session) }
            waiting[session, default: []].append(operation)
            count += 1
            bytes += operation.footprint
            arrived[session, default: []].append(operation.id)
        }

        private mutating func lease() throws {
            let lease = queue.lease()
            try hold(lease?.session == ready.first, "\(ready.first, default: "none") is not leased first")
            guard let lease else { return }
            ready.removeFirst()
            try hold(!leases.contains { $0.session == lease.session }, "\(lease.session) is leased twice")
            let oldest = Array(waiting[lease.session, default: []].prefix(Lease.maximumOperations))
            try hold(lease.operations == oldest, "a lease is of others than the oldest operations")
            leases.append(lease)
        }

        private mutating func settle(wholly: Bool = false) throws {
            guard !leases.isEmpty else { return }
            let lease = leases.remove(at: .random(in: 0..<leases.count, using: &generator))
            let count = lease.operations.count
            let applied = wholly || Bool.random(using: &generator) ? count : .random(in: 0...count, using: &generator)
            let isDone = queue.settle(lease, applied: applied)
            for operation in lease.operations.prefix(applied) {
                self.applied[lease.session, default: []].append(operation.id)
                self.count -= 1
                bytes -= operation.footprint
            }
            waiting[lease.session]!.removeFirst(applied)
            try hold(isDone == waiting[lease.session]!.isEmpty, "\(lease.session) is told to be done: \(isDone)")
            if !isDone { ready.append(lease.session) }
        }

        private func check() throws {
            try hold(queue.count == count, "\(queue.count) operations are counted, \(count) wait")
            try hold(queue.bytes == bytes, "\(queue.bytes) bytes are counted, \(bytes) wait")
            for session in sessions {
                let newest = queue.newest(of: session)?.id
                try hold(newest == waiting[session]?.last?.id, "the newest of \(session) is another one")
            }
        }
    }
}
