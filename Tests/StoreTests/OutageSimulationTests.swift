import TestSupport
import Testing

/// The whole of the outage's store under seeded schedules of clients, faults, looks and replays.
@Suite struct OutageSimulationTests {
    @Test func `whatever fails, what was acknowledged and nothing else is kept, once and in order`() throws {
        var seen: [String: Int] = [:]
        try forEachSeed(2000) { seed in
            let simulation = OutageSimulation(seed)
            try simulation.run(steps: 120)
            let tally = simulation.tally
            let counts = [
                "interruptions": tally.interruptions, "losses": tally.losses, "recoveries": tally.recoveries,
                "replays": tally.replays, "failed replays": tally.failedReplays,
                "partial answers": tally.partialAnswers, "whole answers": tally.wholeAnswers,
            ]
            seen.merge(counts, uniquingKeysWith: +)
            seen.merge(tally.refusals, uniquingKeysWith: +)
        }
        guard !isOneSeedAlone else { return }
        // A schedule in which nothing happens shows nothing.
        let expected = [
            "interruptions", "losses", "recoveries", "replays", "failed replays", "partial answers", "whole answers",
            "unavailable", "keyReused", "conditionFailed", "full",
        ]
        for name in expected { #expect(seen[name, default: 0] > 1000, "\(name)") }
    }
}
