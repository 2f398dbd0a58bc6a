import Store
import Synchronization

/// A clock that stands still until a test moves it.
final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    init(_ milliseconds: Int64 = 1_705_312_800_000) {
        time = Mutex(Timestamp(milliseconds: milliseconds))
    }

    var now: Timestamp { time.withLock { $0 } }

    func advance(milliseconds: Int64) {
        time.withLock { $0.milliseconds += milliseconds }
    }
}
