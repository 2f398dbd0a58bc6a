import Synchronization
import System
import Text

/// A standby in a file of this host's: what waits in it is on the disk, known to every worker of the host, and given to the
/// primary by whichever of them lives.
///
/// View, operation and backlog change in one transaction. The file has the tables of `SessionTables`, with what is known of
/// the sessions that wait, and:
/// - `operations`: what waits, in the order of `n`, as `Operation` has it. `kind` is 0 for an append, 1 for a replacement
///   and 2 for a deletion; `recorded_at` is this host's time, `taken_at` the primary's; `messages` are JSON, joined by
///   commas; `message_count` and those behind it are what the client was told of an append.
/// - `backlog`: how many operations there are and about what they take up, the number that was given out last, what the
///   operations are for, and the primary's clock less this host's, in milliseconds.
/// - `refusals`: why the primary does not take a session's oldest operation.
package final class SQLiteStandby: Standby {
    static let schema = """
        CREATE TABLE operations (n INTEGER PRIMARY KEY, session BLOB NOT NULL, id BLOB NOT NULL, kind INTEGER NOT NULL,
            bytes INTEGER NOT NULL, recorded_at INTEGER NOT NULL, taken_at INTEGER, key BLOB, fingerprint INTEGER,
            message_count INTEGER, appended INTEGER, dropped INTEGER, updated_at INTEGER, messages BLOB) STRICT;
        CREATE INDEX operations_by_session ON operations(session, n);
        CREATE TABLE backlog (one INTEGER PRIMARY KEY CHECK (one = 0), operations INTEGER NOT NULL,
            bytes INTEGER NOT NULL, last INTEGER NOT NULL, target TEXT NOT NULL, clock_offset INTEGER) STRICT;
        INSERT INTO backlog VALUES (0, 0, 0, 0, '', NULL);
        CREATE TABLE refusals (session BLOB NOT NULL PRIMARY KEY, cause TEXT NOT NULL) STRICT, WITHOUT ROWID;
        """

    /// What is shared beside the file, since every request asks: never less than what the file has.
    private enum Number {
        static let operations = 0
        static let bytes = 1
        static let sessions = 2
        /// When the oldest operation was recorded, in milliseconds of this host's clock.
        static let oldest = 3
        static let count = 4
    }

    private struct Leases {
        var sessions: Set<SessionID> = []
        /// The operation at which the last lease was found: the next is looked for behind it.
        var position: Int64 = 0
    }

    let database: SQLiteDatabase
    private let numbers: SharedNumbers
    /// Held by the worker that replays.
    private let replayLock: FileLock
    private let leases = Mutex(Leases())
    private let maxBytes: Int
    private let patience: Duration
    private let clock: any WallClock

    /// Opens `outage.sqlite` in a folder, and makes it where there is none. Throws in words for an operator.
    /// - Parameters:
    ///   - target: what the operations are for. While some wait, it must not change.
    ///   - maxBytes: what the waiting operations of all workers take up together, at most.
    package init(
        in directory: StateDirectory, target: String, limits: StoreLimits, maxBytes: Int,
        clock: some WallClock = SystemClock()
    ) throws(StateDirectoryError) {
        self.maxBytes = maxBytes
        patience = directory.patience
        self.clock = clock
        let file = SQLiteFile("outage.sqlite", in: directory, additionalSchema: Self.schema)
        do throws(SystemCallError) {
            numbers = try SharedNumbers(file.path + ".numbers", count: Number.count)
            replayLock = try FileLock(on: file.path + ".numbers")
        } catch {
            throw StateDirectoryError(description: "\(error)")
        }
        database = try SQLiteDatabase(file, limits: limits) { [numbers] connection in
            Self.publish(connection, in: numbers)
        }
        let other: String?
        do throws(StoreError) {
            other = try database.write { tables throws(StoreError) in
                try Self.adopt(target, tables.connection)
            }
        } catch {
            throw StateDirectoryError(description: "\(file.path) cannot be used: \(error.reason)")
        }
        if let other {
            throw StateDirectoryError(
                description: "\(file.path) holds operations for \(other); let workers with that setting write them first")
        }
    }

    /// Returns what the waiting operations are for, where that is another target.
    private static func adopt(_ target: String, _ connection: SQLiteConnection) throws(StoreError) -> String? {
        let other = try connection.first(
            "SELECT target FROM backlog WHERE operations > 0", read: { String(decoding: $0.bytes(0), as: UTF8.self) })
        if let other { return other == target ? nil : other }
        try connection.run("UPDATE backlog SET target = CAST(? AS TEXT)", [.bytes(Array(target.utf8))])
        return nil
    }

    package var kind: StoreKind { .sqlite }

    package var isDurable: Bool { true }

    // MARK: Taking

    package func take(_ operation: Operation) throws(StoreError) -> Outcome {
        guard backlog.hasRoom else { throw .full }
        let now = clock.now
        return try database.write(bytes: operation.byteCount) { [self] tables throws(StoreError) in
            var tables = tables
            tables.isPartial = true
            // Of this moment: nobody else writes.
            guard numbers[Number.bytes] + operation.recordedBytes <= maxBytes else { throw .full }
            // Before the commit, so that no worker overlooks what another has acknowledged.
            numbers[Number.operations] = max(1, numbers[Number.operations])
            var outcome = Outcome(existed: true)
            outcome.isPartial = true
            if operation.change == .delete {
                // Whether the primary holds the session nobody knows; only a second deletion is known to be one.
                outcome.existed = try !isDeleted(operation.session, tables.connection)
                guard outcome.existed else { return outcome }
                _ = try tables.delete(operation.session, at: now)
            } else {
                outcome = try tables.apply(operation, at: now)
                if outcome.isReplay { return outcome }
            }
            try record(operation, outcome, at: now, tables.connection)
            // Where this worker is killed after the commit, the others are to look; what is true is said behind it.
            numbers[Number.operations] = max(1, numbers[Number.operations])
            return outcome
        }
    }

    private func record(
        _ operation: Operation, _ outcome: Outcome, at now: Timestamp, _ connection: SQLiteConnection
    ) throws(StoreError) {
        var values: [SQLiteConnection.Value] = []
        let bytes = operation.recordedBytes
        let kind = switch operation.change {
        case .append: 0
        case .replace: 1
        case .delete: 2
        }
        if let takenAt = operation.takenAt {
            try connection.run(
                "UPDATE backlog SET clock_offset = ?", [.integer(takenAt.milliseconds - now.milliseconds)])
        }
        let offset = try connection.first(
            "SELECT clock_offset FROM backlog", read: { $0.isNull(0) ? nil : $0.integer(0) }) ?? nil
        // What waits of the session is made when it is replayed: it must not protect it from a deletion after it.
        let isFirst = try connection.first(
            "SELECT 1 FROM operations WHERE session = ? LIMIT 1", [.bytes(operation.session.bytes)], read: { _ in true })
            == nil
        values = [
            .bytes(operation.session.bytes), .bytes(operation.id.bytes), .integer(kind), .integer(bytes),
            .integer(now.milliseconds), isFirst ? offset.map { .integer(now.milliseconds + $0) } ?? .null : .null,
        ]
        switch operation.change {
        case .append(let messages, let key):
            values += [
                key.map { .bytes(Array($0.key.utf8)) } ?? .null, key.map { .integer($0.fingerprint) } ?? .null,
                .integer(outcome.messageCount), .integer(outcome.appended), .integer(outcome.dropped),
                .integer(outcome.updatedAt.milliseconds), .bytes(Self.joined(messages)),
            ]
        case .replace(let messages, _):
            values += Array(repeating: .null, count: 6) + [.bytes(Self.joined(messages))]
        case .delete: values += Array(repeating: .null, count: 7)
        }
        try connection.run(
            "UPDATE backlog SET operations = operations + 1, bytes = bytes + ?, last = last + 1", [.integer(bytes)])
        try connection.run(
            """
            INSERT INTO operations (n, session, id, kind, bytes, recorded_at, taken_at, key, fingerprint, message_count,
            appended, dropped, updated_at, messages)
            VALUES ((SELECT last FROM backlog), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, values)
    }

    private static func joined(_ messages: [Message]) -> [UInt8] {
        Array(messages.map(\.json).joined(separator: CollectionOfOne(UInt8(ascii: ","))))
    }

    /// Says to all workers what the file has. Not before the commit, which may fail.
    private static func publish(_ connection: SQLiteConnection, in numbers: SharedNumbers) {
        // Where SQLite cannot even tell, the numbers stay as they were.
        try? connection.run(
            """
            SELECT operations, bytes, (SELECT sessions FROM totals),
            (SELECT recorded_at FROM operations ORDER BY n LIMIT 1) FROM backlog
            """
        ) { row in
            numbers[Number.bytes] = Int(row.integer(1))
            numbers[Number.sessions] = Int(row.integer(2))
            numbers[Number.oldest] = Int(row.integer(3))
            numbers[Number.operations] = Int(row.integer(0))
            return true
        }
    }

    // MARK: What is known

    package func known(of session: SessionID, last: Int?) throws(StoreError) -> KnownSession {
        guard numbers[Number.operations] > 0 else { return .nothing }
        let now = clock.now
        return try database.read { tables throws(StoreError) in
            if let known = try tables.read(session, last: last, at: now) { return .session(known) }
            return try isDeleted(session, tables.connection) ? .deleted : .nothing
        }
    }

    package func holds(_ session: SessionID) throws(StoreError) -> Bool {
        guard numbers[Number.operations] > 0 else { return false }
        return try database.read { tables throws(StoreError) in
            try tables.connection.first(
                "SELECT 1 FROM operations WHERE session = ? LIMIT 1", [.bytes(session.bytes)], read: { _ in true })
                ?? false
        }
    }

    private func isDeleted(_ session: SessionID, _ connection: SQLiteConnection) throws(StoreError) -> Bool {
        try connection.first(
            "SELECT kind FROM operations WHERE session = ? ORDER BY n DESC LIMIT 1", [.bytes(session.bytes)],
            read: { $0.integer(0) == 2 }) ?? false
    }

    package var backlog: Backlog {
        let (operations, bytes) = (numbers[Number.operations], numbers[Number.bytes])
        let oldest = Timestamp(milliseconds: Int64(numbers[Number.oldest]))
        return Backlog(
            operations: operations, bytes: bytes, sessions: numbers[Number.sessions],
            // The last eighth is left for what was let in before it was reached.
            oldest: operations > 0 ? oldest : nil, hasRoom: !database.hasFault && bytes < maxBytes - maxBytes / 8)
    }

    // MARK: Replay

    package func lease() throws(StoreError) -> Lease? {
        guard numbers[Number.operations] > 0 else { return nil }
        return try leases.withLock { leases throws(StoreError) in
            if leases.sessions.isEmpty, !replayLock.tryLock() { return nil }
            defer { if leases.sessions.isEmpty { replayLock.unlock() } }
            guard let session = try nextSession(&leases) else { return nil }
            let operations = try operations(of: session, atMost: Lease.maximumOperations)
            guard !operations.isEmpty else { return nil }
            leases.sessions.insert(session)
            return Lease(session: session, operations: operations)
        }
    }

    /// The next session in the order of what waits of which nobody is in charge, round and round.
    private func nextSession(_ leases: inout Leases) throws(StoreError) -> SessionID? {
        let (start, leased) = (leases.position, leases.sessions)
        var found: (n: Int64, session: SessionID)?
        for range in [(start, Int64.max), (0, start)] where found == nil {
            try database.read { tables throws(StoreError) in
                try tables.connection.run(
                    """
                    SELECT n, session FROM operations AS oldest WHERE n > ? AND n <= ? AND NOT EXISTS
                    (SELECT 1 FROM operations WHERE session = oldest.session AND n < oldest.n) ORDER BY n
                    """, [.integer(range.0), .integer(range.1)]
                ) { row in
                    guard let session = row.withBytes(1, { SessionID($0) }), !leased.contains(session) else { return true }
                    found = (row.integer(0), session)
                    return false
                }
            }
        }
        if let found { leases.position = found.n }
        return found?.session
    }

    private func operations(of session: SessionID, atMost limit: Int) throws(StoreError) -> [Operation] {
        var found: [Operation] = []
        try database.read { tables throws(StoreError) in
            try tables.connection.run(
                """
                SELECT id, kind, taken_at, key, fingerprint, message_count, appended, dropped, updated_at, messages
                FROM operations WHERE session = ? ORDER BY n LIMIT ?
                """, [.bytes(session.bytes), .integer(limit)]
            ) { row in
                found.append(Operation(row, of: session))
                return true
            }
        }
        return found
    }

    package func settle(_ lease: Lease, applied: Int, refusal: StoreError?) throws(StoreError) {
        defer {
            leases.withLock { leases in
                leases.sessions.remove(lease.session)
                if leases.sessions.isEmpty { replayLock.unlock() }
            }
        }
        if applied > 0 { try forget(lease.session, first: applied) }
        // After it, since what is written ends the refusal of what was before it.
        if let refusal { try note(refusal, of: lease.session) }
    }

    /// Writes only what is new: a refused operation is tried again and again.
    private func note(_ refusal: StoreError, of session: SessionID) throws(StoreError) {
        let cause = Array(refusal.reason.utf8)
        let known = try database.read { tables throws(StoreError) in
            try tables.connection.first(
                "SELECT cause FROM refusals WHERE session = ?", [.bytes(session.bytes)], read: { $0.bytes(0) })
        }
        guard known != cause else { return }
        try database.write { tables throws(StoreError) in
            try tables.connection.run(
                "INSERT OR REPLACE INTO refusals VALUES (?, CAST(? AS TEXT))", [.bytes(session.bytes), .bytes(cause)])
        }
    }

    /// Removes a session's first operations, and with the last also what is known of the session.
    private func forget(_ session: SessionID, first wanted: Int) throws(StoreError) {
        let now = clock.now
        try database.write { tables throws(StoreError) in
            var (count, bytes) = (0, 0)
            try tables.connection.run(
                """
                DELETE FROM operations WHERE n IN (SELECT n FROM operations WHERE session = ? ORDER BY n LIMIT ?)
                RETURNING bytes
                """, [.bytes(session.bytes), .integer(wanted)]
            ) { row in
                count += 1
                bytes += Int(row.integer(0))
                return true
            }
            try tables.connection.run(
                "UPDATE backlog SET operations = operations - ?, bytes = bytes - ?", [.integer(count), .integer(bytes)])
            try tables.connection.run("DELETE FROM refusals WHERE session = ?", [.bytes(session.bytes)])
            let isLast = try tables.connection.first(
                "SELECT 1 FROM operations WHERE session = ? LIMIT 1", [.bytes(session.bytes)], read: { _ in true }) == nil
            if isLast { _ = try tables.delete(session, at: now) }
        }
    }

    // MARK: For operators

    /// A session of which operations wait.
    package struct Waiting: Sendable {
        package let session: SessionID
        package let operations: Int
        package let bytes: Int
        /// When the oldest was recorded.
        package let oldest: Timestamp
        /// Why the primary does not take it; nil where it was not asked yet, or could not be.
        package let refusal: String?
    }

    /// The sessions of which operations wait, those that have waited longest first. Throws `.unavailable`, `.failed`.
    package func waiting(atMost limit: Int) throws(StoreError) -> [Waiting] {
        try database.read { tables throws(StoreError) in
            var found: [Waiting] = []
            try tables.connection.run(
                """
                SELECT operations.session, count(*), sum(bytes), min(recorded_at), cause FROM operations
                LEFT JOIN refusals USING (session) GROUP BY operations.session ORDER BY min(n) LIMIT ?
                """, [.integer(limit)]
            ) { row in
                guard let session = row.withBytes(0, { SessionID($0) }) else { return true }
                found.append(
                    Waiting(
                        session: session, operations: Int(row.integer(1)), bytes: Int(row.integer(2)),
                        oldest: Timestamp(milliseconds: row.integer(3)),
                        refusal: row.isNull(4) ? nil : String(decoding: row.bytes(4), as: UTF8.self)))
                return true
            }
            return found
        }
    }

    /// Takes a session's operations out of what waits, all that there are. Throws `.unavailable`, `.failed`.
    /// - Parameter keep: is given them, in their order, and throws where they cannot be kept elsewhere: nothing is
    ///   removed then.
    /// - Returns: how many there were.
    package func setAside(_ session: SessionID, keep: ([Operation]) throws -> Void) throws -> Int {
        // Nobody replays meanwhile.
        try replayLock.lock(within: patience)
        defer { replayLock.unlock() }
        let waiting = try operations(of: session, atMost: .max)
        try keep(waiting)
        if !waiting.isEmpty { try forget(session, first: waiting.count) }
        return waiting.count
    }
}

extension Operation {
    /// About what the operation takes up in the file.
    fileprivate var recordedBytes: Int { 256 + session.bytes.count + byteCount }

    /// An operation as a row has it.
    fileprivate init(_ row: SQLiteConnection.Row, of session: SessionID) {
        let change: Change
        var told: Outcome?
        switch row.integer(1) {
        case 0:
            let key = row.isNull(3)
                ? nil
                : IdempotencyKey(key: String(decoding: row.bytes(3), as: UTF8.self), fingerprint: row.integer(4))
            change = .append(Self.messages(row.bytes(9)), key: key)
            var outcome = Outcome(existed: true)
            outcome.messageCount = Int(row.integer(5))
            outcome.appended = Int(row.integer(6))
            outcome.dropped = Int(row.integer(7))
            outcome.updatedAt = Timestamp(milliseconds: row.integer(8))
            outcome.isPartial = true
            told = outcome
        case 1: change = .replace(Self.messages(row.bytes(9)), .none)
        default: change = .delete
        }
        self.init(
            OperationID(bytes: row.bytes(0)), of: session, change,
            takenAt: row.isNull(2) ? nil : Timestamp(milliseconds: row.integer(2)), outcomeTold: told)
    }

    private static func messages(_ joined: [UInt8]) -> [Message] {
        var reader = JSONReader(joined)
        // What was recorded was checked before.
        guard let values = try? reader.readSequence() else { preconditionFailure("a recorded message is not JSON") }
        return values.map { Message($0, from: reader) }
    }
}
