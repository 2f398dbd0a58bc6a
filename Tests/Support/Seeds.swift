import Foundation

/// Something that must hold does not.
package struct Violation: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Throws where what must hold does not.
package func hold(_ condition: @autoclosure () throws -> Bool, _ what: @autoclosure () -> String) throws {
    guard try condition() else { throw Violation(what()) }
}

/// A run that failed, and how to have it again.
package struct SeedFailed: Error, CustomStringConvertible {
    package let seed: UInt64
    package let cause: any Error

    package var description: String { "seed \(seed) (TEST_SEED=\(seed) runs it alone): \(cause)" }
}

/// Whether one seed alone is to be run.
package let isOneSeedAlone = seedAlone != nil

private let seedAlone = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }

/// Runs a body once with each of so many seeds, or with that of TEST_SEED alone, up to the first that fails.
package func forEachSeed(_ count: Int, _ body: (_ seed: UInt64) throws -> Void) throws {
    for seed in seedAlone.map({ $0...$0 }) ?? 0...UInt64(count - 1) {
        do {
            try body(seed)
        } catch {
            throw SeedFailed(seed: seed, cause: error)
        }
    }
}
