import Glibc
import Logging
import Store
import System

/// A worker with all that belongs to it, from its start to its end: its store, its tokens, its log, and the service
/// manager that it answers to. It belongs to the thread that runs it.
final class Service {
    struct Options {
        /// Nil for the listening socket that whoever started the worker has left for it.
        var listen: (address: ListenAddress, mode: mode_t)?
        var threads: Int
        var requestTimeout: Duration
        var drainTimeout: Duration
    }

    private let options: Options
    private let kind: StoreKind
    private let output: LogOutput
    private let logger: Logger
    private let tokens: Tokens
    private let stores: StoreAssembly
    private let worker: Worker
    private let manager = ServiceManager()

    /// Opens the socket and starts nothing yet. Throws where the system does not let it, or where another worker is in the way.
    init(_ settings: Settings, _ options: Options) throws {
        self.options = options
        kind = settings.store.kind
        let output = LogOutput(format: settings.logFormat)
        let logger = Logger(label: "session-fcgi") { _ in LineLogHandler(logLevel: settings.logLevel, output: output) }
        self.output = output
        self.logger = logger
        tokens = Tokens(admin: settings.adminToken, api: settings.apiTokens)
        let listener = try Self.openListener(options)
        if kind == .memory { try Self.claimForMemory(listener, logger) }
        do throws(StateDirectoryError) {
            stores = try StoreAssembly(settings.store, limits: settings.limits, threads: options.threads, logger: logger)
        } catch {
            throw ConfigurationError(faults: ["STATE_DIRECTORY: \(error)"])
        }
        let router = Router(
            stores.sessions, limits: settings.requestLimits, testRoutesEnabled: settings.testRoutesEnabled,
            access: tokens.access)
        worker = try Worker(
            router: router, listener: listener,
            options: Worker.Options(
                threads: options.threads, requestTimeout: options.requestTimeout,
                maxBodyBytes: settings.requestLimits.maxBodyBytes, storeBlocks: stores.blocks),
            logger: logger, requestLog: RequestLog(output: output, level: settings.logLevel))
    }

    /// Answers requests until a signal says to stop, drains, and joins all that it has started. Returns the exit status:
    /// a failure where something acknowledged is lost.
    func run() throws -> Int32 {
        do throws(SystemCallError) {
            try stores.start()
            try worker.start()
        } catch {
            worker.stop()
            worker.join()
            _ = stores.close(within: .zero, whileWaiting: {})
            throw error
        }
        manager.ready(
            "Answering with \(options.threads) threads and up to \(stores.connections) connections to MongoDB")
        logger.notice(
            "Answering requests.",
            metadata: [
                "version": "\(version)", "listen": "\(options.listen?.address.description ?? "inherited socket")",
                "threads": "\(options.threads)", "store": "\(kind.rawValue)",
                "mongodb_connections": "\(stores.connections)",
            ])
        waitForStopSignal()
        let lost = stop()
        logger.notice(
            "Stopped.",
            metadata: ["connections": "\(worker.load.connections)", "requests": "\(worker.load.requests)"])
        output.flush()
        return lost > 0 ? EXIT_FAILURE : EXIT_SUCCESS
    }

    /// Attends to signals and to the worker's upkeep until a signal asks it to stop.
    private func waitForStopSignal() {
        while true {
            output.flush()
            manager.signOfLife()
            switch Signals.next(within: .milliseconds(200)) {
            case nil: worker.tick()
            case SIGHUP: tokens.reload(logger)
            case let signal?:
                logger.notice("Draining.", metadata: ["signal": "\(signal)"])
                return
            }
        }
    }

    /// Returns how many acknowledged operations are lost.
    private func stop() -> Int {
        manager.stopping("Draining")
        let deadline = ContinuousClock.now + options.drainTimeout
        worker.drain()
        while worker.load.connections > 0, .now < deadline {
            worker.tick()
            attendWhileStopping()
        }
        // Joined before the store closes, so that nothing is acknowledged that nobody would write.
        worker.stop()
        worker.join(whileWaiting: attendWhileStopping)
        return stores.close(within: max(.zero, deadline - .now), whileWaiting: attendWhileStopping)
    }

    /// Attends, for a moment, to a worker that is on its way out. A signal ends it at once.
    private func attendWhileStopping() {
        if let signal = Signals.next(within: .milliseconds(20)), signal != SIGHUP {
            logger.warning("Stopping at once.", metadata: ["signal": "\(signal)"])
            output.flush()
            _exit(EXIT_FAILURE)
        }
        manager.signOfLife()
        output.flush()
    }

    private static func openListener(_ options: Options) throws -> ListeningSocket {
        do throws(SystemCallError) {
            guard let (address, mode) = options.listen else { return try .inherited() }
            return try ListeningSocket(binding: address, mode: mode)
        } catch {
            let name = options.listen?.address.description ?? "an inherited socket; name an address with --listen"
            throw StartFailure(description: "cannot listen on \(name): \(error)")
        }
    }

    /// Memory is one process's own: with two workers behind one socket a client's past would depend on which of them
    /// it meets. The kernel knows who shares the socket, so that a second one cannot begin unnoticed.
    private static func claimForMemory(_ listener: ListeningSocket, _ logger: Logger) throws {
        guard try listener.claim() else {
            throw ConfigurationError(faults: [
                "SESSION_STORE: another worker on this socket keeps sessions in its own memory already, and clients "
                    + "would see one past or another; set STATE_DIRECTORY or MONGO_URI, or run one worker"
            ])
        }
        logger.warning(
            """
            Sessions are kept in this worker's memory: they end with it, and no other worker knows them. A pool of \
            workers needs STATE_DIRECTORY or MONGO_URI.
            """)
    }
}

/// Why a worker could not start, in words for an operator.
struct StartFailure: Error, CustomStringConvertible {
    let description: String
}
