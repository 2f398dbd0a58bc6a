import CLinux
import Glibc
import Synchronization

/// Starts POSIX threads that run one body each, and waits for their ends. Whoever starts threads joins them: dropping
/// this object before is a bug, and traps.
package final class Threads: Sendable {
    private let handles = Mutex<[pthread_t]>([])

    package init() {}

    deinit { precondition(handles.withLock(\.isEmpty), "threads were dropped that nobody has joined") }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Throws where the system has no thread to give.
    package func start(_ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
        var handle = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        let code = pthread_create(&handle, nil, { raw in
            Unmanaged<Body>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw SystemCallError("pthread_create", code: code)
        }
        let started = handle
        handles.withLock { $0.append(started) }
    }

    /// Waits until all threads have ended.
    /// - Parameter whileWaiting: called some fifty times a second until then.
    package func join(whileWaiting: () -> Void = {}) {
        for handle in handles.withLock({ $0 }) {
            var deadline = timespec(monotonicAfter: .milliseconds(20))
            while pthread_clockjoin_np(handle, nil, CLOCK_MONOTONIC, &deadline) != 0 {
                whileWaiting()
                deadline = timespec(monotonicAfter: .milliseconds(20))
            }
        }
        handles.withLock { $0 = [] }
    }
}

extension timespec {
    /// The time on the monotonic clock after so long.
    init(monotonicAfter duration: Duration) {
        self.init()
        clock_gettime(CLOCK_MONOTONIC, &self)
        let nanoseconds = Int64(tv_nsec) + duration.components.attoseconds / 1_000_000_000
        tv_sec += Int(duration.components.seconds + nanoseconds / 1_000_000_000)
        tv_nsec = Int(nanoseconds % 1_000_000_000)
    }
}
