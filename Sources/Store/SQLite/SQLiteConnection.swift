import CSQLite

/// A connection to an SQLite file, for one thread at a time.
///
/// An error of SQLite's is thrown as what a store says of it, and kept in `failure`: what a change has refused by its own
/// rules leaves no trace, and anything else ends the transaction.
final class SQLiteConnection: @unchecked Sendable {
    // Whoever has a connection holds the lock that it is kept under.

    private let handle: OpaquePointer
    private var statements: [UnsafePointer<UInt8>: OpaquePointer] = [:]
    private let log = WriteAheadLog()
    /// The last error of SQLite's, until somebody takes note of it.
    private(set) var failure: SQLiteFailure?

    private final class WriteAheadLog {
        var pages: Int32 = 0
    }

    enum Access {
        case reading, writing
    }

    /// Opens a file that exists.
    init(_ path: String, for access: Access) throws(StoreError) {
        var opened: OpaquePointer?
        let flags = access == .reading ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        let code = sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard let opened, code == SQLITE_OK else {
            sqlite3_close_v2(opened)
            throw SQLiteFailure(code, path).storeError
        }
        handle = opened
        sqlite3_busy_timeout(handle, 100)
        csqlite_configure(handle)
        try execute("PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;")
        guard access == .writing else { return }
        try execute("PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;")
        sqlite3_wal_hook(
            handle, { context, _, _, pages in
                Unmanaged<WriteAheadLog>.fromOpaque(context!).takeUnretainedValue().pages = pages
                return SQLITE_OK
            }, Unmanaged.passUnretained(log).toOpaque())
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    /// How many pages the write-ahead log had after the last commit of this connection.
    var logPages: Int { Int(log.pages) }

    /// How many rows the last statement has changed.
    var changes: Int { Int(sqlite3_changes64(handle)) }

    /// Whether the file was removed or has another name since it was opened: it takes writes all the same.
    var hasMoved: Bool {
        var moved: Int32 = 0
        return sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0
    }

    func takeFailure() -> SQLiteFailure? {
        defer { failure = nil }
        return failure
    }

    // MARK: Statements

    enum Value {
        case integer(Int64)
        case bytes(ArraySlice<UInt8>)
        case null

        static func bytes(_ bytes: [UInt8]) -> Value { .bytes(bytes[...]) }
        static func integer(_ value: Int) -> Value { .integer(Int64(value)) }
    }

    /// A row of a result, while it is being visited.
    struct Row {
        fileprivate let statement: OpaquePointer

        func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

        func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

        func withBytes<Result>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            // The pointer first: asking for it may change the length.
            let start = sqlite3_column_blob(statement, column)
            return body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
        }

        func bytes(_ column: Int32) -> [UInt8] { withBytes(column) { Array($0) } }
    }

    /// Runs one statement, which is kept prepared, and visits its rows until told to stop by false.
    func run(
        _ sql: StaticString, _ values: [Value] = [], visiting visit: (Row) -> Bool = { _ in true }
    ) throws(StoreError) {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            let code = switch value {
            case .null: sqlite3_bind_null(statement, Int32(index + 1))
            case .integer(let value): sqlite3_bind_int64(statement, Int32(index + 1), value)
            case .bytes(let bytes):
                bytes.withUnsafeBytes { csqlite_bind_blob(statement, Int32(index + 1), $0.baseAddress, UInt64($0.count)) }
            }
            try check(code)
        }
        while true {
            let code = sqlite3_step(statement)
            guard code == SQLITE_ROW else {
                guard code == SQLITE_DONE else { throw noteFailure(code) }
                return
            }
            if !visit(Row(statement: statement)) { return }
        }
    }

    /// The first row of a statement's result, if there is one.
    func first<Result>(
        _ sql: StaticString, _ values: [Value] = [], read: (Row) -> Result
    ) throws(StoreError) -> Result? {
        var result: Result?
        try run(sql, values) { row in
            result = read(row)
            return false
        }
        return result
    }

    /// Runs statements that are run once.
    func execute(_ sql: String) throws(StoreError) {
        try check(sqlite3_exec(handle, sql, nil, nil, nil))
    }

    /// Carries the write-ahead log over into the file, and waits at most a tenth of a second for readers of older states.
    func checkpoint() {
        // What is not carried over now is so next time.
        sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_FULL, nil, nil)
    }

    private func prepared(_ sql: StaticString) throws(StoreError) -> OpaquePointer {
        if let statement = statements[sql.utf8Start] { return statement }
        var new: OpaquePointer?
        try check(
            sqlite3_prepare_v3(
                handle, UnsafeRawPointer(sql.utf8Start).assumingMemoryBound(to: CChar.self),
                Int32(sql.utf8CodeUnitCount), UInt32(SQLITE_PREPARE_PERSISTENT), &new, nil))
        guard let new else { preconditionFailure("\(sql) is no statement") }
        statements[sql.utf8Start] = new
        return new
    }

    private func check(_ code: Int32) throws(StoreError) {
        if code != SQLITE_OK { throw noteFailure(code) }
    }

    private func noteFailure(_ code: Int32) -> StoreError {
        let failure = SQLiteFailure(code, String(cString: sqlite3_errmsg(handle)))
        self.failure = failure
        return failure.storeError
    }
}

/// An error of SQLite's. Its text names no content.
struct SQLiteFailure: Error, CustomStringConvertible {
    private let code: Int32
    let description: String

    init(_ code: Int32, _ text: String) {
        self.code = code
        description = "SQLite: \(String(cString: sqlite3_errstr(code))) (\(code)): \(text)"
    }

    /// Whether the file is not what it should be, and stays so until somebody repairs it.
    var isDamage: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB].contains(code & 0xFF) }

    /// The one place where SQLite's errors become a store's.
    var storeError: StoreError {
        switch code & 0xFF {
        case SQLITE_FULL: .full
        case SQLITE_MISUSE, SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_RANGE, SQLITE_MISMATCH: .failed(reason: description)
        default: .unavailable(reason: description)
        }
    }
}
