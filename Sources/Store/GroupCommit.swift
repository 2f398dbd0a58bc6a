import DequeModule
import Synchronization
import System

/// Lets what waits at the same moment share one commit.
///
/// Most of what a commit costs is the commit, whatever is in it. The thread of the first item of a group carries it out
/// for all of them; there are no threads beside those that submit.
package final class GroupCommit<Item: CommitItem & Sendable, Output: Sendable, Failure: Error>: Sendable {
    private let queue: Mutex<CommitQueue<Waiter>>
    private let enter: @Sendable () throws(Failure) -> Void
    private let commit: @Sendable ([Item]) -> [Result<Output, Failure>]
    private let endsAll: @Sendable (Failure) -> Bool

    /// - Parameters:
    ///   - endsAll: whether a failure that all items of a commit have had is also that of those that wait, who would
    ///     find the same one after another.
    ///   - enter: waits for its turn where others commit, too; what comes meanwhile goes along. Where it throws, nothing
    ///     is carried out.
    ///   - commit: carries items out, and says of each what became of it, in their order.
    package init(
        limits: CommitLimits, endsAll: @escaping @Sendable (Failure) -> Bool,
        enter: @escaping @Sendable () throws(Failure) -> Void = { () throws(Failure) in },
        commit: @escaping @Sendable ([Item]) -> [Result<Output, Failure>]
    ) {
        queue = Mutex(CommitQueue(limits: limits))
        self.endsAll = endsAll
        self.enter = enter
        self.commit = commit
    }

    /// Has an item carried out, alone or together with others, and blocks until it is.
    package func submit(_ item: Item) throws(Failure) -> Output {
        let waiter = Waiter(item)
        if queue.withLock({ $0.arrive(waiter) }) { return try lead([waiter]) }
        switch waiter.wait() {
        case .done(let result): return try result.get()
        case .lead(let group): return try lead(group)
        }
    }

    /// Carries out a group, the first of which is the caller's own, and hands over to those that wait.
    private func lead(_ group: [Waiter]) throws(Failure) -> Output {
        var group = group
        let results: [Result<Output, Failure>]
        do throws(Failure) {
            try enter()
            queue.withLock { $0.fill(&group) }
            results = commit(group.map(\.item))
        } catch {
            results = group.map { _ in .failure(error) }
        }
        precondition(results.count == group.count)
        let isEnd = results.allSatisfy { if case .failure(let failure) = $0 { endsAll(failure) } else { false } }
        if isEnd, case .failure(let failure) = results[0] {
            for waiter in queue.withLock({ $0.takeAll() }) { waiter.finish(.done(.failure(failure))) }
        }
        let next = queue.withLock { $0.next() }
        next.first?.finish(.lead(next))
        for (waiter, result) in zip(group, results).dropFirst() { waiter.finish(.done(result)) }
        return try results[0].get()
    }

    /// An item that waits for a commit to go with, or for its outcome.
    private final class Waiter: CommitItem, @unchecked Sendable {
        // `outcome` is set once before the semaphore is signalled, and taken once after it was waited for.

        enum Outcome {
            case done(Result<Output, Failure>)
            /// The item's own thread is to carry out this group, of which it is the first.
            case lead([Waiter])
        }

        let item: Item
        private let semaphore = Semaphore()
        private var outcome: Outcome?

        init(_ item: Item) { self.item = item }

        var commitKey: Item.Key? { item.commitKey }
        var byteCount: Int { item.byteCount }

        func finish(_ outcome: Outcome) {
            self.outcome = outcome
            semaphore.signal()
        }

        func wait() -> Outcome {
            semaphore.wait()
            // A group to lead has the waiter itself in it: kept here, it would keep itself.
            guard let outcome = outcome.take() else { preconditionFailure("a waiter was woken without an outcome") }
            return outcome
        }
    }
}

/// What can share a commit with others.
package protocol CommitItem {
    associatedtype Key: Hashable

    /// No two items of one key share a commit; nil shares with all.
    var commitKey: Key? { get }
    /// How much of a commit's bytes the item takes.
    var byteCount: Int { get }
}

/// How much is committed at once.
package struct CommitLimits: Sendable {
    /// How many commits may be under way.
    package var commits: Int
    /// How many items share a commit at most.
    package var items: Int
    /// How many bytes the items of a commit have together at most; one that has more goes by itself.
    package var bytes: Int
}

/// The moves of a group commit: which items are committed together, and when. A value without lock, clock or thread.
///
/// An item that comes while fewer commits are under way than may be is committed at once, by itself: nobody waits for
/// company. While they are, items gather, and each commit that ends is followed by one of those that wait, from the
/// oldest on to the first that has no room. Items of one key, and all that have none, keep their order.
package struct CommitQueue<Item: CommitItem> {
    private let limits: CommitLimits
    private var commits = 0
    private var waiting: Deque<Item> = []

    package init(limits: CommitLimits) { self.limits = limits }

    /// Whether the item is to be committed now, by itself; if not, it waits for a group.
    package mutating func arrive(_ item: Item) -> Bool {
        guard commits == limits.commits else {
            commits += 1
            return true
        }
        waiting.append(item)
        return false
    }

    /// A commit has ended. Returns the items of the one that takes its place, the oldest first; none where nobody waits.
    package mutating func next() -> [Item] {
        guard let oldest = waiting.popFirst() else {
            commits -= 1
            return []
        }
        var group = [oldest]
        fill(&group)
        return group
    }

    /// Adds to a group that is not being committed yet those that wait and may go along.
    package mutating func fill(_ group: inout [Item]) {
        var keys = Set(group.compactMap(\.commitKey))
        var bytes = group.reduce(0) { $0 + $1.byteCount }
        var staying: Deque<Item> = []
        while let item = waiting.first, group.count < limits.items, bytes + item.byteCount <= limits.bytes {
            waiting.removeFirst()
            guard item.commitKey.map({ keys.insert($0).inserted }) ?? true else {
                staying.append(item)
                continue
            }
            bytes += item.byteCount
            group.append(item)
        }
        staying.append(contentsOf: waiting)
        waiting = staying
    }

    /// Takes away all that wait.
    package mutating func takeAll() -> Deque<Item> {
        defer { waiting = [] }
        return waiting
    }
}
