import Store
import TestSupport
import Testing

/// The moves of the outage's circuit breaker, against what is said of them.
@Suite struct OutageStateTests {
    typealias Instant = OutageState.Instant

    @Test func `any events in any order move the state by its rules only`() throws {
        try forEachSeed(3000) { seed in
            var run = Run(seed)
            for _ in 0..<200 { try run.step() }
        }
    }

    @Test func `whoever follows its looks finds every lasting loss and every lasting return in time`() throws {
        try forEachSeed(2000) { seed in
            var generator = SeededGenerator(seed)
            var state = OutageState()
            var now = ContinuousClock.now
            for isAnswering in [false, true, false, true] {
                // Before, it comes and goes.
                for _ in 0..<Int.random(in: 0..<20, using: &generator) {
                    Self.look(&state, &now, isAnswering: Bool.random(using: &generator))
                }
                let change = now
                while state.isReachable != isAnswering { Self.look(&state, &now, isAnswering: isAnswering) }
                let greatest = isAnswering
                    ? OutageState.greatestBackoff + OutageState.confirmationPause
                    : OutageState.patience + OutageState.healthCheckInterval
                try hold(now - change <= greatest, "isAnswering \(isAnswering) is found after \(now - change)")
            }
        }
    }

    private static func look(_ state: inout OutageState, _ now: inout Instant, isAnswering: Bool) {
        let next = state.next
        now += next.after
        switch next.look {
        case .healthCheck: _ = state.handle(.healthChecked(isHealthy: isAnswering), at: now)
        case .probe: _ = state.handle(.probed(isAnswered: isAnswering), at: now)
        }
    }

    /// A state, and what has happened to it.
    private struct Run {
        private var generator: SeededGenerator
        private var state = OutageState()
        private var now = ContinuousClock.now
        private var isReachable = true
        /// Since when the health check has failed without a break; nil while it has not since the last return.
        private var unhealthySince: Instant?
        /// What became of the probes since the loss.
        private var probes: [Bool] = []
        private var lastReport: Instant?

        init(_ seed: UInt64) {
            generator = SeededGenerator(seed)
        }

        mutating func step() throws {
            now += .milliseconds(Int.random(in: 0...(Bool.random(using: &generator) ? 600 : 7000), using: &generator))
            let isGood = Int.random(in: 0..<3, using: &generator) == 0
            let event: OutageState.Event = switch Int.random(in: 0..<8, using: &generator) {
            case 0: .callFailed(isHealthy: Bool.random(using: &generator) || isGood)
            case 1...4: .healthChecked(isHealthy: isGood)
            default: .probed(isAnswered: !isGood)
            }
            let expected = expect(event)
            let action = state.handle(event, at: now)
            try hold(action == expected, "\(event): \(action, default: "nothing"), not \(expected, default: "nothing")")
            try hold(state.isReachable == isReachable, "it is reachable: \(state.isReachable)")
            try checkNextLook()
        }

        /// What is to be done about an event.
        private mutating func expect(_ event: OutageState.Event) -> OutageState.Action? {
            switch event {
            case .callFailed(isHealthy: false): return isReachable ? lose() : nil
            case .callFailed(isHealthy: true):
                guard isReachable, lastReport.map({ now - $0 >= .seconds(10) }) ?? true else { return nil }
                lastReport = now
                return .reportFailure
            case .healthChecked(let isHealthy):
                guard isReachable else { return nil }
                unhealthySince = isHealthy ? nil : unhealthySince ?? now
                return unhealthySince.map { now - $0 >= .seconds(6) } ?? false ? lose() : nil
            case .probed(let isAnswered):
                guard !isReachable else { return nil }
                probes.append(isAnswered)
                guard probes.suffix(2) == [true, true] else { return nil }
                isReachable = true
                unhealthySince = nil
                return .announceRecovery
            }
        }

        private mutating func lose() -> OutageState.Action {
            isReachable = false
            probes = []
            return .announceLoss
        }

        private func checkNextLook() throws {
            let next = state.next
            guard !isReachable else {
                try hold(next.look == .healthCheck && next.after == .milliseconds(500), "the next look is \(next)")
                return
            }
            let failures = probes.count { !$0 }
            let pause: Duration = switch probes.last {
            case nil: .zero
            case true?: .milliseconds(250)
            case false?: min(.milliseconds(100) * (1 << min(failures - 1, 10)), .seconds(2))
            }
            try hold(next.look == .probe && next.after == pause, "the next look is \(next), not after \(pause)")
        }
    }
}
