import Foundation

@testable import Store

/// A state directory of a test's own, which goes with the last who holds it. It is in memory where the system has such a
/// place: what a test asks of a file does not depend on how long the disk takes for it.
final class StateFolder: Sendable {
    let path: String

    init() throws {
        let shared = "/dev/shm"
        let parent = FileManager.default.isWritableFile(atPath: shared) ? shared : NSTemporaryDirectory()
        path = "\(parent)/session-fcgi-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The folder as one worker has it: the lock is another one each time.
    func directory(patience: Duration = .seconds(5)) throws -> StateDirectory {
        try StateDirectory(path, patience: patience)
    }

    /// The path of a file in it.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// A connection beside those of the stores, to look at what they have written.
    func connection(to name: String = "sessions.sqlite") throws -> SQLiteConnection {
        try SQLiteConnection(file(name), for: .writing)
    }
}

extension SQLiteConnection {
    func integer(_ sql: StaticString) throws -> Int64 { try first(sql, read: { $0.integer(0) }) ?? 0 }

    /// Everything that the tables of a file hold, to compare it with what they hold later.
    func dump() throws -> [String] {
        var lines: [String] = []
        try run(
            """
            SELECT 's' || hex(id) || ' ' || first || ' ' || next || ' ' || bytes || ' ' || created_at || ' ' || updated_at
            FROM sessions
            UNION ALL SELECT 'm' || place || ' ' || json FROM messages
            UNION ALL SELECT 'k' || place || ' ' || key || ' ' || message_count || ' ' || updated_at FROM keys
            UNION ALL SELECT 't' || sessions || ' ' || next_number FROM totals
            """
        ) { row in
            lines.append(String(decoding: row.bytes(0), as: UTF8.self))
            return true
        }
        return lines
    }

    /// Whether SQLite finds nothing wrong in the file.
    var isWhole: Bool {
        (try? first("PRAGMA integrity_check", read: { $0.bytes(0) })) == Array("ok".utf8)
    }
}
