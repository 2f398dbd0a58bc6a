import System
import Text

/// The tables that sessions are kept in, over one connection, and the changes to them. Whoever calls has begun a
/// transaction that writes, or asks only one question.
///
/// One row a message, clustered by an integer: `place` is `number << 27 | position`. A session gets a number when it is
/// made, or made afresh after its time, and never one that another has had; `first` and `next` are places, so that their
/// difference is how many messages there are. `next` is the session's version: it grows with every change.
struct SessionTables {
    let connection: SQLiteConnection
    let limits: StoreLimits
    /// See `Outcome.isPartial`.
    var isPartial = false

    static let schema = """
        CREATE TABLE sessions (id BLOB NOT NULL PRIMARY KEY, first INTEGER NOT NULL, next INTEGER NOT NULL,
            bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX sessions_by_update ON sessions(updated_at);
        CREATE TABLE messages (place INTEGER PRIMARY KEY, json BLOB NOT NULL) STRICT;
        CREATE TABLE keys (place INTEGER PRIMARY KEY, key BLOB NOT NULL, fingerprint INTEGER NOT NULL,
            message_count INTEGER NOT NULL, appended INTEGER NOT NULL, dropped INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, partial INTEGER NOT NULL) STRICT;
        """

    fileprivate static let positionBits = 27
    private static let positions = Int64(1) << positionBits

    /// A session's row.
    fileprivate struct Row {
        var first: Int64
        var next: Int64
        var bytes: Int
        var createdAt: Timestamp
        var updatedAt: Timestamp

        var count: Int { Int(next - first) }

        /// The places of the session's number.
        var places: (first: Int64, last: Int64) {
            let number = (next - 1) >> positionBits
            return (number << positionBits, (number + 1) << positionBits - 1)
        }
    }

    // MARK: Changes

    func apply(_ operation: Operation, at now: Timestamp) throws(StoreError) -> Outcome {
        switch operation.change {
        case .append(let messages, let key): try append(messages, key, to: operation.session, at: now)
        case .replace(let messages, let condition): try replace(operation.session, messages, condition, at: now)
        case .delete: Outcome(existed: try delete(operation.session, at: now))
        }
    }

    private func append(
        _ messages: [Message], _ key: IdempotencyKey?, to id: SessionID, at now: Timestamp
    ) throws(StoreError) -> Outcome {
        let old = try row(of: id, at: now)
        if let key, let old, let known = try outcome(of: key, in: old) { return known }
        let kept = try admit(messages)
        var row = try withRoom(for: messages.count, try row(old, id, at: now))
        let before = row.count
        // Those that would be dropped again at once are not written, nor is anything that is older.
        let isOverfull = kept.count < messages.count
        if isOverfull { try drop(&row, keeping: 0) }
        try insert(kept, &row, skipping: messages.count - kept.count)
        try drop(&row, keeping: limits.maxMessages)
        try dropBytes(&row)
        row.updatedAt = now
        try write(row, id, isNew: old == nil)
        var outcome = Outcome(row, existed: old != nil)
        outcome.isPartial = isPartial
        outcome.appended = messages.count
        outcome.dropped = before + messages.count - row.count
        if let key { try remember(outcome, of: key, in: row) }
        return outcome
    }

    private func replace(
        _ id: SessionID, _ messages: [Message], _ condition: Condition, at now: Timestamp
    ) throws(StoreError) -> Outcome {
        let old = try row(of: id, at: now)
        guard condition.holds(for: old.map { Session($0, id) }) else { throw .conditionFailed }
        let kept = try admit(messages)
        var row = try withRoom(for: max(1, kept.count), try row(old, id, at: now))
        try drop(&row, keeping: 0)
        // A replacement by nothing is a change, too, and takes a place.
        try insert(kept, &row, skipping: kept.isEmpty ? 1 : 0)
        row.updatedAt = now
        try write(row, id, isNew: old == nil)
        var outcome = Outcome(row, existed: old != nil)
        outcome.isPartial = isPartial
        for message in kept {
            if !outcome.messages.isEmpty { outcome.messages.append(UInt8(ascii: ",")) }
            outcome.messages += message.json
        }
        return outcome
    }

    /// Whether there was a session whose time was not over.
    func delete(_ id: SessionID, at now: Timestamp) throws(StoreError) -> Bool {
        guard let row = try anyRow(of: id) else { return false }
        try remove(id, row)
        return !isExpired(row.updatedAt, at: now)
    }

    /// Deletes sessions that were not updated since a time, at most so many. Returns how many those were.
    func delete(updatedBefore cutoff: Timestamp, atMost count: Int) throws(StoreError) -> Int {
        var found: [SessionID] = []
        try connection.run(
            "SELECT id FROM sessions WHERE updated_at < ? ORDER BY updated_at LIMIT ?",
            [.integer(cutoff.milliseconds), .integer(count)]
        ) { row in
            if let id = row.withBytes(0, { SessionID($0) }) { found.append(id) }
            return true
        }
        for id in found {
            if let row = try anyRow(of: id) { try remove(id, row) }
        }
        // Gives the file system back what nothing is in any more.
        if !found.isEmpty { try connection.execute("PRAGMA incremental_vacuum(1000)") }
        return found.count
    }

    // MARK: Questions

    /// A session with its newest messages, in one statement and so of one moment.
    func read(_ id: SessionID, last: Int?, at now: Timestamp) throws(StoreError) -> Session? {
        var found: Row?
        var messages: [UInt8] = []
        try connection.run(
            """
            SELECT first, next, bytes, created_at, updated_at, json FROM sessions LEFT JOIN messages
            ON place >= max(first, next - ?) AND place < next WHERE id = ? ORDER BY place
            """, [.integer(last ?? .max >> 1), .bytes(id.bytes)]
        ) { row in
            if found == nil {
                found = Row(row)
                messages.reserveCapacity(last == nil ? found!.bytes + found!.count : 0)
            }
            guard !row.isNull(5) else { return true }
            if !messages.isEmpty { messages.append(UInt8(ascii: ",")) }
            row.withBytes(5) { messages.append(contentsOf: $0) }
            return true
        }
        guard let found, !isExpired(found.updatedAt, at: now) else { return nil }
        return Session(found, id, messages: messages)
    }

    func list(limit: Int, after cursor: SessionCursor?, at now: Timestamp) throws(StoreError) -> SessionPage {
        var sessions: [SessionSummary] = []
        let end = limits.ttlSeconds > 0 ? now.advanced(bySeconds: -limits.ttlSeconds).milliseconds : .min
        // One more than a page tells whether there is a next one.
        try connection.run(
            """
            SELECT id, next - first, created_at, updated_at FROM sessions
            WHERE (updated_at, id) < (?, ?) AND updated_at > ? ORDER BY updated_at DESC, id DESC LIMIT ?
            """,
            [
                .integer(cursor?.updatedAt.milliseconds ?? .max), .bytes(cursor?.id.bytes ?? []), .integer(end),
                .integer(limit + 1),
            ]
        ) { row in
            if let id = row.withBytes(0, { SessionID($0) }) {
                sessions.append(
                    SessionSummary(
                        id: id, messageCount: Int(row.integer(1)), createdAt: Timestamp(milliseconds: row.integer(2)),
                        updatedAt: Timestamp(milliseconds: row.integer(3))))
            }
            return true
        }
        let page = Array(sessions.prefix(limit))
        return SessionPage(sessions: page, next: sessions.count > limit ? page.last?.cursor : nil)
    }

    /// How many sessions there are, whether or not their time is over.
    func count() throws(StoreError) -> Int {
        try connection.first("SELECT sessions FROM totals", read: { Int($0.integer(0)) }) ?? 0
    }

    func oldestUpdate() throws(StoreError) -> Timestamp? {
        try connection.first(
            "SELECT updated_at FROM sessions ORDER BY updated_at LIMIT 1",
            read: { Timestamp(milliseconds: $0.integer(0)) })
    }

    /// How many sessions were not updated since a time.
    func count(updatedBefore cutoff: Timestamp) throws(StoreError) -> Int {
        try connection.first(
            "SELECT count(*) FROM sessions WHERE updated_at < ?", [.integer(cutoff.milliseconds)],
            read: { Int($0.integer(0)) }) ?? 0
    }

    func isExpired(_ updatedAt: Timestamp, at now: Timestamp) -> Bool {
        limits.ttlSeconds > 0 && updatedAt.advanced(bySeconds: limits.ttlSeconds) <= now
    }

    // MARK: Rows

    private func anyRow(of id: SessionID) throws(StoreError) -> Row? {
        try connection.first(
            "SELECT first, next, bytes, created_at, updated_at FROM sessions WHERE id = ?", [.bytes(id.bytes)],
            read: Row.init)
    }

    /// Nil where there is no session, or its time is over.
    private func row(of id: SessionID, at now: Timestamp) throws(StoreError) -> Row? {
        guard let row = try anyRow(of: id), !isExpired(row.updatedAt, at: now) else { return nil }
        return row
    }

    /// The row that there is, or that of a session without messages under a number of its own, in the place of one whose
    /// time is over.
    private func row(_ old: Row?, _ id: SessionID, at now: Timestamp) throws(StoreError) -> Row {
        if let old { return old }
        if let expired = try anyRow(of: id) { try remove(id, expired) }
        let place = try newNumber() << Self.positionBits + 1
        return Row(first: place, next: place, bytes: 0, createdAt: now, updatedAt: now)
    }

    private func newNumber() throws(StoreError) -> Int64 {
        let number = try connection.first(
            "UPDATE totals SET next_number = next_number + 1 RETURNING next_number", read: { $0.integer(0) })
        guard let number else { throw .failed(reason: "the file has lost its totals") }
        return number
    }

    /// The row with places left for so many messages. A session that has used up those of its number, after a hundred
    /// million changes, gets a new one.
    private func withRoom(for count: Int, _ row: Row) throws(StoreError) -> Row {
        guard (row.next - 1) & (Self.positions - 1) + Int64(count) >= Self.positions - 1 else { return row }
        var new = row
        let (base, places) = (try newNumber() << Self.positionBits, row.places)
        // The remembered keys come before the messages, as they did.
        new.first = base + Int64(StoreLimits.rememberedKeys) + 2
        new.next = new.first + Int64(row.count)
        try connection.run(
            "UPDATE messages SET place = place + ? WHERE place >= ? AND place < ?",
            [.integer(new.first - row.first), .integer(row.first), .integer(row.next)])
        let range: [SQLiteConnection.Value] = [.integer(base), .integer(places.first), .integer(places.last)]
        try connection.run(
            """
            INSERT INTO keys SELECT ?1 + row_number() OVER (ORDER BY place), key, fingerprint, message_count, appended,
            dropped, updated_at, partial FROM keys WHERE place >= ?2 AND place <= ?3
            """, range)
        try connection.run("DELETE FROM keys WHERE place >= ? AND place <= ?", Array(range.dropFirst()))
        return new
    }

    private func write(_ row: Row, _ id: SessionID, isNew: Bool) throws(StoreError) {
        if isNew {
            try connection.run(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
                [
                    .bytes(id.bytes), .integer(row.first), .integer(row.next), .integer(row.bytes),
                    .integer(row.createdAt.milliseconds), .integer(row.updatedAt.milliseconds),
                ])
            try connection.run("UPDATE totals SET sessions = sessions + 1")
        } else {
            try connection.run(
                "UPDATE sessions SET first = ?, next = ?, bytes = ?, updated_at = ? WHERE id = ?",
                [
                    .integer(row.first), .integer(row.next), .integer(row.bytes),
                    .integer(row.updatedAt.milliseconds), .bytes(id.bytes),
                ])
        }
    }

    private func remove(_ id: SessionID, _ row: Row) throws(StoreError) {
        let places = row.places
        let range: [SQLiteConnection.Value] = [.integer(places.first), .integer(places.last)]
        try connection.run("DELETE FROM messages WHERE place >= ? AND place <= ?", range)
        try connection.run("DELETE FROM keys WHERE place >= ? AND place <= ?", range)
        try connection.run("DELETE FROM sessions WHERE id = ?", [.bytes(id.bytes)])
        try connection.run("UPDATE totals SET sessions = sessions - 1")
    }

    // MARK: Messages

    /// The newest of the messages that a session may hold. Throws `.tooLarge` where one is larger than a whole session
    /// may be.
    private func admit(_ messages: [Message]) throws(StoreError) -> ArraySlice<Message> {
        guard messages.allSatisfy({ $0.json.count <= limits.maxSessionBytes }) else {
            throw .tooLarge(limit: limits.maxSessionBytes)
        }
        var (first, bytes) = (messages.endIndex, 0)
        while first > 0, messages.count - first < limits.maxMessages {
            bytes += messages[first - 1].json.count
            guard bytes <= limits.maxSessionBytes else { break }
            first -= 1
        }
        return messages[first...]
    }

    private func insert(_ messages: ArraySlice<Message>, _ row: inout Row, skipping count: Int) throws(StoreError) {
        row.next += Int64(count)
        if count > 0 { row.first = row.next }
        for message in messages {
            try connection.run(
                "INSERT INTO messages VALUES (?, ?)", [.integer(row.next), .bytes(message.json)])
            row.next += 1
            row.bytes += message.json.count
        }
    }

    /// Drops the oldest messages beyond so many.
    private func drop(_ row: inout Row, keeping count: Int) throws(StoreError) {
        guard row.count > count else { return }
        let first = row.next - Int64(count)
        var bytes = 0
        try connection.run(
            "DELETE FROM messages WHERE place >= ? AND place < ? RETURNING length(json)",
            [.integer(row.first), .integer(first)]
        ) { deleted in
            bytes += Int(deleted.integer(0))
            return true
        }
        row.bytes -= bytes
        row.first = first
    }

    /// Drops the oldest messages until the rest are small enough together; the newest always stays.
    private func dropBytes(_ row: inout Row) throws(StoreError) {
        guard row.bytes > limits.maxSessionBytes else { return }
        var (excess, dropped) = (row.bytes - limits.maxSessionBytes, 0)
        try connection.run(
            "SELECT length(json) FROM messages WHERE place >= ? AND place < ? ORDER BY place",
            [.integer(row.first), .integer(row.next - 1)]
        ) { message in
            excess -= Int(message.integer(0))
            dropped += 1
            return excess > 0
        }
        try drop(&row, keeping: row.count - dropped)
    }

    // MARK: Idempotency keys

    /// What the first use of a key was told, as a repetition.
    private func outcome(of key: IdempotencyKey, in row: Row) throws(StoreError) -> Outcome? {
        let places = row.places
        var isReused = false
        let outcome = try connection.first(
            """
            SELECT fingerprint, message_count, appended, dropped, updated_at, partial FROM keys
            WHERE place >= ? AND place <= ? AND key = ?
            """, [.integer(places.first), .integer(places.last), .bytes(Array(key.key.utf8))]
        ) { found in
            isReused = found.integer(0) != key.fingerprint
            var outcome = Outcome(row, existed: true)
            outcome.messageCount = Int(found.integer(1))
            outcome.appended = Int(found.integer(2))
            outcome.dropped = Int(found.integer(3))
            outcome.updatedAt = Timestamp(milliseconds: found.integer(4))
            outcome.isPartial = found.integer(5) != 0
            outcome.isReplay = true
            return outcome
        }
        if isReused { throw .keyReused }
        return outcome
    }

    private func remember(_ outcome: Outcome, of key: IdempotencyKey, in row: Row) throws(StoreError) {
        let places = row.places
        try connection.run(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(row.next - 1), .bytes(Array(key.key.utf8)), .integer(key.fingerprint),
                .integer(outcome.messageCount), .integer(outcome.appended), .integer(outcome.dropped),
                .integer(outcome.updatedAt.milliseconds), .integer(outcome.isPartial ? 1 : 0),
            ])
        try connection.run(
            """
            DELETE FROM keys WHERE place >= ?1 AND place <=
            (SELECT place FROM keys WHERE place >= ?1 AND place <= ?2 ORDER BY place DESC LIMIT 1 OFFSET ?3)
            """, [.integer(places.first), .integer(places.last), .integer(StoreLimits.rememberedKeys)])
    }
}

extension SessionTables.Row {
    fileprivate init(_ row: SQLiteConnection.Row) {
        self.init(
            first: row.integer(0), next: row.integer(1), bytes: Int(row.integer(2)),
            createdAt: Timestamp(milliseconds: row.integer(3)), updatedAt: Timestamp(milliseconds: row.integer(4)))
    }
}

extension Session {
    fileprivate init(_ row: SessionTables.Row, _ id: SessionID, messages: [UInt8] = []) {
        self.init(
            id: id, messages: messages, messageCount: row.count, createdAt: row.createdAt, updatedAt: row.updatedAt,
            version: row.next)
    }
}

extension Outcome {
    fileprivate init(_ row: SessionTables.Row, existed: Bool) {
        self.init(existed: existed)
        messageCount = row.count
        createdAt = row.createdAt
        updatedAt = row.updatedAt
        version = row.next
    }
}
