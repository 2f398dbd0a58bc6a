import Glibc

/// A POSIX semaphore that begins at zero.
package struct Semaphore: ~Copyable, @unchecked Sendable {
    // sem_t is made to be used from many threads.
    private let handle: UnsafeMutablePointer<sem_t>

    package init() {
        handle = .allocate(capacity: 1)
        sem_init(handle, 0, 0)
    }

    deinit {
        sem_destroy(handle)
        handle.deallocate()
    }

    package func signal() { sem_post(handle) }

    package func wait() {
        // A signal handler may interrupt it.
        while sem_wait(handle) != 0 {}
    }
}
