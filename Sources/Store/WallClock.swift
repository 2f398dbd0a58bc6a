import Glibc

/// Where a store reads the time of day from. A parameter, so that a test of expiry needs no waiting.
public protocol WallClock: Sendable {
    var now: Timestamp { get }
}

/// The system's real-time clock.
public struct SystemClock: WallClock {
    public init() {}

    public var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
