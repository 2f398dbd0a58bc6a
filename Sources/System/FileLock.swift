import CLinux
import Glibc

/// An exclusive lock among the processes of a host (flock(2)) on a file or folder that exists. The kernel ends it with
/// its holder, however that ends. It is held by one thread at a time of those that share this object.
package final class FileLock: Sendable {
    private let descriptor: Int32

    package init(on path: String) throws(SystemCallError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCallError("open \(path)") }
    }

    deinit { close(descriptor) }

    /// Whether the lock was free, and is this process's now.
    package func tryLock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Waits for the lock. Throws where it has not come in time.
    package func lock(within timeout: Duration) throws(SystemCallError) {
        if tryLock() { return }
        var deadline = timespec(monotonicAfter: timeout)
        let error = clinux_flock_until(descriptor, &deadline)
        guard error == 0 else { throw SystemCallError("flock", code: error) }
    }

    package func unlock() { flock(descriptor, LOCK_UN) }

    /// Whether the file is on a file system that other hosts may use, too, or that is not the kernel's own: there neither
    /// locks nor shared memory can be trusted.
    package var isOnSharedFileSystem: Bool {
        // The magic numbers of statfs(2): NFS, SMB, CIFS, SMB2, 9p, Ceph, AFS, GFS2, OCFS2, FUSE (and with it virtiofs).
        let kinds: Set<Int> = [
            0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x00C3_6400, 0x5346_414F, 0x0116_1970, 0x7461_636F,
            0x6573_5546,
        ]
        return kinds.contains(clinux_file_system(descriptor) & 0xFFFF_FFFF)
    }
}
