import CLinux
import Glibc

/// A few numbers that the processes of a host share through a file: reading one costs what reading memory costs.
package final class SharedNumbers: @unchecked Sendable {
    // The memory is shared with other processes anyway: all access is atomic.

    private let memory: UnsafeMutablePointer<Int>
    private let bytes: Int

    /// Makes the file where there is none; new numbers are 0.
    package init(_ path: String, count: Int) throws(SystemCallError) {
        bytes = count * MemoryLayout<Int>.stride
        let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemCallError("open \(path)") }
        defer { close(descriptor) }
        guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw SystemCallError("ftruncate \(path)") }
        let mapped = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else { throw SystemCallError("mmap \(path)") }
        memory = mapped.bindMemory(to: Int.self, capacity: count)
    }

    deinit { munmap(memory, bytes) }

    package subscript(index: Int) -> Int {
        get { clinux_load(memory + index) }
        set { clinux_store(memory + index, newValue) }
    }
}
