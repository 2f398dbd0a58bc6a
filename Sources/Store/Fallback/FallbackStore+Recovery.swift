import Synchronization
import System

/// The background threads that look for the database's return and write to it what was recorded meanwhile.
extension FallbackStore {
    private static var replayThreads: Int { 4 }
    private static var probeBackoff: (first: Duration, greatest: Duration) { (.milliseconds(100), .seconds(2)) }
    /// How long to wait after a recorded change could not be written before it is tried again.
    private static var replayPause: Duration { .milliseconds(500) }

    /// Finds out whether the database can be reached, within about a second, and starts the background threads.
    package func start(on threads: Threads) throws(SystemCallError) {
        do throws(StoreError) {
            try primary.ping()
        } catch {
            if breaker.recordFailure(databaseIsHeard: false) { announceLoss("\(error)") }
        }
        try threads.start { self.watch() }
        guard secondary != nil else { return }
        for _ in 0..<Self.replayThreads { try threads.start { self.replay() } }
    }

    /// Waits until all recorded changes are written or the time is over, and ends the background threads, which the
    /// caller joins before it asks for `changesLeft`.
    /// - Parameter whileWaiting: called again and again until then.
    package func close(within timeout: Duration, whileWaiting: () -> Void) {
        let deadline = ContinuousClock.now + timeout
        if let journal = secondary?.journal, journal.count > 0 {
            logger.warning(
                "Trying to write what was acknowledged while MongoDB was away.", metadata: ["pending": "\(journal.count)"])
            while journal.count > 0, .now < deadline { whileWaiting() }
        }
        isClosing.store(true, ordering: .releasing)
        watchWakeup.signal()
        replayWakeup.signal()
    }

    /// How many acknowledged changes were never written.
    package var changesLeft: Int { secondary?.journal.count ?? 0 }

    func announceLoss(_ reason: String) {
        watchWakeup.signal()
        let consequence = secondary == nil
            ? "Requests are refused until it can be (MONGO_FALLBACK=off)."
            : "Sessions are kept in this worker's memory until it can be (MONGO_FALLBACK=memory)."
        logger.warning("MongoDB cannot be reached. \(consequence)", metadata: ["cause": "\(reason)", "setting": "MONGO_URI"])
    }

    // MARK: Looking for the database

    private func watch() {
        var pause = Self.probeBackoff.first
        while !isClosing.load(ordering: .acquiring) {
            guard breaker.isOpen else {
                pause = Self.probeBackoff.first
                watchWakeup.wait(for: .milliseconds(500))
                if breaker.recordWatch(databaseIsHeard: primary.status.isReady, at: .now) {
                    announceLoss("it has not answered for \(Breaker.patience)")
                }
                continue
            }
            if databaseIsBack() {
                if breaker.close() {
                    logger.notice(
                        "MongoDB can be reached again.", metadata: ["pending": "\(secondary?.journal.count ?? 0)"])
                    replayWakeup.signal()
                }
            } else {
                // Jitter, so that a pool of workers does not knock all at once.
                watchWakeup.wait(for: pause * Double.random(in: 0.75...1.25))
                pause = min(pause * 2, Self.probeBackoff.greatest)
            }
        }
    }

    /// Two signs of life in a row: a server that was frozen carries out, once it thaws, what was sent to it before,
    /// and that is to be done before the recorded changes come.
    private func databaseIsBack() -> Bool {
        do throws(StoreError) {
            try primary.ping()
            Wakeup().wait(for: .milliseconds(250))
            try primary.ping()
            return true
        } catch {
            return false
        }
    }

    // MARK: Writing what was recorded

    private func replay() {
        guard let journal = secondary?.journal else { return }
        while !isClosing.load(ordering: .acquiring) {
            guard !breaker.isOpen, let session = journal.claim() else {
                replayWakeup.wait(for: .milliseconds(100))
                continue
            }
            let isWritten = write(session)
            journal.release(session)
            if !isWritten { replayWakeup.wait(for: Self.replayPause) }
        }
    }

    /// Writes a session's recorded changes in their order. Returns false when one could not be written; it stays, and
    /// so do those behind it.
    private func write(_ session: SessionID) -> Bool {
        guard let secondary else { return true }
        while let operation = secondary.journal.oldest(of: session) {
            do throws(StoreError) {
                try apply(operation)
                // Under the gate no change can come between the last one written and the end of memory's copy.
                let isDone = try atGate(of: session) { () throws(StoreError) in
                    guard secondary.journal.removeOldest(of: session) else { return false }
                    _ = try secondary.view.delete(session)
                    return true
                }
                if isDone { return true }
            } catch {
                if case .unavailable(let reason) = error {
                    noteUnavailability(reason)
                } else {
                    logger.error("A recorded change could not be written; trying again.", metadata: ["cause": "\(error)"])
                }
                return false
            }
        }
        return true
    }

    private func apply(_ operation: Operation) throws(StoreError) {
        do {
            _ = try primary.apply(operation)
        } catch {
            // The key was used in the database for another body, which nobody could know when this one was
            // acknowledged: its messages are kept all the same.
            guard error == .keyReused, case .append(let messages, _, let answer) = operation.change else { throw error }
            let keyless = Operation.Change.append(messages, key: nil, answer: answer)
            _ = try primary.apply(Operation(id: operation.id, session: operation.session, change: keyless))
        }
    }
}
