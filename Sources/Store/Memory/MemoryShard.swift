import System

/// One part of a `MemoryStore`: its sessions, in the order of their last update.
///
/// Sessions live in one array and are chained by their indexes, so that the order costs no allocation and a
/// chain of a million sessions is let go without a million nested calls.
struct MemoryShard: Sendable {
    struct Entry: Sendable {
        var id: SessionID
        var log = MessageLog()
        var createdAt: Timestamp
        var updatedAt: Timestamp
        /// When it was last updated, in the store's own count of changes.
        var version: UInt64 = 0
        var keys: [KeyRecord] = []
        fileprivate var older: Int?
        fileprivate var newer: Int?

        init(id: SessionID, now: Timestamp) {
            self.id = id
            createdAt = now
            updatedAt = now
        }

        /// The bytes that the session takes up: its arrays, their headers, and its places in the shard's own
        /// tables at the load that those have on average.
        var footprint: Int {
            let tables = MemoryLayout<Entry>.stride * 3 / 2 + 80
            let headers = 4 * 48
            return tables + headers + id.bytes.count + log.allocatedBytes + keys.capacity * KeyRecord.footprint
        }
    }

    struct KeyRecord: Sendable {
        let key: IdempotencyKey
        let outcome: Outcome

        /// A key of up to 128 characters is a string on the heap.
        static let footprint = MemoryLayout<KeyRecord>.stride + 160
    }

    private var index: [SessionID: Int] = [:]
    private var entries: [Entry?] = []
    private var free: [Int] = []
    private var oldestSlot: Int?
    private var newestSlot: Int?

    var count: Int { index.count }

    /// The session that was updated least recently.
    var oldest: (id: SessionID, updatedAt: Timestamp, version: UInt64)? {
        oldestSlot.map { (entries[$0]!.id, entries[$0]!.updatedAt, entries[$0]!.version) }
    }

    subscript(id: SessionID) -> Entry? { index[id].flatMap { entries[$0] } }

    func updatedAt(of id: SessionID) -> Timestamp? { index[id].flatMap { entries[$0]?.updatedAt } }

    /// Changes a session, or a new one of that id, and makes it the newest if its version has changed; a change that
    /// throws must not have changed anything. Returns by how many bytes the shard has grown.
    mutating func update(
        _ id: SessionID, now: Timestamp, _ body: (inout Entry, _ isNew: Bool) throws(StoreError) -> Outcome
    ) throws(StoreError) -> (outcome: Outcome, growth: Int) {
        if let slot = index[id] {
            let (before, version) = (entries[slot]!.footprint, entries[slot]!.version)
            let outcome = try body(&entries[slot]!, false)
            // A repetition changes nothing, and must not put the session out of the order of updates.
            if entries[slot]!.version != version {
                unlink(slot)
                linkAsNewest(slot)
            }
            return (outcome, entries[slot]!.footprint - before)
        }
        var entry = Entry(id: id, now: now)
        let outcome = try body(&entry, true)
        let growth = entry.footprint
        let slot = free.popLast() ?? entries.count
        if slot == entries.count { entries.append(entry) } else { entries[slot] = entry }
        index[id] = slot
        linkAsNewest(slot)
        return (outcome, growth)
    }

    /// Removes a session and returns it.
    @discardableResult
    mutating func remove(_ id: SessionID) -> Entry? {
        guard let slot = index.removeValue(forKey: id) else { return nil }
        unlink(slot)
        free.append(slot)
        defer { entries[slot] = nil }
        return entries[slot]
    }

    /// Visits sessions from the one updated last, until told to stop by false.
    func visitFromNewest(_ visit: (Entry) -> Bool) {
        var next = newestSlot
        while let slot = next, let entry = entries[slot] {
            guard visit(entry) else { return }
            next = entry.older
        }
    }

    private mutating func linkAsNewest(_ slot: Int) {
        entries[slot]!.older = newestSlot
        entries[slot]!.newer = nil
        if let newestSlot { entries[newestSlot]!.newer = slot } else { oldestSlot = slot }
        newestSlot = slot
    }

    private mutating func unlink(_ slot: Int) {
        let (older, newer) = (entries[slot]!.older, entries[slot]!.newer)
        if let older { entries[older]!.newer = newer } else { oldestSlot = newer }
        if let newer { entries[newer]!.older = older } else { newestSlot = older }
    }
}
