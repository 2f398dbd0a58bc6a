import Glibc

/// Lets a thread sleep until there is something to do or some time has passed.
package final class Wakeup: @unchecked Sendable {
    // POSIX mutexes and condition variables are made to be used from many threads.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var isSignalled = false
    /// How often it was signalled, for those that wait when another one has taken the signal.
    private var signals = 0

    package init() {
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // The time of day may be set while somebody waits.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Ends the waits that are under way, or else the next one.
    package func signal() {
        pthread_mutex_lock(mutex)
        isSignalled = true
        signals += 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Returns when signalled, or after the timeout.
    package func wait(for timeout: Duration) {
        var deadline = timespec(monotonicAfter: timeout)
        pthread_mutex_lock(mutex)
        let seen = signals
        while !isSignalled, signals == seen, pthread_cond_timedwait(condition, mutex, &deadline) == 0 {}
        isSignalled = false
        pthread_mutex_unlock(mutex)
    }
}
