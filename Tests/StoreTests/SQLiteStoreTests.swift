import Foundation
import Synchronization
import System
import TestSupport
import Testing

@testable import Store

/// What a store in a file promises beside what all do.
@Suite struct SQLiteStoreTests {
    private let folder: StateFolder
    private let clock = ManualClock()
    private let id = SessionID("s")!

    init() throws { folder = try StateFolder() }

    /// A store over the folder's file, as another worker opens it.
    private func open(_ limits: StoreLimits = StoreLimits(), patience: Duration = .seconds(5)) throws -> SQLiteStore {
        try SQLiteStore(in: try folder.directory(patience: patience), limits: limits, clock: clock)
    }

    private func contents(_ store: SQLiteStore, _ id: String = "s") throws -> [String]? {
        try store.read(SessionID(id)!, last: nil)?.contents
    }

    // MARK: Versions and places

    @Test func `no version and no entity tag is given twice, whatever becomes of a session`() throws {
        let store = try open(StoreLimits(maxMessages: 2, ttlSeconds: 60))
        var tags: Set<String> = []
        var version: Int64 = 0
        func note() throws {
            let session = try #require(try store.read(id, last: nil))
            #expect(try store.read(id, last: 1)?.entityTag == session.entityTag)
            #expect(tags.insert(session.entityTag).inserted && session.version > version)
            version = session.version
        }
        for round in 0..<10 {
            _ = try store.append([.user("a")], to: id)
            try note()
            _ = try store.replace(id, messages: [.user("a"), .user("b")])
            try note()
            for _ in 0..<2 {
                _ = try store.replace(id, messages: [])
                try note()
            }
            if round % 2 == 0 { _ = try store.delete(id) } else { clock.advance(seconds: 60) }
            _ = try store.create(id, messages: [.user("a"), .user("b")])
            try note()
            // All in one moment of a clock that even goes back.
            if round % 2 == 1 { clock.advance(seconds: -60) }
        }
    }

    @Test func `no place is given to two sessions`() throws {
        let store = try open(StoreLimits(ttlSeconds: 60))
        for _ in 0..<3 {
            for name in ["a", "b", "c"] { _ = try store.append([.user(name)], to: SessionID(name)!) }
            _ = try store.delete(SessionID("b")!)
            clock.advance(seconds: 59)
            _ = try store.append([.user("c")], to: SessionID("c")!)
            clock.advance(seconds: 1)
        }
        let connection = try folder.connection()
        // Three made anew each time but c, which never expired.
        #expect(try connection.integer("SELECT next_number FROM totals") == 7)
        #expect(try contents(store, "a") == nil)
        #expect(try contents(store, "c") == Array(repeating: "c", count: 6))
        #expect(connection.isWhole)
    }

    @Test(arguments: 0...8, [1, 3])
    func `a session whose positions are used up goes on under another number`(left: Int, batch: Int) throws {
        let store = try open(StoreLimits(maxMessages: 4))
        func key(_ number: Int) -> IdempotencyKey { IdempotencyKey(key: "k\(number)", fingerprint: 1) }
        for number in 0..<66 { _ = try store.append([.user("\(number)")], to: id, key: key(number)) }
        _ = try store.append([.user("neighbour")], to: SessionID("neighbour")!)
        // As after a hundred million changes.
        do {
            let connection = try folder.connection()
            let next = try connection.integer("SELECT next FROM sessions WHERE id = CAST('s' AS BLOB)")
            let shift = 2 << 27 - Int64(left) - next
            for change in [
                "sessions SET first = first + \(shift), next = next + \(shift) WHERE id = CAST('s' AS BLOB)",
                "messages SET place = place + \(shift) WHERE place < 2 << 27",
                "keys SET place = place + \(shift) WHERE place < 2 << 27",
            ] { try connection.execute("UPDATE \(change)") }
        }
        var expected = (62..<66).map(String.init)
        #expect(try contents(store) == expected)
        var version = try #require(try store.read(id, last: 0)).version
        for round in 0..<9 {
            let texts = (0..<batch).map { "\(round)-\($0)" }
            let outcome = try store.append(texts.map(Message.user), to: id).value
            #expect(outcome.version > version && outcome.messageCount == 4 && outcome.dropped == batch)
            version = outcome.version
            expected = (expected + texts).suffix(4)
            #expect(try contents(store) == expected)
        }
        #expect(version >> 27 == 3)
        for number in [2, 3, 40, 65] {
            let again = try store.append([.user("\(number)")], to: id, key: key(number)).value
            #expect(again.isReplay && again.messageCount == min(number + 1, 4))
        }
        #expect(throws: StoreError.keyReused) {
            try store.append([.user("x")], to: id, key: IdempotencyKey(key: "k65", fingerprint: 2))
        }
        _ = try store.append([.user("new")], to: id, key: key(66))
        // Which is the sixty-fifth.
        #expect(try !store.append([.user("again")], to: id, key: key(2)).value.isReplay)
        #expect(try store.append([.user("new")], to: id, key: key(66)).value.isReplay)
        #expect(try contents(store, "neighbour") == ["neighbour"])
        _ = try store.delete(id)
        let connection = try folder.connection()
        #expect(try connection.integer("SELECT count(*) FROM messages") == 1)
        #expect(try connection.integer("SELECT count(*) FROM keys") == 0)
        #expect(connection.isWhole)
    }

    @Test func `when the clock goes back every change is still another state, and expiry goes by the dates`() throws {
        let store = try open(StoreLimits(ttlSeconds: 60))
        _ = try store.append([.user("a")], to: id)
        let first = try #require(try store.read(id, last: nil))
        clock.advance(seconds: -30)
        let second = try store.append([.user("b")], to: id).value
        #expect(second.version > first.version && second.updatedAt < first.updatedAt)
        let session = try #require(try store.read(id, last: nil))
        #expect(session.createdAt == first.createdAt && session.updatedAt == clock.now)
        #expect(session.entityTag != first.entityTag)
        _ = try store.append([.user("x")], to: SessionID("other")!)
        clock.advance(milliseconds: 59_999)
        #expect(try contents(store) == ["a", "b"])
        clock.advance(milliseconds: 1)
        #expect(try contents(store) == nil)
        #expect(try store.list(limit: 5, after: nil).sessions.isEmpty)
    }

    @Test func `expired sessions are deleted in the background, and the file gives their room back`() throws {
        let store = try open(StoreLimits(ttlSeconds: 60))
        let message = Message.user(String(repeating: "x", count: 10_000))
        for number in 0..<300 { _ = try store.append([message], to: SessionID("s\(number)")!) }
        clock.advance(seconds: 60)
        _ = try store.append([message], to: id)
        let connection = try folder.connection()
        let pages = try connection.integer("PRAGMA page_count")
        try store.start()
        defer { store.close() }
        try waitUntil("one is left") { try connection.integer("SELECT count(*) FROM sessions") == 1 }
        try waitUntil("it is counted") { store.status.activeSessions == 1 }
        #expect(try connection.integer("SELECT count(*) FROM messages") == 1)
        #expect(try connection.integer("PRAGMA page_count") < pages / 2)
        #expect(try contents(store)?.count == 1)
    }

    // MARK: More than one worker

    @Test func `what one worker has written another reads at once, and counts within a second`() throws {
        let (one, other) = (try open(), try open())
        try other.start()
        defer { other.close() }
        for number in 0..<20 {
            _ = try one.append([.user("\(number)")], to: id)
            #expect(try contents(other) == (0...number).map(String.init))
        }
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        _ = try one.append([.user("x")], to: id, key: key)
        #expect(try other.append([.user("x")], to: id, key: key).value.isReplay)
        _ = try one.create(SessionID("t")!, messages: [])
        #expect(throws: StoreError.exists) { try other.create(SessionID("t")!, messages: []) }
        try waitUntil("both are counted", seconds: 5) { other.status.activeSessions == 2 }
        _ = try one.delete(id)
        #expect(try contents(other) == nil)
        try waitUntil("one is counted", seconds: 5) { other.status.activeSessions == 1 }
    }

    @Test func `while another worker holds the lock and does not go on, writes give up and reads go on`() throws {
        let store = try open(patience: .milliseconds(100))
        _ = try store.append([.user("a")], to: id)
        let lock = try FileLock(on: folder.path)
        #expect(lock.tryLock())
        let results = try onThreads(8) { thread in
            Result { try store.append([.user("\(thread)")], to: SessionID("s")!) }
        }
        for result in results { expectUnavailable { _ = try result.get() } }
        #expect(try contents(store) == ["a"] && store.status.isReady)
        let refusal = #expect(throws: StateDirectoryError.self) { try open(patience: .milliseconds(20)) }
        #expect(refusal?.description.contains(folder.path) == true)
        lock.unlock()
        _ = try store.append([.user("b")], to: id)
        #expect(try contents(store) == ["a", "b"])
    }

    @Test func `appends over several workers are neither lost nor doubled nor reordered`() throws {
        let limits = StoreLimits(maxMessages: 10_000)
        let stores = try (0..<3).map { _ in try open(limits) }
        let counts = try onThreads(12) { thread in
            try (0..<30).map { number in
                let text = "\(thread)-\(number)"
                // No more keys than a session remembers.
                let key = number % 6 == 0 ? IdempotencyKey(key: text, fingerprint: 1) : nil
                let first = try stores[thread % 3].append([.user(text)], to: SessionID("s")!, key: key).value
                guard key != nil else { return first.messageCount }
                // The client repeats it to another worker.
                let again = try stores[(thread + 1) % 3].append([.user(text)], to: SessionID("s")!, key: key).value
                try hold(again.isReplay && again.messageCount == first.messageCount, "\(again) repeats \(first)")
                return first.messageCount
            }
        }
        #expect(counts.flatMap(\.self).sorted() == Array(1...360))
        for store in stores {
            let contents = try #require(try contents(store))
            #expect(contents.count == 360)
            for thread in 0..<12 {
                #expect(contents.filter { $0.hasPrefix("\(thread)-") } == (0..<30).map { "\(thread)-\($0)" })
            }
        }
        #expect(try folder.connection().isWhole)
    }

    @Test func `batches over several workers stay whole`() throws {
        let stores = try (0..<3).map { _ in try open(StoreLimits(maxMessages: 20)) }
        let results = try onThreads(9) { thread in
            try (0..<20).map { number in
                let batch = (0..<5).map { Message.user("\(thread)-\(number)-\($0)") }
                return try stores[thread % 3].append(batch, to: SessionID("s")!).value
            }
        }.flatMap(\.self)
        let contents = try #require(try contents(stores[0]))
        #expect(contents.count == 20)
        for start in stride(from: 0, to: 20, by: 5) {
            let name = contents[start].dropLast(2)
            #expect(Array(contents[start..<start + 5]) == (0..<5).map { "\(name)-\($0)" })
        }
        #expect(results.reduce(0) { $0 + $1.appended - $1.dropped } == 20)
        #expect(Set(results.map(\.version)).count == results.count)
    }

    @Test func `of many workers one creates, and of one state one replaces`() throws {
        let stores = try (0..<3).map { _ in try open() }
        for round in 0..<10 {
            let id = SessionID("s\(round)")!
            let made = try onThreads(6) { thread in
                (try? stores[thread % 3].create(id, messages: [.user("\(thread)")])) != nil
            }
            #expect(made.filter(\.self).count == 1)
            let tag = try #require(try stores[0].read(id, last: nil)).entityTag
            let replaced = try onThreads(6) { thread in
                (try? stores[thread % 3].replace(id, messages: [.user("r\(thread)")], condition: .matching([tag]))) != nil
            }
            #expect(replaced.filter(\.self).count == 1)
            #expect(try contents(stores[1], "s\(round)") == ["r\(try #require(replaced.firstIndex(of: true)))"])
        }
    }

    @Test func `conditional replacement over several workers lets no update be lost`() throws {
        let stores = try (0..<3).map { _ in try open() }
        _ = try stores[0].create(id, messages: [.user("0")])
        _ = try onThreads(6) { thread in
            let (store, id) = (stores[thread % 3], SessionID("s")!)
            for _ in 0..<20 {
                while true {
                    guard let session = try store.read(id, last: nil) else { throw Violation("it is gone") }
                    let next = [Message.user("\(Int(session.contents[0])! + 1)")]
                    do throws(StoreError) {
                        _ = try store.replace(id, messages: next, condition: .matching([session.entityTag]))
                        break
                    } catch {
                        try hold(error == .conditionFailed, "\(error)")
                    }
                }
            }
        }
        #expect(try contents(stores[0]) == ["120"])
    }

    @Test func `the log stays bounded under readers that never pause`() throws {
        let limits = StoreLimits(maxMessages: 4)
        let (store, other) = (try open(limits), try open(limits))
        let message = Message.user(String(repeating: "x", count: 250_000))
        _ = try store.append([message], to: id)
        let isOver = Atomic(false)
        let threads = Threads()
        defer {
            isOver.store(true, ordering: .relaxed)
            threads.join()
        }
        for _ in 0..<3 {
            try threads.start { [id] in
                while !isOver.load(ordering: .relaxed) { _ = try? other.read(id, last: nil) }
            }
        }
        var (log, written) = (0, 0)
        while written < 160 << 20 {
            _ = try store.append([message], to: id)
            written += 250_000
            log = max(log, try size(of: "sessions.sqlite-wal"))
        }
        #expect(log > 8 << 20 && log < 64 << 20, "\(log)")
        #expect(try size(of: "sessions.sqlite") < 8 << 20)
    }

    private func size(of name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(name))
        return try #require(attributes[.size] as? Int)
    }

    // MARK: The file

    @Test func `what is acknowledged is there when the file is opened again`() throws {
        for number in 0..<10 {
            let store = try open()
            _ = try store.append([.user("\(number)")], to: id)
        }
        #expect(try contents(open()) == (0..<10).map(String.init))
    }

    @Test func `the files are their owner's alone, and are what they were meant to be`() throws {
        let store = try open()
        _ = try store.append([.user("a")], to: id)
        let standby = try SQLiteStandby(
            in: try folder.directory(), target: "t", limits: StoreLimits(), maxBytes: 1 << 20, clock: clock)
        _ = try standby.take(Operation(of: id, .delete))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(
            names == [
                "outage.sqlite", "outage.sqlite-shm", "outage.sqlite-wal", "outage.sqlite.numbers", "sessions.sqlite",
                "sessions.sqlite-shm", "sessions.sqlite-wal",
            ])
        for name in names {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(name))
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
        for name in ["sessions.sqlite", "outage.sqlite"] {
            let connection = try folder.connection(to: name)
            #expect(try connection.integer("PRAGMA auto_vacuum") == 2)
            #expect(try connection.first("PRAGMA journal_mode", read: { $0.bytes(0) }) == Array("wal".utf8))
            #expect(try connection.integer("PRAGMA application_id") == 0x5346_4347)
            #expect(try connection.integer("PRAGMA user_version") == 1)
            #expect(try connection.integer("PRAGMA synchronous") == 2)
            #expect(try connection.integer("PRAGMA wal_autocheckpoint") == 0)
            #expect(connection.isWhole)
        }
    }

    enum Loss: CaseIterable, Sendable {
        case renamed, replaced, logRemoved, logReplaced

        func strike(_ folder: StateFolder) throws {
            let (file, log) = (folder.file("sessions.sqlite"), folder.file("sessions.sqlite-wal"))
            switch self {
            case .renamed: try FileManager.default.moveItem(atPath: file, toPath: file + ".old")
            case .replaced:
                try FileManager.default.copyItem(atPath: file, toPath: file + ".copy")
                #expect(rename(file + ".copy", file) == 0)
            case .logRemoved: try FileManager.default.removeItem(atPath: log)
            case .logReplaced:
                try FileManager.default.copyItem(atPath: log, toPath: log + ".copy")
                #expect(rename(log + ".copy", log) == 0)
            }
        }
    }

    @Test(arguments: Loss.allCases)
    func `nothing is acknowledged any more when the file is not the one that was opened`(_ loss: Loss) throws {
        let store = try open()
        _ = try store.append([.user("a")], to: id)
        #expect(store.status.isReady)
        try loss.strike(folder)
        for _ in 0..<3 {
            expectUnavailable { _ = try store.append([.user("b")], to: id) }
            #expect(!store.status.isReady)
        }
        let others = try onThreads(8) { thread in
            Result { try store.append([.user("\(thread)")], to: SessionID("t\(thread)")!) }
        }
        for result in others { expectUnavailable { _ = try result.get() } }
        let reason = #expect(throws: StoreError.self) { try store.delete(id) }?.reason
        #expect(reason?.contains(folder.file("sessions.sqlite")) == true)
    }

    @Test func `a damaged page stops the store, and is not made anew`() throws {
        do {
            let store = try open()
            for number in 0..<50 { _ = try store.append([.user("x")], to: SessionID("s\(number)")!) }
            try folder.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        let root = try folder.connection().integer("SELECT rootpage FROM sqlite_schema WHERE name = 'sessions'")
        try write(Array(repeating: 0xAA, count: 4096), at: (Int(root) - 1) * 4096)
        let store = try open()
        expectUnavailable { _ = try contents(store, "s1") }
        #expect(!store.status.isReady)
        expectUnavailable { _ = try store.append([.user("new")], to: SessionID("s1")!) }
        expectUnavailable { _ = try store.list(limit: 5, after: nil) }
        let bytes = try #require(FileManager.default.contents(atPath: folder.file("sessions.sqlite")))
        #expect(bytes[(Int(root) - 1) * 4096 + 5] == 0xAA)
        // A write alone finds it, too.
        let other = try open()
        expectUnavailable { _ = try other.append([.user("new")], to: SessionID("s1")!) }
        #expect(!other.status.isReady)
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: folder.file("sessions.sqlite")))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: bytes)
        try file.close()
    }

    enum Fault: CaseIterable, Sendable {
        case header, text, foreign, newer, noTotals, folderInPlace

        func prepare(_ folder: StateFolder) throws {
            let path = folder.file("sessions.sqlite")
            switch self {
            case .text: try Data(repeating: 0x78, count: 10_000).write(to: URL(fileURLWithPath: path))
            case .folderInPlace:
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            case .foreign:
                #expect(FileManager.default.createFile(atPath: path, contents: nil))
                try folder.connection().execute("CREATE TABLE sessions (id INTEGER); INSERT INTO sessions VALUES (1)")
            case .header, .newer, .noTotals:
                _ = try SQLiteStore(in: try folder.directory(), limits: StoreLimits())
                    .append([.user("a")], to: SessionID("s")!)
                let change = switch self {
                case .newer: "UPDATE totals SET compatible_from = 2"
                case .noTotals: "DELETE FROM totals"
                default: "PRAGMA wal_checkpoint(TRUNCATE)"
                }
                try folder.connection().execute(change)
                guard self == .header else { return }
                let file = try #require(FileHandle(forUpdatingAtPath: path))
                try file.write(contentsOf: Array(repeating: 0, count: 100))
                try file.close()
            }
        }
    }

    @Test(arguments: Fault.allCases)
    func `a file that is not a store of this release is refused by its path, and left as it is`(_ fault: Fault) throws {
        try fault.prepare(folder)
        let path = folder.file("sessions.sqlite")
        let before = FileManager.default.contents(atPath: path)
        for _ in 0..<2 {
            let refusal = #expect(throws: StateDirectoryError.self) { try open() }
            #expect(refusal?.description.contains(path) == true, "\(String(describing: refusal))")
        }
        #expect(FileManager.default.contents(atPath: path) == before)
    }

    @Test func `a file that a newer release has only added to is used`() throws {
        do {
            let store = try open()
            try folder.connection().execute("ALTER TABLE sessions ADD COLUMN more TEXT; PRAGMA user_version = 2")
            _ = store
        }
        _ = try open()
    }

    @Test func `what is no folder that can be written to is refused by its path`() throws {
        let file = folder.file("file")
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        for path in [file, folder.file("missing"), "/proc/self"] {
            let refusal = #expect(throws: StateDirectoryError.self) {
                try SQLiteStore(in: try StateDirectory(path), limits: StoreLimits())
            }
            #expect(refusal?.description.contains(path) == true, "\(String(describing: refusal))")
        }
    }
}
