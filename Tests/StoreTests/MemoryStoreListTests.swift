import TestSupport
import Testing

@testable import Store

@Suite struct MemoryStoreListTests {
    let clock = ManualClock()

    func id(_ text: String) -> SessionID { SessionID(text)! }

    @Test(arguments: [1, 2, 7, 50, 299, 300, 301, 500])
    func `pages hold every session once, newest first`(limit: Int) throws {
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 64 << 20, clock: clock)
        for index in 0..<300 {
            _ = try store.create(id("s\(index)"), messages: [])
            // Several sessions share a date, so that the id has to decide.
            if index.isMultiple(of: 5) { clock.advance(milliseconds: 1) }
        }
        var listed: [SessionSummary] = []
        var cursor: SessionCursor?
        repeat {
            let page = try store.list(limit: limit, after: cursor)
            #expect(page.sessions.count <= limit)
            #expect(page.next == nil || page.sessions.count == limit)
            listed += page.sessions
            cursor = page.next
        } while cursor != nil
        #expect(listed.count == 300)
        #expect(Set(listed.map(\.id)).count == 300)
        for (newer, older) in zip(listed, listed.dropFirst()) {
            #expect(
                newer.updatedAt > older.updatedAt
                    || (newer.updatedAt == older.updatedAt
                        && older.id.bytes.lexicographicallyPrecedes(newer.id.bytes)))
        }
    }

    @Test func `a cleanup takes what is older than its days and nothing else`() throws {
        let store = MemoryStore(limits: StoreLimits(ttlSeconds: 0), maxBytes: 64 << 20, clock: clock)
        for index in 0..<100 { _ = try store.create(id("old\(index)"), messages: []) }
        clock.advance(milliseconds: 1)
        for index in 0..<100 { _ = try store.create(id("young\(index)"), messages: []) }
        clock.advance(milliseconds: 7 * 86_400_000)
        #expect(try store.cleanup(olderThanDays: 8, dryRun: false) { _ in } == 0)
        #expect(try store.cleanup(olderThanDays: 7, dryRun: true) { _ in } == 100)
        #expect(store.status.activeSessions == 200)
        #expect(try store.cleanup(olderThanDays: 7, dryRun: false) { _ in } == 100)
        #expect(store.status.activeSessions == 100)
        #expect(try store.read(id("old0"), last: nil) == nil)
        #expect(try store.read(id("young0"), last: nil) != nil)
    }
}
