import Glibc
import Synchronization
import System

/// Keeps a worker from accepting while the machine has no descriptor to spare.
final class AcceptPause: Sendable {
    private let isOn = Atomic<Bool>(false)
    /// Whether the log has been told of it since a connection was last accepted.
    private let isKnown = Atomic<Bool>(false)

    /// Whether the pause begins now; another thread may have begun it.
    func begin() -> Bool {
        isOn.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
    }

    /// Whether it is worth a line in the log.
    func isNews() -> Bool { !isKnown.exchange(true, ordering: .relaxed) }

    func noteAccepted() { isKnown.store(false, ordering: .relaxed) }

    /// Ends the pause, if there is one.
    /// - Parameter resume: waits for connections again.
    func end(_ resume: () throws(SystemCallError) -> Void) {
        guard isOn.load(ordering: .acquiring) else { return }
        isOn.store(false, ordering: .releasing)
        do throws(SystemCallError) {
            try resume()
        } catch {
            // Where another thread has met the limit again meanwhile, the listener is watched still.
            isOn.store(error.code != EEXIST, ordering: .releasing)
        }
    }
}
