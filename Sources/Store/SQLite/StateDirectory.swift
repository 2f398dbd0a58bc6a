import Glibc
import System

/// A folder of a host that its workers share, and the lock that they take turns with.
///
/// One lock of the host is held around every commit and every checkpoint of a file in it. SQLite up to 3.51.2 can lose
/// committed writes where a checkpoint of one connection meets a commit of another (sqlite.org/wal.html, section 11), and
/// its own way to wait, sleeping and trying again, starves workers.
package struct StateDirectory: Sendable, Equatable {
    package let path: String
    let lock: FileLock
    /// How long a worker waits for the others.
    let patience: Duration

    /// Throws in words for an operator where workers could not share the folder.
    /// - Parameter patience: how long a worker waits for the others. The default is 5 s.
    package init(_ path: String, patience: Duration = .seconds(5)) throws(StateDirectoryError) {
        self.path = path
        self.patience = patience
        do throws(SystemCallError) {
            lock = try FileLock(on: path)
        } catch {
            throw StateDirectoryError(description: "\(path) cannot be used: \(String(cString: strerror(error.code)))")
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw StateDirectoryError(description: "\(path) is not a folder")
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw StateDirectoryError(description: "\(path) cannot be written to: \(String(cString: strerror(errno)))")
        }
        guard !lock.isOnSharedFileSystem else {
            throw StateDirectoryError(
                description: "\(path) is on a network file system, where workers cannot share a database")
        }
    }
}

extension StateDirectory {
    package static func == (left: StateDirectory, right: StateDirectory) -> Bool { left.path == right.path }
}

/// Why a folder or a file in it cannot be used. The description names the path and what to do.
package struct StateDirectoryError: Error, Equatable, CustomStringConvertible {
    package let description: String
}
