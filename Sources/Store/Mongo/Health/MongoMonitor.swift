import Logging
import Synchronization
import System

/// Watches the server from a thread of its own: probes it every second over its own connection, and puts the
/// indexes in order when it starts and whenever the server has come back.
final class MongoMonitor: Sendable {
    private static let interval = Duration.seconds(1)

    private let uri: MongoURI
    private let probe: MongoProbe
    private let indexes: MongoIndexes
    private let health: MongoHealth
    private let logger: Logger
    private let thread = Mutex<Threads?>(nil)
    private let wakeup = Wakeup()
    private let isStopping = Atomic(false)
    private let needsReconciliation = Atomic(true)

    init(uri: MongoURI, probe: MongoProbe, indexes: MongoIndexes, health: MongoHealth, logger: Logger) {
        self.uri = uri
        self.probe = probe
        self.indexes = indexes
        self.health = health
        self.logger = logger
    }

    /// Throws where the system has no thread to give.
    func start() throws(SystemCallError) {
        try thread.withLock { thread throws(SystemCallError) in
            guard thread == nil else { return }
            let started = Threads()
            try started.start { [self] in run() }
            thread = started
        }
    }

    /// Ends the thread and waits for it, at most as long as a probe takes.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        wakeup.signal()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }

    func reconcileIndexes() {
        needsReconciliation.store(true, ordering: .relaxed)
        wakeup.signal()
    }

    /// Returns whether to go on.
    private func pause() -> Bool {
        if !isStopping.load(ordering: .relaxed) { wakeup.wait(for: Self.interval) }
        return !isStopping.load(ordering: .relaxed)
    }

    private func run() {
        var reconciliation = Reconciliation()
        repeat {
            health.probeBegins()
            do {
                // A client that has failed remembers it and pauses; the next turn has a fresh one.
                try MongoClient.withOwn(uri, timeout: MongoProbe.timeoutMilliseconds) { client throws(MongoError) in
                    repeat {
                        health.probeBegins()
                        let answer = try probe.ask(client)
                        if !health.probeEnded(answer) { logger.info("MongoDB answers") }
                        // An index build that outlasts this client's patience goes on without it; another one watches.
                        guard reconcile(client, &reconciliation) else { return }
                    } while pause()
                }
            } catch {
                if health.probeEnded(nil) {
                    logger.info("MongoDB does not answer", metadata: ["reason": .string(error.description)])
                }
                needsReconciliation.store(true, ordering: .relaxed)
            }
        } while pause()
    }

    /// When the indexes are looked at again after something went wrong.
    private struct Reconciliation {
        var next = ContinuousClock.now
        var pause = Duration.seconds(1)
        var isRefused = false
    }

    /// Returns whether the client can be used further.
    private func reconcile(_ client: borrowing MongoClient, _ state: inout Reconciliation) -> Bool {
        guard needsReconciliation.load(ordering: .relaxed), ContinuousClock.now >= state.next else { return true }
        do {
            let outcome = try indexes.reconcile(client)
            needsReconciliation.store(false, ordering: .relaxed)
            health.setTTL(seconds: outcome.ttlSeconds)
            if outcome.isRefused, !state.isRefused {
                logger.warning(
                    "MongoDB does not let this user manage indexes; give it the role dbAdmin or make the index",
                    metadata: ["wanted": .string(indexes.wanted.description)])
            }
            for step in outcome.steps {
                logger.notice("An index was reconciled", metadata: ["step": .string(step.description)])
            }
            state = Reconciliation(isRefused: outcome.isRefused)
            return true
        } catch {
            state.next = .now + state.pause
            state.pause = min(state.pause * 2, .seconds(60))
            logger.warning(
                "The indexes could not be put in order; it is tried again",
                metadata: ["reason": .string(error.description)])
            return error.domain != .network
        }
    }
}
