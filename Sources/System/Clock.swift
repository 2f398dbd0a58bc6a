import Glibc

/// A point in time in milliseconds since 1970 in UTC, the resolution of a BSON date.
package struct Timestamp: Sendable, Hashable, Comparable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    /// The time so many seconds later, held to what a BSON date can say: another writer may have left any date.
    package func advanced(bySeconds seconds: Int) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(Int64(seconds) * 1000)
        return Timestamp(milliseconds: overflow ? (seconds < 0 ? .min : .max) : sum)
    }
}

/// Where a store reads the time of day from. A parameter, so that a test of expiry needs no waiting.
package protocol WallClock: Sendable {
    var now: Timestamp { get }
}

/// The system's real-time clock.
package struct SystemClock: WallClock {
    package init() {}

    package var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
