import Synchronization
import System

/// A primary as long as it can be reached, and a standby while it cannot.
///
/// A session is served from one side at a time. While the primary is unreachable, and afterwards as long as operations
/// of a session wait in the standby, the standby serves it. An operation that failed on its way to the primary may have
/// arrived there, so the standby keeps it under the id that it was sent with, and the primary applies it once.
package final class OutageStore: SessionService {
    let primary: any RemoteStore
    let standby: (any Standby)?
    let report: @Sendable (OutageEvent) -> Void
    private let now: @Sendable () -> OutageState.Instant
    private let state = Mutex(OutageState())
    /// `state.isReachable`, beside the lock, since every request asks.
    private let reachable = Atomic<Bool>(true)
    /// Signalled when the primary was lost.
    private let lossWakeup = Wakeup()
    /// Signalled when there may be something to replay.
    let replayWakeup = Wakeup()
    let isClosing = Atomic<Bool>(false)
    private let threads = Threads()

    /// - Parameters:
    ///   - standby: nil to refuse everything while the primary is unreachable.
    ///   - now: what the patience with a primary is measured by.
    ///   - report: is told what an operator should know. It is called on the threads of requests.
    package init(
        primary: any RemoteStore, standby: (any Standby)?,
        now: @escaping @Sendable () -> OutageState.Instant = { .now }, report: @escaping @Sendable (OutageEvent) -> Void
    ) {
        self.primary = primary
        self.standby = standby
        self.now = now
        self.report = report
    }

    // MARK: Sessions

    package func answer(to operation: Operation) throws(StoreError) -> Answer<Outcome> {
        var operation = operation
        operation.takenAt = primary.serverTime
        var failure: StoreError?
        if try !isStandbyInCharge(of: operation.session) {
            do {
                return try primary.answer(to: operation)
            } catch {
                try noteFailure(error)
                failure = error
            }
        }
        guard let standby, operation.canWait, !isClosing.load(ordering: .acquiring) else {
            throw failure ?? unreachable
        }
        do {
            // What waits of the session is made when it is replayed: it must not protect it from a deletion after it.
            if try standby.holds(operation.session) { operation.takenAt = nil }
            let outcome = try standby.take(operation)
            replayWakeup.signal()
            return Answer(outcome, from: standby.kind, isPartial: true)
        } catch {
            // Of a change that may have arrived nobody is told that it was not made.
            throw failure ?? error
        }
    }

    package func answer(toReading id: SessionID, last: Int?) throws(StoreError) -> Answer<Session?> {
        let standbyWasInCharge = try isStandbyInCharge(of: id)
        if !standbyWasInCharge {
            do {
                return try primary.answer(toReading: id, last: last)
            } catch {
                try noteFailure(error)
            }
        }
        switch try standby?.known(of: id, last: last) {
        case .session(let session): return Answer(session, from: kind(of: standby), isPartial: true)
        case .deleted: return Answer(nil, from: kind(of: standby), isPartial: true)
        case .nothing, nil: break
        }
        // The last operation that waited may have been replayed between the two looks.
        guard standbyWasInCharge else { throw unreachable }
        return try askPrimary(primary.answer(toReading: id, last: last))
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        try askPrimary(primary.list(limit: limit, after: cursor))
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        try askPrimary(primary.cleanup(olderThanDays: days, dryRun: dryRun, progress: progress))
    }

    package var status: StoreStatus {
        var status = primary.status
        let backlog = standby?.backlog
        status.pendingOperations = backlog?.operations
        status.pendingBytes = backlog?.bytes ?? 0
        status.oldestPending = backlog?.oldest
        guard !isReachable else {
            // A connection that has just been lost may be back before a request has noticed.
            status.primary = .reachable
            return status
        }
        status.primary = .unreachable
        status.kind = kind
        status.isReady = backlog?.hasRoom ?? false
        if let backlog {
            status.activeSessions = backlog.sessions
            status.isStandbyInCharge = true
        }
        return status
    }

    package var kind: StoreKind { isReachable ? primary.kind : kind(of: standby) }

    // MARK: One side or the other

    var isReachable: Bool { reachable.load(ordering: .acquiring) }

    private var unreachable: StoreError { .unavailable(reason: "the primary is unreachable") }

    private func kind(of standby: (any Standby)?) -> StoreKind { standby?.kind ?? primary.kind }

    private func isStandbyInCharge(of id: SessionID) throws(StoreError) -> Bool {
        if !isReachable { return true }
        return try standby?.holds(id) ?? false
    }

    /// Asks what only the primary can answer.
    private func askPrimary<Value>(_ question: @autoclosure () throws(StoreError) -> Value) throws(StoreError) -> Value {
        guard isReachable else { throw unreachable }
        do {
            return try question()
        } catch {
            try noteFailure(error)
            throw error
        }
    }

    /// Notices a primary that cannot be used; throws on what any other error was.
    func noteFailure(_ error: StoreError) throws(StoreError) {
        guard case .unavailable(let reason) = error else { throw error }
        handle(.callFailed(isHealthy: primary.isHealthy), reason: reason)
    }

    private func handle(_ event: OutageState.Event, reason: String = "") {
        let action = state.withLock { state in
            defer { reachable.store(state.isReachable, ordering: .releasing) }
            return state.handle(event, at: now())
        }
        switch action {
        case .announceLoss:
            lossWakeup.signal()
            report(.primaryLost(reason: reason, standby: standby?.kind))
        case .announceRecovery:
            report(.primaryRecovered(pending: standby?.backlog.operations ?? 0))
            replayWakeup.signal()
        case .reportFailure: report(.callFailed(reason: reason))
        case nil: break
        }
    }

    // MARK: Background work

    private static let replayThreads = 4

    /// How many threads of its own use the primary: those that replay, and the one that watches over the primary.
    package static let ownThreads = replayThreads + 1

    /// Finds out whether the primary can be reached, within about a second, and starts the background threads, which
    /// `close` ends.
    package func start() throws(SystemCallError) {
        do throws(StoreError) {
            try primary.probe()
        } catch {
            handle(.callFailed(isHealthy: false), reason: error.reason)
        }
        try threads.start { self.watch() }
        guard standby != nil else { return }
        for _ in 0..<Self.replayThreads { try threads.start { self.replay() } }
    }

    /// Waits until nothing waits any more in a standby that ends with this process, or the time is over. Then ends the
    /// background threads: operations that are just being given to the primary are finished first. Nothing is taken from
    /// then on. Returns how many operations are lost.
    /// - Parameter whileWaiting: called some fifty times a second until then.
    package func close(within timeout: Duration, whileWaiting: () -> Void) -> Int {
        let deadline = ContinuousClock.now + timeout
        if let standby, !standby.isDurable, case let pending = standby.backlog.operations, pending > 0 {
            report(.closingWithBacklog(pending: pending))
            let pause = Wakeup()
            while standby.backlog.operations > 0, .now < deadline {
                whileWaiting()
                pause.wait(for: .milliseconds(20))
            }
        }
        isClosing.store(true, ordering: .releasing)
        lossWakeup.signal()
        replayWakeup.signal()
        threads.join(whileWaiting: whileWaiting)
        guard let standby, !standby.isDurable else { return 0 }
        return standby.backlog.operations
    }

    private func watch() {
        while !isClosing.load(ordering: .acquiring) {
            // Jitter, so that a pool of workers does not probe all at once.
            lossWakeup.wait(for: state.withLock(\.next.after) * Double.random(in: 0.75...1.25))
            if !isClosing.load(ordering: .acquiring) { look() }
        }
    }

    /// Looks after the primary once.
    func look() {
        switch state.withLock(\.next.look) {
        case .healthCheck:
            handle(
                .healthChecked(isHealthy: primary.isHealthy),
                reason: "its health check has failed for \(OutageState.patience)")
        case .probe: handle(.probed(isAnswered: (try? primary.probe()) != nil))
        }
    }

    private func replay() {
        while !isClosing.load(ordering: .acquiring) {
            switch replayLease() {
            case .applied: break
            case .nothing: replayWakeup.wait(for: .milliseconds(100))
            // It is tried again, but not at once.
            case .failed: replayWakeup.wait(for: .milliseconds(500))
            }
        }
    }
}

/// What an operator should know of an outage.
package enum OutageEvent: Sendable, Equatable {
    /// `standby` is what keeps operations meanwhile, nil where they are refused.
    case primaryLost(reason: String, standby: StoreKind?)
    case primaryRecovered(pending: Int)
    /// A call has failed though the primary is reachable. It is not told of each.
    case callFailed(reason: String)
    /// A waiting operation could not be given to the primary; it is tried again.
    case replayFailed(reason: String)
    /// The service is to close, and operations wait still.
    case closingWithBacklog(pending: Int)
}

extension Operation {
    /// Whether a standby can take the operation: what it knows does not show whether a condition holds.
    fileprivate var canWait: Bool {
        if case .replace(_, let condition) = change { condition == .none } else { true }
    }
}
