import Synchronization
import System

/// Sessions in a file of this host's, shared by its workers: they live through restarts, and what is acknowledged is on the
/// disk.
package final class SQLiteStore: SessionStore {
    let database: SQLiteDatabase
    private let limits: StoreLimits
    private let clock: any WallClock
    private let count = Atomic<Int>(0)
    private let threads = Threads()
    private let wakeup = Wakeup()
    private let isClosing = Atomic<Bool>(false)

    /// How many sessions are deleted at once, so that nobody waits long behind it.
    private static let deletedAtOnce = 256

    /// Opens `sessions.sqlite` in a folder, and makes it where there is none. Throws in words for an operator.
    /// - Parameter clock: what expiry and dates are measured by.
    package init(
        in directory: StateDirectory, limits: StoreLimits, clock: some WallClock = SystemClock()
    ) throws(StateDirectoryError) {
        database = try SQLiteDatabase(SQLiteFile("sessions.sqlite", in: directory), limits: limits)
        self.limits = limits
        self.clock = clock
    }

    /// Begins to delete expired sessions in the background. Throws where the system has no thread to give.
    package func start() throws(SystemCallError) {
        try threads.start { [self] in
            while !isClosing.load(ordering: .acquiring) {
                tidy()
                wakeup.wait(for: .seconds(1))
            }
        }
    }

    /// Ends the background work and waits for it.
    package func close() {
        isClosing.store(true, ordering: .releasing)
        wakeup.signal()
        threads.join()
    }

    // MARK: Sessions

    package func apply(_ operation: Operation) throws(StoreError) -> Outcome {
        let now = clock.now
        return try database.write(bytes: operation.byteCount) { [self] tables throws(StoreError) in
            let outcome = try tables.apply(operation, at: now)
            count.store(try tables.count(), ordering: .relaxed)
            return outcome
        }
    }

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? {
        let now = clock.now
        return try database.read { tables throws(StoreError) in try tables.read(id, last: last, at: now) }
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        let now = clock.now
        return try database.read { tables throws(StoreError) in
            try tables.list(limit: limit, after: cursor, at: now)
        }
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        let cutoff = clock.now.advanced(bySeconds: -days * 86_400)
        if dryRun {
            return try database.read { tables throws(StoreError) in try tables.count(updatedBefore: cutoff) }
        }
        return try delete(updatedBefore: cutoff, progress: progress)
    }

    /// Some at a time, each time as one change among others.
    private func delete(updatedBefore cutoff: Timestamp, progress: (Int) -> Void = { _ in }) throws(StoreError) -> Int {
        var total = 0
        while true {
            let deleted = try database.write { tables throws(StoreError) in
                try tables.delete(updatedBefore: cutoff, atMost: Self.deletedAtOnce)
            }
            total += deleted
            if deleted > 0 { progress(total) }
            guard deleted == Self.deletedAtOnce, !isClosing.load(ordering: .acquiring) else { return total }
        }
    }

    // MARK: Health

    package var kind: StoreKind { .sqlite }

    package var status: StoreStatus {
        StoreStatus(
            kind: .sqlite, primary: .notConfigured, activeSessions: count.load(ordering: .relaxed),
            ttlSeconds: limits.ttlSeconds, isReady: database.isWritable)
    }

    /// Deletes what has expired, and counts what there is, also what other workers have made.
    private func tidy() {
        do throws(StoreError) {
            try database.retryIfFull()
            if limits.ttlSeconds > 0 {
                // A session is expired from the moment on at which its time is over.
                let cutoff = clock.now.advanced(bySeconds: -limits.ttlSeconds)
                let end = Timestamp(milliseconds: cutoff.milliseconds + 1)
                let oldest = try database.read { tables throws(StoreError) in try tables.oldestUpdate() }
                if let oldest, oldest < end { _ = try delete(updatedBefore: end) }
            }
            let found = try database.read { tables throws(StoreError) in try tables.count() }
            count.store(found, ordering: .relaxed)
        } catch {
            // Requests find the same, and say so.
        }
    }
}

extension Operation {
    /// About what the operation adds to a commit.
    var byteCount: Int {
        switch change {
        case .append(let messages, _), .replace(let messages, _): messages.reduce(0) { $0 + $1.json.count }
        case .delete: 0
        }
    }
}
