import Synchronization
import System

/// What is known of the server without asking it: written by the monitor and by changes, read by anybody.
final class MongoHealth: Sendable {
    private static let epoch = ContinuousClock.now

    private let isAnswering = Atomic(false)
    /// When the probe that is under way began, in nanoseconds since `epoch`; 0 where there is none.
    private let probeBegan = Atomic<Int64>(0)
    private let count = Atomic(0)
    private let concern = Atomic(MongoClient.WriteConcern.standard)
    /// The server's clock less the time since `epoch`, in milliseconds: this machine's own clock may be set.
    private let clockOffset = Atomic<Int64>(.max)
    private let ttlSeconds: Atomic<Int>

    init(ttlSeconds: Int) { self.ttlSeconds = Atomic(ttlSeconds) }

    /// Whether the last probe was answered, and none has been under way for over a second.
    var isHealthy: Bool {
        let began = probeBegan.load(ordering: .relaxed)
        let isLate = began != 0 && Self.nanoseconds() - began > 1_000_000_000
        return isAnswering.load(ordering: .relaxed) && !isLate
    }

    var status: StoreStatus {
        let isHealthy = isHealthy
        return StoreStatus(
            kind: .mongodb, primary: isHealthy ? .reachable : .unreachable,
            activeSessions: max(0, count.load(ordering: .relaxed)),
            ttlSeconds: ttlSeconds.load(ordering: .relaxed), isReady: isHealthy)
    }

    func probeBegins() { probeBegan.store(Self.nanoseconds(), ordering: .relaxed) }

    /// - Parameter probe: nil where it failed.
    func probeEnded(_ probe: MongoProbe?) {
        if let probe { note(probe) }
        isAnswering.store(probe != nil, ordering: .relaxed)
        probeBegan.store(0, ordering: .relaxed)
    }

    func note(_ probe: MongoProbe) {
        count.store(probe.sessions, ordering: .relaxed)
        concern.store(probe.writeConcern, ordering: .relaxed)
        if let time = probe.time {
            clockOffset.store(time.milliseconds - Self.nanoseconds() / 1_000_000, ordering: .relaxed)
        }
    }

    /// What writes are to wait for.
    var writeConcern: MongoClient.WriteConcern { concern.load(ordering: .relaxed) }

    /// About the time on the server's clock; nil before it was heard from.
    var serverTime: Timestamp? {
        let offset = clockOffset.load(ordering: .relaxed)
        return offset == .max ? nil : Timestamp(milliseconds: Self.nanoseconds() / 1_000_000 + offset)
    }

    /// Keeps the count near the truth until the next probe.
    func adjustCount(by difference: Int) { count.wrappingAdd(difference, ordering: .relaxed) }

    func setTTL(seconds: Int) { ttlSeconds.store(seconds, ordering: .relaxed) }

    private static func nanoseconds() -> Int64 {
        let (seconds, attoseconds) = epoch.duration(to: .now).components
        return max(1, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
