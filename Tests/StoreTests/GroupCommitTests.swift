import Synchronization
import TestSupport
import Testing

@testable import Store

/// Group commits on real threads.
@Suite struct GroupCommitTests {
    private static let alive = Atomic<Int>(0)

    private final class Item: CommitItem, Sendable {
        init() { alive.add(1, ordering: .relaxed) }
        deinit { alive.subtract(1, ordering: .relaxed) }

        var commitKey: Int? { nil }
        var byteCount: Int { 1 }
    }

    @Test func `nothing of an item is kept once it is answered`() throws {
        let shared = Atomic<Int>(0)
        try withExtendedLifetime(
            GroupCommit<Item, Int, StoreError>(
                limits: CommitLimits(commits: 1, items: 4, bytes: 100), endsAll: { _ in false },
                commit: { items in
                    if items.count > 1 { shared.add(1, ordering: .relaxed) }
                    return items.map { _ in .success(items.count) }
                })
        ) { commits in
            // Most of those that share a commit are led by one that has waited.
            _ = try onThreads(4) { _ in
                try waitUntil("commits were shared") {
                    for _ in 0..<100 { _ = try commits.submit(Item()) }
                    return shared.load(ordering: .relaxed) >= 50
                }
            }
            #expect(Self.alive.load(ordering: .relaxed) == 0)
        }
    }
}
