import Logging
import Synchronization
import System

/// Watches the server from a thread of its own: probes it every second over its own connection, and puts the
/// indexes in order when it starts and whenever the server has come back.
final class MongoMonitor: Sendable {
    private static let interval = Duration.seconds(1)

    private let sessions: SessionCollection
    private let logger: Logger
    private let thread = Threads()
    private let wakeup = Wakeup()
    private let isStopping = Atomic(false)

    init(_ sessions: SessionCollection, logger: Logger) {
        self.sessions = sessions
        self.logger = logger
    }

    func start() throws(SystemCallError) { try thread.start { [self] in run() } }

    /// Ends the thread and waits for it, at most as long as a probe takes.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        wakeup.signal()
        thread.join()
    }

    /// Returns whether to go on.
    private func pause() -> Bool {
        if !isStopping.load(ordering: .relaxed) { wakeup.wait(for: Self.interval) }
        return !isStopping.load(ordering: .relaxed)
    }

    private func run() {
        let health = sessions.health
        var reconciliation = Reconciliation()
        repeat {
            health.probeBegins()
            do {
                // A client that has failed remembers it and pauses; the next turn has a fresh one.
                try MongoClient.withOwn(sessions.uri, timeout: MongoProbe.timeoutMilliseconds) { client throws(MongoError) in
                    repeat {
                        health.probeBegins()
                        health.probeEnded(try sessions.probe(client))
                        // An index build that outlasts this client's patience goes on without it; another one watches.
                        guard reconcile(client, &reconciliation) else { return }
                    } while pause()
                }
            } catch {
                logger.debug("A probe of MongoDB has failed.", metadata: ["cause": .string(error.description)])
                health.probeEnded(nil)
                reconciliation.isDue = true
            }
        } while pause()
    }

    /// When the indexes are looked at again after something went wrong.
    private struct Reconciliation {
        /// The server may have been replaced since.
        var isDue = true
        var next = ContinuousClock.now
        var pause = Duration.seconds(1)
        var isRefused = false
    }

    /// Returns whether the client can be used further.
    private func reconcile(_ client: borrowing MongoClient, _ state: inout Reconciliation) -> Bool {
        guard state.isDue, ContinuousClock.now >= state.next else { return true }
        do {
            let outcome = try sessions.indexes.reconcile(client)
            sessions.health.setTTL(seconds: outcome.ttlSeconds)
            if outcome.isRefused, !state.isRefused {
                logger.warning(
                    "MongoDB does not let this user manage indexes; give it the role dbAdmin or make the index.",
                    metadata: ["wanted": .string(sessions.indexes.wanted.description)])
            }
            for step in outcome.steps {
                logger.notice("An index was reconciled.", metadata: ["step": .string(step.description)])
            }
            state = Reconciliation(isDue: false, isRefused: outcome.isRefused)
            return true
        } catch {
            state.next = .now + state.pause
            state.pause = min(state.pause * 2, .seconds(60))
            logger.warning(
                "The indexes could not be put in order; it is tried again.",
                metadata: ["cause": .string(error.description)])
            return error.domain != .network
        }
    }
}
