import Foundation

/// What was waited for has not come.
package struct TimedOut: Error, CustomStringConvertible {
    package let what: String

    package var description: String { "waited in vain until \(what)" }
}

/// Waits until a condition holds, and throws after a time that is far more than it should take.
package func waitUntil(_ what: String, seconds: Double = 20, _ condition: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw TimedOut(what: what) }
        usleep(2000)
    }
}
