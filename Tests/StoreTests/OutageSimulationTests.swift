import TestSupport
import Testing

/// The whole of the outage's store under seeded schedules of clients, faults, looks and replays.
@Suite struct OutageSimulationTests {
    @Test func `whatever fails, what was acknowledged and nothing else is kept, once and in order`() throws {
        try run(seeds: 2000, isOnDisk: false, each: 1000)
    }

    @Test func `the same holds of a file, whose user is killed now and then`() throws {
        try run(seeds: 100, isOnDisk: true, each: 10)
    }

    /// - Parameter least: how often everything is to happen.
    private func run(seeds: Int, isOnDisk: Bool, each least: Int) throws {
        var seen: [String: Int] = [:]
        try forEachSeed(seeds) { seed in
            let simulation = try OutageSimulation(seed, in: isOnDisk ? try StateFolder() : nil)
            try simulation.run(steps: 120)
            let tally = simulation.tally
            let counts = [
                "interruptions": tally.interruptions, "losses": tally.losses, "recoveries": tally.recoveries,
                "replays": tally.replays, "failed replays": tally.failedReplays, "restarts": tally.restarts,
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
        for name in expected { #expect(seen[name, default: 0] > least, "\(name)") }
        #expect((seen["restarts", default: 0] > least) == isOnDisk)
    }
}
