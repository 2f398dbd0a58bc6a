import System
import TestSupport
import Testing

@testable import Store

/// Changes that share a commit: each keeps its own outcome.
@Suite struct SQLiteWriterTests {
    private let folder: StateFolder
    private let writer: SQLiteWriter
    private let now = ManualClock().now

    init() throws {
        folder = try StateFolder()
        writer = try SQLiteWriter(
            SQLiteFile("sessions.sqlite", in: try folder.directory()), limits: StoreLimits(maxSessionBytes: 1 << 20))
    }

    /// What became of changes that were committed together.
    private func commit(_ writes: [SQLiteWrite]) throws -> [StoreError?] {
        try writer.enter()
        return writer.commit(writes).map { result in
            if case .failure(let error) = result { error } else { nil }
        }
    }

    private func commit(_ changes: [Operation.Change], to ids: [String]) throws -> [StoreError?] {
        try commit(zip(changes, ids).map { write($0, to: $1, at: now) })
    }

    private func write(
        _ change: Operation.Change, to id: String, at time: Timestamp, then sql: String? = nil
    ) -> SQLiteWrite {
        let operation = Operation(of: SessionID(id)!, change)
        return SQLiteWrite(byteCount: 0) { tables throws(StoreError) in
            _ = try tables.apply(operation, at: time)
            if let sql { try tables.connection.execute(sql) }
        }
    }

    /// Lets the file grow by so many pages and no more.
    private func limitGrowth(to pages: Int64) throws {
        let write = SQLiteWrite(byteCount: 0) { tables throws(StoreError) in
            let now = try tables.connection.first("PRAGMA page_count", read: { $0.integer(0) }) ?? 0
            try tables.connection.execute("PRAGMA max_page_count=\(now + pages)")
        }
        #expect(try commit([write]) == [nil])
    }

    private func append(_ text: String, key: Int64? = nil) -> Operation.Change {
        .append([.user(text)], key: key.map { IdempotencyKey(key: "k", fingerprint: $0) })
    }

    private func contents(_ id: String) throws -> [String]? {
        let tables = SessionTables(connection: try folder.connection(), limits: StoreLimits())
        return try tables.read(SessionID(id)!, last: nil, at: now)?.contents
    }

    @Test func `a change that is refused leaves no trace, and the others of its group are made`() throws {
        #expect(try commit([append("a", key: 1)], to: ["s"]) == [nil])
        let large = append(String(repeating: "x", count: 1 << 20))
        let outcomes = try commit(
            [
                append("b"), append("no", key: 2), .replace([.user("no")], .absent), append("c", key: 1), large,
                .replace([.user("no")], .matching(["x"])), append("d"), .delete,
            ], to: ["s", "s", "s", "s", "new", "t", "s", "nobody"])
        #expect(
            outcomes == [
                nil, .keyReused, .conditionFailed, nil, .tooLarge(limit: 1 << 20), .conditionFailed, nil, nil,
            ])
        #expect(try contents("s") == ["a", "b", "d"])
        let connection = try folder.connection()
        let before = try connection.dump()
        let refused = try commit(
            [append("no", key: 2), .replace([.user("no")], .absent), large, .replace([], .present)],
            to: ["s", "s", "s", "new"])
        #expect(!refused.contains(nil))
        #expect(try connection.dump() == before)
        #expect(try connection.integer("SELECT count(*) FROM sessions") == 1)
        #expect(try connection.integer("SELECT sessions FROM totals") == 1)
    }

    @Test func `an expired session is left alone by a change that is refused`() throws {
        #expect(try commit([append("a")], to: ["s"]) == [nil])
        let connection = try folder.connection()
        let before = try connection.dump()
        let later = now.advanced(bySeconds: 604_800)
        let large = [Message.user(String(repeating: "x", count: 1 << 20))]
        for change in [Operation.Change.replace([], .present), .append(large, key: nil), .replace(large, .none)] {
            let outcome = try commit([write(change, to: "s", at: later)])
            #expect(outcome != [nil])
        }
        #expect(try connection.dump() == before)
    }

    @Test func `where SQLite refuses one change, all are taken back and each is tried by itself`() throws {
        #expect(try commit([append("a")], to: ["s"]) == [nil])
        let connection = try folder.connection()
        let outcomes = try commit([
            write(append("b"), to: "s", at: now),
            write(append("no"), to: "s", at: now, then: "INSERT INTO totals VALUES (1, 1, 1, 1)"),
            write(append("c"), to: "s", at: now),
        ])
        #expect(outcomes[0] == nil && outcomes[2] == nil)
        guard case .failed(let reason) = outcomes[1] else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(reason.contains("CHECK"))
        #expect(try contents("s") == ["a", "b", "c"])
        #expect(try connection.integer("SELECT count(*) FROM totals") == 1)
        #expect(writer.fault == nil && connection.isWhole)
    }

    @Test func `when there is no room what fits is kept, and with room everything is`() throws {
        #expect(try commit([append("a")], to: ["s"]) == [nil])
        try limitGrowth(to: 4)
        let large = append(String(repeating: "x", count: 100_000))
        #expect(
            try commit([append("b"), large, append("c"), large], to: ["s", "s", "s", "new"])
                == [nil, .full, nil, .full])
        #expect(try contents("s") == ["a", "b", "c"] && contents("new") == nil)
        for _ in 0..<3 { #expect(try commit([large], to: ["s"]) == [.full]) }
        #expect(writer.fault == nil)
        #expect(try commit([.delete], to: ["s"]) == [nil])
        try limitGrowth(to: 1000)
        #expect(try commit([append("d"), large, append("e")], to: ["s", "new", "s"]) == [nil, nil, nil])
        #expect(try contents("s") == ["d", "e"] && contents("new")?.count == 1)
        #expect(try folder.connection().isWhole)
    }

    @Test func `nobody commits while the lock is another's`() throws {
        let directory = try folder.directory(patience: .milliseconds(30))
        let other = try FileLock(on: folder.path)
        let waiting = try SQLiteWriter(SQLiteFile("sessions.sqlite", in: directory), limits: StoreLimits())
        #expect(other.tryLock())
        expectUnavailable { try waiting.enter() }
        other.unlock()
        try waiting.enter()
        #expect(!other.tryLock())
        // Whatever becomes of the changes, the lock is given back.
        _ = waiting.commit([SQLiteWrite(byteCount: 0) { _ throws(StoreError) in throw .conditionFailed }])
        #expect(other.tryLock())
    }
}
