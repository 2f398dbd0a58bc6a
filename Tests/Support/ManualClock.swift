import Synchronization
import System

/// A clock that stands still until a test moves it.
package final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    package init(_ milliseconds: Int64 = 1_705_312_800_000) {
        time = Mutex(Timestamp(milliseconds: milliseconds))
    }

    package var now: Timestamp { time.withLock { $0 } }

    package func advance(milliseconds: Int64) {
        time.withLock { $0.milliseconds += milliseconds }
    }

    package func advance(seconds: Int) {
        advance(milliseconds: Int64(seconds) * 1000)
    }
}
