import DequeModule
import Synchronization

/// Holds back requests that may wait for a database while all but a few threads are waiting for one already, so
/// that some thread is always there for the health routes. A request that is held back holds no thread.
final class StoreAdmission<Job: Sendable>: Sendable {
    private struct State {
        var running = 0
        var waiting: Deque<Job> = []
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: how many requests may be with the store at once.
    init(limit: Int) { self.limit = limit }

    /// Whether the job may run now. If not, it will be given to a thread that leaves.
    func enter(_ job: Job) -> Bool {
        state.withLock { state in
            guard state.running >= limit else {
                state.running += 1
                return true
            }
            state.waiting.append(job)
            return false
        }
    }

    /// Ends a job, and returns the next one, which runs in its place.
    func leave() -> Job? {
        state.withLock { state in
            guard let job = state.waiting.popFirst() else {
                state.running -= 1
                return nil
            }
            return job
        }
    }
}
