import Synchronization
import System

/// A standby in this process's memory: what waits in it is lost with the process, and known to this process alone.
package final class MemoryStandby: Standby {
    private final class SessionLock: Sendable {
        let mutex = Mutex<Void>(())
    }

    /// What the waiting operations make of their sessions.
    private let view: MemoryStore
    private let maxBytes: Int
    private let queue = Mutex(LeaseQueue())
    /// Beside the lock, since every request asks.
    private let count = Atomic<Int>(0)
    /// What those operations will take up in the queue that are just being taken. It grows under the queue's lock.
    private let reservedBytes = Atomic<Int>(0)
    /// Held while the view and the queue change together.
    private let sessionLocks = (0..<64).map { _ in SessionLock() }

    /// - Parameters:
    ///   - maxBytes: what the view may take up, and what the waiting operations may.
    ///   - clock: what expiry and dates are measured by.
    package init(limits: StoreLimits, maxBytes: Int, clock: some WallClock = SystemClock()) {
        view = MemoryStore(limits: limits, maxBytes: maxBytes, whenFull: .refuse, clock: clock)
        self.maxBytes = maxBytes
    }

    package var kind: StoreKind { .memory }

    package var isDurable: Bool { false }

    package func take(_ operation: Operation) throws(StoreError) -> Outcome {
        guard hasRoom else { throw .full }
        return try lock(of: operation.session).mutex.withLock { _ throws(StoreError) in
            var outcome = Outcome(existed: false)
            outcome.isPartial = true
            // Whether the primary holds the session nobody knows; only a second deletion is known to be one.
            let isDeletion = operation.change == .delete
            if isDeletion, queue.withLock({ $0.newest(of: operation.session) })?.change == .delete { return outcome }
            // First of all the room: the view must not show, nor forget, what is then not kept.
            let bytes = operation.footprint
            try reserve(bytes)
            defer { reservedBytes.subtract(bytes, ordering: .relaxed) }
            outcome = try view.apply(operation)
            outcome.isPartial = true
            if isDeletion { outcome.existed = true }
            if outcome.isReplay { return outcome }
            var operation = operation.detached
            if case .append = operation.change { operation.outcomeTold = outcome }
            keep(operation)
            return outcome
        }
    }

    package func known(of session: SessionID, last: Int?) throws(StoreError) -> KnownSession {
        try lock(of: session).mutex.withLock { _ throws(StoreError) in
            if let known = try view.read(session, last: last) { return .session(known) }
            return queue.withLock { $0.newest(of: session) }?.change == .delete ? .deleted : .nothing
        }
    }

    package func holds(_ session: SessionID) -> Bool {
        guard count.load(ordering: .acquiring) > 0 else { return false }
        return queue.withLock { $0.newest(of: session) } != nil
    }

    package func lease() -> Lease? {
        count.load(ordering: .acquiring) > 0 ? queue.withLock { $0.lease() } : nil
    }

    package func settle(_ lease: Lease, applied: Int, refusal: StoreError?) throws(StoreError) {
        try lock(of: lease.session).mutex.withLock { _ throws(StoreError) in
            let isDone = queue.withLock { queue in
                defer { count.store(queue.count, ordering: .releasing) }
                return queue.settle(lease, applied: applied)
            }
            if isDone { _ = try view.apply(Operation(of: lease.session, .delete)) }
        }
    }

    package var backlog: Backlog {
        let view = view.status
        return Backlog(
            operations: count.load(ordering: .acquiring), bytes: queue.withLock(\.bytes), sessions: view.activeSessions,
            hasRoom: hasRoom && view.isReady)
    }

    /// The last eighth is left for what was let in before it was reached.
    private var hasRoom: Bool { queue.withLock { $0.bytes < maxBytes - maxBytes / 8 } }

    /// Throws `.full`.
    private func reserve(_ bytes: Int) throws(StoreError) {
        try queue.withLock { queue throws(StoreError) in
            guard queue.bytes + reservedBytes.load(ordering: .relaxed) + bytes <= maxBytes else { throw .full }
            reservedBytes.add(bytes, ordering: .relaxed)
        }
    }

    private func keep(_ operation: Operation) {
        queue.withLock { queue in
            queue.append(operation)
            count.store(queue.count, ordering: .releasing)
        }
    }

    private func lock(of session: SessionID) -> SessionLock {
        sessionLocks[Int(UInt(bitPattern: session.hashValue) % UInt(sessionLocks.count))]
    }
}

extension Operation {
    /// The same operation with messages that do not hold on to the whole bodies that they came in.
    fileprivate var detached: Operation {
        let change: Change = switch change {
        case .append(let messages, let key): .append(messages.map(\.detached), key: key)
        case .replace(let messages, let condition): .replace(messages.map(\.detached), condition)
        case .delete: .delete
        }
        return Operation(id, of: session, change, takenAt: takenAt, outcomeTold: outcomeTold)
    }
}
