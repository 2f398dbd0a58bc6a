import Synchronization

/// Whether the database is taken to be reachable. While the breaker is open nobody waits for a dead server.
final class Breaker: Sendable {
    /// How long the watch's word alone is not believed: an election in a replica set takes this long and is ridden
    /// out by the driver.
    static let patience = Duration.seconds(6)

    private let open = Atomic<Bool>(false)
    /// Since when the database's own watch has found it unreachable, without a break.
    private let silentSince = Mutex<ContinuousClock.Instant?>(nil)

    var isOpen: Bool { open.load(ordering: .acquiring) }

    /// A call has failed. Opens the breaker, unless the database has been heard from just now: then it was slow, or
    /// one connection broke. Returns whether the breaker has opened.
    func recordFailure(databaseIsHeard: Bool) -> Bool {
        databaseIsHeard ? false : change(to: true)
    }

    /// What the database's watch says. Returns whether the breaker has opened.
    func recordWatch(databaseIsHeard: Bool, at now: ContinuousClock.Instant) -> Bool {
        let isTooLong = silentSince.withLock { silentSince in
            let since = databaseIsHeard ? nil : silentSince ?? now
            silentSince = since
            return since.map { now - $0 >= Self.patience } ?? false
        }
        return isTooLong ? change(to: true) : false
    }

    /// Returns whether the breaker was open.
    func close() -> Bool {
        silentSince.withLock { $0 = nil }
        return change(to: false)
    }

    private func change(to isOpen: Bool) -> Bool {
        open.exchange(isOpen, ordering: .acquiringAndReleasing) != isOpen
    }
}
