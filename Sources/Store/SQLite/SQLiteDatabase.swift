import Synchronization

/// A database file as a worker uses it: changes that wait share a commit, and reads never wait for them.
final class SQLiteDatabase: Sendable {
    private final class Reader: Sendable {
        let connection = Mutex<SQLiteConnection?>(nil)
    }

    private let file: SQLiteFile
    private let limits: StoreLimits
    private let writer: SQLiteWriter
    private let commits: GroupCommit<SQLiteWrite, Void, StoreError>
    private let readers = (0..<8).map { _ in Reader() }
    private let lastReader = Atomic<Int>(0)

    /// Opens the file, and makes it where there is none. Throws in words for an operator.
    /// - Parameter settled: is called after each transaction, whether or not it was committed, while no worker can change
    ///   the file.
    init(
        _ file: SQLiteFile, limits: StoreLimits, settled: @escaping @Sendable (SQLiteConnection) -> Void = { _ in }
    ) throws(StateDirectoryError) {
        self.file = file
        self.limits = limits
        let writer = try SQLiteWriter(file, limits: limits, settled: settled)
        self.writer = writer
        commits = GroupCommit(
            limits: CommitLimits(commits: 1, items: 64, bytes: 4 << 20), endsAll: \.isUnavailability,
            enter: { () throws(StoreError) in try writer.enter() }, commit: { writer.commit($0) })
    }

    /// See `SQLiteWriter.fault`.
    var hasFault: Bool { writer.fault != nil }

    /// Whether a change could be committed now, as far as the last ones have shown.
    var isWritable: Bool { !hasFault && !writer.isFull }

    /// Commits nothing, where the last commit had no room: whether there is room again.
    func retryIfFull() throws(StoreError) {
        guard writer.isFull else { return }
        try write { tables throws(StoreError) in
            try tables.connection.run("UPDATE totals SET sessions = sessions")
        }
    }

    /// Makes a change, together with others that wait. It is on the disk when this returns.
    func write<Result: Sendable>(
        bytes: Int = 0, _ change: @escaping @Sendable (SessionTables) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let slot = Slot<Result>()
        try commits.submit(
            SQLiteWrite(byteCount: bytes) { tables throws(StoreError) in
                let result = try change(tables)
                slot.result.withLock { $0 = result }
            })
        guard let result = slot.result.withLock({ $0 }) else { preconditionFailure("a change was committed unmade") }
        return result
    }

    private final class Slot<Result: Sendable>: Sendable {
        let result = Mutex<Result?>(nil)
    }

    /// Asks a question, over a connection that nobody else uses meanwhile.
    func read<Result>(_ question: (SessionTables) throws(StoreError) -> Result) throws(StoreError) -> Result {
        let number = lastReader.wrappingAdd(1, ordering: .relaxed).newValue
        return try readers[Int(UInt(bitPattern: number) % UInt(readers.count))].connection.withLock {
            connection throws(StoreError) in
            let open: SQLiteConnection
            if let connection { open = connection } else { open = try SQLiteConnection(file.path, for: .reading) }
            connection = open
            do throws(StoreError) {
                return try question(SessionTables(connection: open, limits: limits))
            } catch {
                if let failure = open.takeFailure(), failure.isDamage { writer.noteFault("\(file.path): \(failure)") }
                throw error
            }
        }
    }
}
