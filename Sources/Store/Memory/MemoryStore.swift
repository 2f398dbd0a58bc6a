import Synchronization
import System

/// Sessions in this process's memory: fast, bounded, and gone with the process.
package final class MemoryStore: SessionStore {
    /// What happens when the store has no room for what it is given.
    package enum WhenFull: Sendable {
        /// The least recently updated sessions go first.
        case evictLeastRecentlyUpdated
        /// Writes throw `.full`.
        case refuse
    }

    private final class Shard: Sendable {
        let sessions = Mutex(MemoryShard())
        /// The version of the shard's least recently updated session, to find the store's without locking all.
        let oldestVersion = Atomic<UInt64>(.max)
        /// When that session was updated, and how many there are, for those who only count.
        let oldestUpdate = Atomic<Int64>(.max)
        let count = Atomic<Int>(0)
    }

    private static let shardCount = 32

    private let limits: StoreLimits
    private let maxBytes: Int
    private let whenFull: WhenFull
    private let clock: any WallClock
    private let shards: [Shard]
    private let usedBytes = Atomic<Int>(0)
    private let lastVersion = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - maxBytes: the most bytes that all sessions take up together, with all that keeping them needs. A
    ///     single session is held to a quarter of it.
    ///   - clock: what expiry and dates are measured by.
    package init(
        limits: StoreLimits, maxBytes: Int, whenFull: WhenFull = .evictLeastRecentlyUpdated,
        clock: some WallClock = SystemClock()
    ) {
        var limits = limits
        limits.maxSessionBytes = min(limits.maxSessionBytes, maxBytes / 4)
        self.limits = limits
        self.maxBytes = maxBytes
        self.whenFull = whenFull
        self.clock = clock
        shards = (0..<Self.shardCount).map { _ in Shard() }
    }

    package func apply(_ operation: Operation) throws(StoreError) -> Outcome {
        let id = operation.session
        switch operation.change {
        case .append(let messages, let key):
            return try update(id, adding: messages) { entry, isNew, now throws(StoreError) in
                if let key, let first = try entry.outcome(of: key) { return first }
                let dropped = entry.log.append(messages, limits: limits)
                entry.touch(at: now, version: nextVersion())
                var outcome = entry.outcome(existed: !isNew)
                outcome.appended = messages.count
                outcome.dropped = dropped
                if let key { entry.remember(outcome, of: key) }
                return outcome
            }
        case .replace(let messages, let condition):
            return try update(id, adding: messages) { entry, isNew, now throws(StoreError) in
                guard condition.holds(for: isNew ? nil : Session(entry, last: 0)) else { throw .conditionFailed }
                entry.log = MessageLog()
                _ = entry.log.append(messages, limits: limits)
                entry.touch(at: now, version: nextVersion())
                var outcome = entry.outcome(existed: !isNew)
                outcome.messages = entry.log.joined(last: nil)
                return outcome
            }
        case .delete:
            return Outcome(existed: delete(id))
        }
    }

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? {
        let now = clock.now
        let entry = shard(of: id).sessions.withLock { $0[id] }
        guard let entry, !isExpired(entry.updatedAt, at: now) else { return nil }
        return Session(entry, last: last)
    }

    /// Whether there was a session that had not expired.
    private func delete(_ id: SessionID) -> Bool {
        let now = clock.now
        let shard = shard(of: id)
        return shard.sessions.withLock { sessions in
            defer { publish(sessions, in: shard) }
            return remove(id, from: &sessions).map { !isExpired($0.updatedAt, at: now) } ?? false
        }
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        let now = clock.now
        let cutoff = now.advanced(bySeconds: -days * 86_400)
        var found = 0
        for shard in shards {
            shard.sessions.withLock { sessions in
                removeExpired(from: &sessions, at: now)
                var old: [SessionID] = []
                sessions.visitFromNewest { entry in
                    if entry.updatedAt < cutoff { old.append(entry.id) }
                    return true
                }
                found += old.count
                if !dryRun { for id in old { remove(id, from: &sessions) } }
                publish(sessions, in: shard)
            }
        }
        return found
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        let now = clock.now
        var found: [SessionSummary] = []
        for shard in shards {
            var taken: [SessionSummary] = []
            shard.sessions.withLock { sessions in
                sessions.visitFromNewest { entry in
                    // One more than a page tells whether there is a next one; behind it only equal dates matter.
                    if taken.count > limit, entry.updatedAt < taken[taken.count - 1].updatedAt { return false }
                    let summary = SessionSummary(entry)
                    if !isExpired(entry.updatedAt, at: now), cursor.map(summary.isBehind) ?? true { taken.append(summary) }
                    return true
                }
            }
            found += taken
        }
        found.sort { $1.isBehind($0.cursor) }
        let page = Array(found.prefix(limit))
        return SessionPage(sessions: page, next: found.count > limit ? page.last?.cursor : nil)
    }

    package var status: StoreStatus {
        let now = clock.now
        var count = 0
        for shard in shards {
            let oldest = Timestamp(milliseconds: shard.oldestUpdate.load(ordering: .relaxed))
            if oldest.milliseconds != .max, isExpired(oldest, at: now) {
                shard.sessions.withLock { sessions in
                    removeExpired(from: &sessions, at: now)
                    publish(sessions, in: shard)
                }
            }
            count += shard.count.load(ordering: .relaxed)
        }
        return StoreStatus(
            kind: .memory, primary: .notConfigured, activeSessions: count, ttlSeconds: limits.ttlSeconds,
            isReady: whenFull == .evictLeastRecentlyUpdated || usedBytes.load(ordering: .relaxed) < maxBytes)
    }

    package var kind: StoreKind { .memory }

    // MARK: Changing a session

    /// Changes a living session or a new one, and then makes room for what was added. A change that throws
    /// leaves no trace.
    private func update(
        _ id: SessionID, adding messages: [Message],
        _ body: (inout MemoryShard.Entry, _ isNew: Bool, _ now: Timestamp) throws(StoreError) -> Outcome
    ) throws(StoreError) -> Outcome {
        var size = 0
        for message in messages {
            guard message.json.count <= limits.maxSessionBytes else { throw .tooLarge(limit: limits.maxSessionBytes) }
            size += message.json.count
        }
        // A log's room doubles as it grows.
        if whenFull == .refuse, usedBytes.load(ordering: .relaxed) + 2 * size > maxBytes { throw .full }

        let now = clock.now
        let shard = shard(of: id)
        let outcome = try shard.sessions.withLock { sessions throws(StoreError) in
            defer { publish(sessions, in: shard) }
            removeExpired(from: &sessions, at: now)
            // Where the clock went back, an expired session need not be at the end of the order.
            if let updatedAt = sessions.updatedAt(of: id), isExpired(updatedAt, at: now) { remove(id, from: &sessions) }
            let (outcome, growth) = try sessions.update(id, now: now) { entry, isNew throws(StoreError) in
                try body(&entry, isNew, now)
            }
            usedBytes.add(growth, ordering: .relaxed)
            return outcome
        }
        if whenFull == .evictLeastRecentlyUpdated { evict(sparing: id) }
        return outcome
    }

    /// Removes the least recently updated sessions of all until the bound is kept.
    private func evict(sparing id: SessionID) {
        while usedBytes.load(ordering: .relaxed) > maxBytes {
            let candidates = shards.map { (shard: $0, version: $0.oldestVersion.load(ordering: .relaxed)) }
            guard let (shard, version) = candidates.min(by: { $0.version < $1.version }), version != .max else { return }
            let isDone = shard.sessions.withLock { sessions in
                defer { publish(sessions, in: shard) }
                guard let oldest = sessions.oldest else { return false }
                if oldest.id == id { return true }
                // Another thread may have been here first.
                if oldest.version == version { remove(oldest.id, from: &sessions) }
                return false
            }
            if isDone { return }
        }
    }

    private func removeExpired(from sessions: inout MemoryShard, at now: Timestamp) {
        while let oldest = sessions.oldest, isExpired(oldest.updatedAt, at: now) { remove(oldest.id, from: &sessions) }
    }

    @discardableResult
    private func remove(_ id: SessionID, from sessions: inout MemoryShard) -> MemoryShard.Entry? {
        guard let removed = sessions.remove(id) else { return nil }
        usedBytes.subtract(removed.footprint, ordering: .relaxed)
        return removed
    }

    private func isExpired(_ updatedAt: Timestamp, at now: Timestamp) -> Bool {
        limits.ttlSeconds > 0 && updatedAt.advanced(bySeconds: limits.ttlSeconds) <= now
    }

    private func publish(_ sessions: MemoryShard, in shard: Shard) {
        let oldest = sessions.oldest
        shard.oldestVersion.store(oldest?.version ?? .max, ordering: .relaxed)
        shard.oldestUpdate.store(oldest?.updatedAt.milliseconds ?? .max, ordering: .relaxed)
        shard.count.store(sessions.count, ordering: .relaxed)
    }

    private func nextVersion() -> UInt64 { lastVersion.add(1, ordering: .relaxed).newValue }

    private func shard(of id: SessionID) -> Shard {
        shards[Int(UInt(bitPattern: id.hashValue) % UInt(Self.shardCount))]
    }
}

extension MemoryShard.Entry {
    fileprivate mutating func touch(at now: Timestamp, version: UInt64) {
        updatedAt = now
        self.version = version
    }

    fileprivate func outcome(existed: Bool) -> Outcome {
        var outcome = Outcome(existed: existed)
        outcome.messageCount = log.count
        outcome.createdAt = createdAt
        outcome.updatedAt = updatedAt
        outcome.version = Int64(version)
        return outcome
    }

    /// What a repetition of a key is told: what the first use was told, and beside it how the session is now.
    fileprivate func outcome(of key: IdempotencyKey) throws(StoreError) -> Outcome? {
        guard let known = keys.first(where: { $0.key.key == key.key }) else { return nil }
        guard known.key.fingerprint == key.fingerprint else { throw .keyReused }
        var outcome = outcome(existed: true)
        outcome.messageCount = known.outcome.messageCount
        outcome.appended = known.outcome.appended
        outcome.dropped = known.outcome.dropped
        outcome.updatedAt = known.outcome.updatedAt
        outcome.isReplay = true
        return outcome
    }

    fileprivate mutating func remember(_ outcome: Outcome, of key: IdempotencyKey) {
        if keys.count >= StoreLimits.rememberedKeys { keys.removeFirst() }
        keys.append(MemoryShard.KeyRecord(key: key, outcome: outcome))
    }
}

extension Session {
    fileprivate init(_ entry: MemoryShard.Entry, last: Int?) {
        self.init(
            id: entry.id, messages: entry.log.joined(last: last), messageCount: entry.log.count,
            createdAt: entry.createdAt, updatedAt: entry.updatedAt, version: Int64(entry.version))
    }
}

extension SessionSummary {
    fileprivate init(_ entry: MemoryShard.Entry) {
        self.init(id: entry.id, messageCount: entry.log.count, createdAt: entry.createdAt, updatedAt: entry.updatedAt)
    }
}
