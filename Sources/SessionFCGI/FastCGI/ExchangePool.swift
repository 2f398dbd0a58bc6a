import Synchronization

/// The exchanges of a worker, used again and again: as many as there were requests at once.
final class ExchangePool: Sendable {
    private final class Spare: Sendable {
        let list = Mutex<[Exchange]>([])
    }

    /// Every exchange there is, for the thread that cuts off late peers.
    private let all = Mutex<[Exchange]>([])
    /// Those that are not in use, in several lists: with one, its lock was a quarter of what a fixed answer cost.
    private let spare = (0..<32).map { _ in Spare() }

    /// - Parameter connection: the one that the exchange will be of; it says which list is looked at.
    func take(for connection: Int32) -> Exchange {
        if let exchange = spare(connection).list.withLock({ $0.popLast() }) { return exchange }
        let new = Exchange()
        all.withLock { $0.append(new) }
        return new
    }

    func giveBack(_ exchange: Exchange, of connection: Int32) {
        spare(connection).list.withLock { $0.append(exchange) }
    }

    /// Ends the blocking calls of peers whose time is over. Returns how many there were.
    func cutOff(at now: ContinuousClock.Instant) -> Int { all.withLock { $0 }.count { $0.cutOff(at: now) } }

    private func spare(_ connection: Int32) -> Spare { spare[Int(connection) % spare.count] }
}
