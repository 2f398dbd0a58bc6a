/// Whether a primary can be used, and what is to be done about it: the moves of a circuit breaker, as a value without
/// clock, lock, thread or I/O. Events go in with the time at which they happened, actions come out.
///
/// A call that fails while the primary's own health check finds it well was slow, or its connection broke: the primary
/// stays reachable. One that fails while the health check fails, too, loses it at once; the health check alone only
/// after `patience`, since a replica set elects a new primary within that time and the driver rides it out. A primary
/// that is lost is probed until it has answered twice: one that was frozen carries out, once it thaws, what was sent to
/// it before, and that is to be done before the standby's operations come.
package struct OutageState: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package enum Event: Sendable {
        /// A call has failed for reasons of the primary; `isHealthy` is what its health check found last.
        case callFailed(isHealthy: Bool)
        /// The health check was looked at.
        case healthChecked(isHealthy: Bool)
        /// A probe was answered, or was not.
        case probed(isAnswered: Bool)
    }

    package enum Action: Sendable {
        /// The primary is unreachable from now on.
        case announceLoss
        /// The primary is reachable again from now on.
        case announceRecovery
        /// The primary is reachable and has failed a call: worth a line in the log.
        case reportFailure
    }

    /// What whoever watches over the primary does next.
    package enum Look: Sendable, Equatable { case healthCheck, probe }

    /// How long a failing health check alone is not believed.
    package static let patience = Duration.seconds(6)
    package static let healthCheckInterval = Duration.milliseconds(500)
    /// How long after a first failed probe the next one follows; the time doubles with each.
    package static let firstBackoff = Duration.milliseconds(100)
    package static let greatestBackoff = Duration.seconds(2)
    /// How long after an answered probe the next one follows.
    package static let confirmationPause = Duration.milliseconds(250)
    /// How often failed calls to a reachable primary are worth a line in the log.
    package static let reportInterval = Duration.seconds(10)

    private enum Phase: Sendable {
        /// Since when the health check has failed without a break.
        case reachable(unhealthySince: Instant?)
        case unreachable(nextProbeAfter: Duration, backoff: Duration, isAnswering: Bool)
    }

    private var phase = Phase.reachable(unhealthySince: nil)
    private var lastReport: Instant?

    package init() {}

    package var isReachable: Bool { if case .reachable = phase { true } else { false } }

    /// What is to be done next, and after how long.
    package var next: (look: Look, after: Duration) {
        switch phase {
        case .reachable: (.healthCheck, Self.healthCheckInterval)
        case .unreachable(let pause, _, _): (.probe, pause)
        }
    }

    package mutating func handle(_ event: Event, at now: Instant) -> Action? {
        switch (event, phase) {
        case (.callFailed(let isHealthy), .reachable):
            guard isHealthy else { return lose() }
            if let lastReport, now - lastReport < Self.reportInterval { return nil }
            lastReport = now
            return .reportFailure
        case (.healthChecked(isHealthy: true), .reachable):
            phase = .reachable(unhealthySince: nil)
            return nil
        case (.healthChecked(isHealthy: false), .reachable(let unhealthySince)):
            let since = unhealthySince ?? now
            phase = .reachable(unhealthySince: since)
            return now - since >= Self.patience ? lose() : nil
        case (.probed(isAnswered: true), .unreachable(_, _, isAnswering: true)):
            phase = .reachable(unhealthySince: nil)
            return .announceRecovery
        case (.probed(isAnswered: true), .unreachable(_, let backoff, isAnswering: false)):
            phase = .unreachable(nextProbeAfter: Self.confirmationPause, backoff: backoff, isAnswering: true)
            return nil
        case (.probed(isAnswered: false), .unreachable(_, let backoff, _)):
            phase = .unreachable(
                nextProbeAfter: backoff, backoff: min(backoff * 2, Self.greatestBackoff), isAnswering: false)
            return nil
        case (.probed, .reachable), (.callFailed, .unreachable), (.healthChecked, .unreachable):
            // An answer that has been overtaken.
            return nil
        }
    }

    private mutating func lose() -> Action {
        phase = .unreachable(nextProbeAfter: .zero, backoff: Self.firstBackoff, isAnswering: false)
        return .announceLoss
    }
}
