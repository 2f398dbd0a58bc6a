import Glibc
import Synchronization
import System

/// A change to a database file, made by whichever thread carries the commit.
struct SQLiteWrite: CommitItem, Sendable {
    let byteCount: Int
    /// Decides before it writes, so that one that throws leaves no trace.
    let body: @Sendable (SessionTables) throws(StoreError) -> Void

    /// Changes are made one after another, so that any may share a commit.
    var commitKey: Int? { nil }
}

/// The connection that writes to a database file. A group of changes is one transaction and one sync, under the lock of the
/// host, around which every commit and every checkpoint of all workers is.
final class SQLiteWriter: Sendable {
    private let file: SQLiteFile
    private let limits: StoreLimits
    private let connection: Mutex<SQLiteConnection>
    /// The write-ahead log's, which stays the same as long as any connection is open.
    private let logIdentity: FileIdentity?
    private let settled: @Sendable (SQLiteConnection) -> Void
    private let currentFault = Mutex<String?>(nil)
    private let hasFault = Atomic<Bool>(false)
    private let lacksRoom = Atomic<Bool>(false)

    /// A checkpoint is due when the write-ahead log has so many pages, 16 MB.
    private static let checkpointPages = 4000

    /// - Parameter settled: see `SQLiteDatabase.init`.
    init(
        _ file: SQLiteFile, limits: StoreLimits, settled: @escaping @Sendable (SQLiteConnection) -> Void = { _ in }
    ) throws(StateDirectoryError) {
        self.file = file
        self.limits = limits
        self.settled = settled
        connection = Mutex(try file.open())
        logIdentity = FileIdentity(of: file.path + "-wal")
    }

    /// Why nothing that is written can be relied on any more: the file is not the one that was opened, or is damaged.
    var fault: String? { hasFault.load(ordering: .acquiring) ? currentFault.withLock { $0 } : nil }

    /// Whether the last commit that there was had no room on the disk.
    var isFull: Bool { lacksRoom.load(ordering: .relaxed) }

    func noteFault(_ text: String) {
        currentFault.withLock { $0 = $0 ?? text }
        hasFault.store(true, ordering: .releasing)
    }

    /// Waits for the host's lock, a few seconds at most.
    func enter() throws(StoreError) {
        if let fault { throw .unavailable(reason: fault) }
        do {
            try file.directory.lock.lock(within: file.directory.patience)
        } catch {
            throw .unavailable(reason: "another worker of this host holds the lock and does not go on")
        }
    }

    /// Makes changes in one transaction, or each by itself where SQLite refuses them together, and gives the lock back.
    func commit(_ writes: [SQLiteWrite]) -> [Result<Void, StoreError>] {
        defer { file.directory.lock.unlock() }
        return connection.withLock { connection in
            defer {
                settled(connection)
                if connection.logPages >= Self.checkpointPages { connection.checkpoint() }
            }
            do throws(StoreError) {
                return try attempt(writes, connection)
            } catch {
                if writes.count == 1 || fault != nil { return writes.map { _ in .failure(error) } }
                return writes.flatMap { write in
                    do throws(StoreError) {
                        return try attempt([write], connection)
                    } catch {
                        return [.failure(error)]
                    }
                }
            }
        }
    }

    /// Throws where SQLite has refused; nothing was changed then.
    private func attempt(
        _ writes: [SQLiteWrite], _ connection: SQLiteConnection
    ) throws(StoreError) -> [Result<Void, StoreError>] {
        _ = connection.takeFailure()
        do throws(StoreError) {
            try connection.run("BEGIN IMMEDIATE")
            let tables = SessionTables(connection: connection, limits: limits)
            var results: [Result<Void, StoreError>] = []
            for write in writes {
                do throws(StoreError) {
                    try write.body(tables)
                    results.append(.success(()))
                } catch {
                    if connection.failure != nil { throw error }
                    results.append(.failure(error))
                }
            }
            if connection.hasMoved || FileIdentity(of: file.path + "-wal") != logIdentity {
                noteFault("\(file.path) was moved, removed or replaced while it was in use; restart the workers")
                throw StoreError.unavailable(reason: fault ?? "")
            }
            try connection.run("COMMIT")
            lacksRoom.store(false, ordering: .relaxed)
            return results
        } catch {
            if let failure = connection.takeFailure() {
                if failure.isDamage { noteFault("\(file.path): \(failure)") }
                if error == .full { lacksRoom.store(true, ordering: .relaxed) }
            }
            // Where SQLite has rolled back by itself, there is nothing to roll back any more.
            try? connection.run("ROLLBACK")
            _ = connection.takeFailure()
            throw error
        }
    }
}

/// Which file it is, whatever its name.
private struct FileIdentity: Equatable {
    private let device: dev_t
    private let inode: ino_t

    /// Nil where there is no file of that name.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
    }
}
