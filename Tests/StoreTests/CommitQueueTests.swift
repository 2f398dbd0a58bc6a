import TestSupport
import Testing

@testable import Store

/// The moves of a group commit, under seeded arrivals, ends and failures.
@Suite struct CommitQueueTests {
    private struct Item: CommitItem, Equatable, CustomStringConvertible {
        let number: Int
        let commitKey: Int?
        let byteCount: Int

        var description: String { "item \(number) (\(byteCount) bytes, key \(commitKey, default: "none"))" }
    }

    @Test func `items are committed once, together as far as may be, and in their order`() throws {
        try forEachSeed(3000) { seed in
            var run = Run(seed)
            for _ in 0..<100 { try run.step() }
            try run.finish()
        }
    }

    /// A queue, and what is to be true of it.
    private struct Run {
        private var generator: SeededGenerator
        private let limits: CommitLimits
        private var queue: CommitQueue<Item>
        private var running = 0
        private var waiting: [Item] = []
        private var arrived = 0
        private var ended: Set<Int> = []

        init(_ seed: UInt64) {
            generator = SeededGenerator(seed)
            limits = CommitLimits(
                commits: .random(in: 1...3, using: &generator), items: .random(in: 1...6, using: &generator),
                bytes: .random(in: 10...100, using: &generator))
            queue = CommitQueue(limits: limits)
        }

        mutating func step() throws {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...5: try arrive()
            case 6...8: if running > 0 { try end() }
            default: if running > 0 { try fail() }
            }
            try hold(running <= limits.commits, "\(running) commits are under way")
            try hold(running == limits.commits || waiting.isEmpty, "an item waits though a commit could start")
        }

        mutating func finish() throws {
            while running > 0 { try end() }
            try hold(waiting.isEmpty, "\(waiting.count) items wait for ever")
            try hold(ended.count == arrived, "\(arrived - ended.count) items are lost")
        }

        private mutating func arrive() throws {
            let item = Item(
                number: arrived, commitKey: [nil, nil, nil, 0, 1, 2].randomElement(using: &generator)!,
                byteCount: .random(in: 0...(Bool.random(using: &generator) ? 20 : 120), using: &generator))
            arrived += 1
            let goesAlone = queue.arrive(item)
            try hold(goesAlone == (running < limits.commits), "goes alone: \(goesAlone), beside \(running)")
            if goesAlone {
                running += 1
                try end(item)
            } else {
                waiting.append(item)
            }
        }

        private mutating func end() throws {
            let group = queue.next()
            guard let oldest = waiting.first else {
                try hold(group.isEmpty, "\(group) come from nowhere")
                running -= 1
                return
            }
            try hold(group.first == oldest, "the oldest does not go first")
            try hold(group.count <= limits.items, "\(group.count) items share a commit")
            let bytes = group.reduce(0) { $0 + $1.byteCount }
            try hold(bytes <= limits.bytes || group.count == 1, "\(bytes) bytes share a commit")
            let keys = group.compactMap(\.commitKey)
            try hold(Set(keys).count == keys.count, "a key twice in one commit")
            try checkChoice(of: group, bytes: bytes)
            for item in group { try end(item) }
            waiting.removeAll(where: group.contains)
        }

        /// Of those that wait all go up to the first for which there is no room, but for those whose key goes already.
        private func checkChoice(of group: [Item], bytes: Int) throws {
            var rest = group[...]
            for item in waiting {
                if item == rest.first {
                    rest.removeFirst()
                    continue
                }
                let hasRoom = group.count < limits.items && bytes + item.byteCount <= limits.bytes
                if rest.isEmpty, !hasRoom { return }
                let goesAhead = group.dropLast(rest.count)
                let sharesKey = item.commitKey.map { key in goesAhead.contains { $0.commitKey == key } } ?? false
                try hold(sharesKey, "\(item) could have gone with \(group)")
            }
            try hold(rest.isEmpty, "\(rest) go out of their order")
        }

        /// All items of a commit fail in a way that those who wait would find, too.
        private mutating func fail() throws {
            let taken = queue.takeAll()
            try hold(Array(taken) == waiting, "not all that wait fail")
            for item in taken { try end(item) }
            waiting = []
            // Others come before the commit's end is told.
            for _ in 0..<Int.random(in: 0...3, using: &generator) { try arrive() }
            try end()
        }

        private mutating func end(_ item: Item) throws {
            try hold(ended.insert(item.number).inserted, "\(item) goes twice")
        }
    }
}
