import Glibc
import System

/// A database file in a state directory: made with its final mode, brought to the schema of this release, and opened.
///
/// The file has the tables of `SessionTables`, those that its user adds, and one row of totals:
/// - `compatible_from`: the lowest `user_version` of a program that may use the file. A release that only adds to the
///   schema leaves it, so that older workers go on beside it during an upgrade.
/// - `sessions`: how many rows that table has. `next_number`: the number that was given out last.
struct SQLiteFile: Sendable {
    let directory: StateDirectory
    let path: String
    /// The statements that make what the file has beside sessions.
    let additionalSchema: String

    private static let applicationID = 0x5346_4347
    private static let version = 1

    init(_ name: String, in directory: StateDirectory, additionalSchema: String = "") {
        self.directory = directory
        path = "\(directory.path)/\(name)"
        self.additionalSchema = additionalSchema
    }

    /// Makes the file where there is none, and opens it for writing. A damaged one is never made anew. The host's lock is
    /// held meanwhile.
    func open() throws(StateDirectoryError) -> SQLiteConnection {
        do throws(SystemCallError) {
            try directory.lock.lock(within: directory.patience)
        } catch {
            throw StateDirectoryError(description: "\(directory.path) is locked by another worker that does not go on")
        }
        defer { directory.lock.unlock() }
        try refuseLoneLog()
        try createIfMissing()
        do throws(StoreError) {
            let connection = try SQLiteConnection(path, for: .writing)
            let tables = try connection.first("SELECT count(*) FROM sqlite_schema", read: { $0.integer(0) })
            if tables == 0 { try makeSchema(connection) }
            let identity = try connection.first("PRAGMA application_id", read: { $0.integer(0) })
            guard identity == Int64(Self.applicationID) else {
                throw StoreError.failed(reason: "it is another program's database")
            }
            let compatible = try connection.first("SELECT compatible_from FROM totals", read: { $0.integer(0) })
            guard let compatible, compatible <= Self.version else {
                throw StoreError.failed(reason: "it was written by a newer release")
            }
            // A restored copy may be in another mode, in which workers would wait for each other's reads.
            let mode = try connection.first("PRAGMA journal_mode=WAL", read: { $0.bytes(0) })
            guard mode == Array("wal".utf8) else { throw StoreError.failed(reason: "it cannot have a write-ahead log") }
            return connection
        } catch {
            throw StateDirectoryError(
                description: "\(path) cannot be used: \(error.reason). It is left as it is; restore a backup, or move it away")
        }
    }

    /// SQLite throws the write-ahead log of an empty file away, which then is all that is left of what was acknowledged.
    private func refuseLoneLog() throws(StateDirectoryError) {
        var status = stat()
        let isEmpty = stat(path, &status) != 0 || status.st_size == 0
        guard isEmpty, stat(path + "-wal", &status) == 0, status.st_size > 0 else { return }
        throw StateDirectoryError(
            description: "\(path) is missing or empty, and \(path)-wal is not. It is left as it is; put back the file that "
                + "belongs to it, or move it away")
    }

    /// SQLite gives its other files the mode and the owner that this one has.
    private func createIfMissing() throws(StateDirectoryError) {
        let descriptor = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            // Where an operator's command makes it, the workers are to be able to use it, too.
            var folder = stat()
            if geteuid() == 0, stat(directory.path, &folder) == 0 { _ = fchown(descriptor, folder.st_uid, folder.st_gid) }
            // Closed before SQLite has it: closing any descriptor of a file drops the process's locks on it.
            close(descriptor)
        } else if errno != EEXIST {
            throw StateDirectoryError(description: "\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    private func makeSchema(_ connection: SQLiteConnection) throws(StoreError) {
        // In this order and first: later, the first has no effect.
        try connection.execute("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;")
        try connection.execute(
            """
            BEGIN IMMEDIATE;
            PRAGMA application_id=\(Self.applicationID);
            PRAGMA user_version=\(Self.version);
            CREATE TABLE totals (one INTEGER PRIMARY KEY CHECK (one = 0), compatible_from INTEGER NOT NULL,
                sessions INTEGER NOT NULL, next_number INTEGER NOT NULL) STRICT;
            INSERT INTO totals VALUES (0, \(Self.version), 0, 0);
            \(SessionTables.schema)
            \(additionalSchema)
            COMMIT;
            """)
    }
}
