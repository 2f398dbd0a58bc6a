import ArgumentParser
import Glibc
import Logging
import Store
import System

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers FastCGI requests until it is told to stop.",
        discussion: """
            SIGTERM and SIGINT drain: no new connection is taken, requests in flight are finished, and the connections \
            that are open are served until the web server closes them or the time is over. A second signal ends the \
            worker at once. SIGHUP reads the token files again.
            """)

    @Option(
        help: ArgumentHelp(
            "unix:/path.sock, 127.0.0.1:9000 or [::1]:9000. Without it, the listening socket on descriptor 0 or from "
                + "LISTEN_FDS.", valueName: "address"))
    var listen: String?

    @Option(help: "How many requests are answered at once. The default is 64 with MongoDB and 8 without.")
    var threads: Int?

    @Option(help: ArgumentHelp("The permissions of the Unix socket.", valueName: "octal"))
    var socketMode = "0660"

    @Flag(help: "Allow --listen on an address that other machines reach. Whoever reaches it owns the worker.")
    var allowRemote = false

    @Option(help: ArgumentHelp("How long draining may take.", valueName: "seconds"))
    var drainSeconds = 10

    @Option(help: ArgumentHelp("How long a request may take to arrive.", valueName: "seconds"))
    var requestTimeout = 5

    @OptionGroup var settingsOptions: SettingsOptions

    private static let defaultThreads = (memory: 8, mongodb: 64)

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024.") }
        if !(0...3600).contains(drainSeconds) { throw ValidationError("--drain-seconds must be from 0 to 3600.") }
        if !(1...3600).contains(requestTimeout) { throw ValidationError("--request-timeout must be from 1 to 3600.") }
        guard let mode = mode_t(socketMode, radix: 8), mode <= 0o777 else {
            throw ValidationError("--socket-mode must be an octal number up to 0777.")
        }
        guard let listen else { return }
        guard let address = ListenAddress(listen) else {
            throw ValidationError(
                "--listen must be unix:/path (of up to \(ListenAddress.maximumPathBytes) bytes) or a numeric address:port.")
        }
        guard address.isLocal || allowRemote else {
            throw ValidationError(
                "--listen \(listen) can be reached by other machines. FastCGI knows no passwords: whoever reaches the "
                    + "socket owns the worker. If a private network is meant, add --allow-remote.")
        }
    }

    func run() throws {
        // Before the first thread: libfcgi takes an interrupted call for the end of a request's body.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)

        let settings = try settingsOptions.load()
        let output = LogOutput(format: settings.logFormat)
        let logger = Logger(label: "session-fcgi") { _ in LineLogHandler(output: output, level: settings.logLevel) }
        let tokens = try Tokens(settings)
        let threadCount = threads ?? (settings.usesMongo ? Self.defaultThreads.mongodb : Self.defaultThreads.memory)
        let open = try OpenStore(settings, threads: threadCount, logger: logger)
        let listener = try openListener()
        if !settings.usesMongo { try claimForMemory(listener, logger) }
        let router = Router(
            store: open.store,
            options: Router.Options(
                maxMessageBytes: settings.maxMessageBytes, maxBodyBytes: settings.maxBodyBytes,
                testRoutesEnabled: settings.testRoutesEnabled),
            adminTokens: tokens.admin, apiTokens: tokens.api)
        let worker = try Worker(
            router: router, listener: listener,
            options: Worker.Options(
                threads: threadCount, requestTimeout: .seconds(requestTimeout), maxBodyBytes: settings.maxBodyBytes,
                storeBlocks: open.blocks),
            logger: logger, requestLog: RequestLog(output: output, level: settings.logLevel))
        let manager = ServiceManager()
        try worker.start(on: Threads())
        manager.ready("Answering with \(threadCount) threads and up to \(open.connections) connections to MongoDB")
        logger.notice(
            "Answering requests.",
            metadata: [
                "version": "\(version)", "listen": "\(listen ?? "inherited socket")", "threads": "\(threadCount)",
                "store": "\(settings.usesMongo ? "mongodb" : "memory")", "mongodb_connections": "\(open.connections)",
            ])

        waitForStopSignal(worker, tokens, output, manager, logger)
        manager.stopping("Draining")
        let deadline = ContinuousClock.now + .seconds(drainSeconds)
        worker.drain()
        while worker.load.connections > 0, .now < deadline { attendToDrain(worker, output, manager, logger) }
        // No request is taken any more that the store would acknowledge and nobody would write.
        worker.stop()
        let left = open.close(within: max(.zero, deadline - .now)) {
            attendToDrain(worker, output, manager, logger)
        }
        logger.notice(
            "Stopped.",
            metadata: ["connections": "\(worker.load.connections)", "requests": "\(worker.load.requests)"])
        output.flush()
        // A thread may be waiting for a peer or for a dead server: it goes with the process.
        _exit(left > 0 ? EXIT_FAILURE : EXIT_SUCCESS)
    }

    private func openListener() throws -> ListeningSocket {
        do throws(SystemCallError) {
            guard let listen, let address = ListenAddress(listen), let mode = mode_t(socketMode, radix: 8) else {
                return try .inherited()
            }
            return try ListeningSocket(binding: address, mode: mode)
        } catch {
            printError("cannot listen on \(listen ?? "an inherited socket; name an address with --listen"): \(error)")
            throw ExitCode.failure
        }
    }

    /// Memory is one process's own: with two workers behind one socket a client's past would depend on which of them
    /// it meets. The kernel knows who shares the socket, so that a second one cannot begin unnoticed.
    private func claimForMemory(_ listener: ListeningSocket, _ logger: Logger) throws {
        guard try listener.claim() else {
            printError(
                "SESSION_STORE: another worker on this socket keeps sessions in its own memory already, and clients "
                    + "would see one past or another; set MONGO_URI, or run one worker")
            throw ExitCode(ConfigurationError.exitStatus)
        }
        logger.warning(
            """
            Sessions are kept in this worker's memory: they end with it, and no other worker knows them. A pool of \
            workers needs MONGO_URI.
            """)
    }

    /// Attends to signals and to the worker's upkeep until a signal asks the worker to stop.
    private func waitForStopSignal(
        _ worker: Worker, _ tokens: Tokens, _ output: LogOutput, _ manager: ServiceManager, _ logger: Logger
    ) {
        while true {
            output.flush()
            manager.signOfLife()
            switch nextSignal(within: .milliseconds(200)) {
            case nil: worker.tick()
            case SIGHUP: tokens.reload(logger)
            case let signal?:
                logger.notice("Draining.", metadata: ["signal": "\(signal)"])
                return
            }
        }
    }

    /// Attends, for a moment, to a worker that is on its way out. A signal ends it at once.
    private func attendToDrain(_ worker: Worker, _ output: LogOutput, _ manager: ServiceManager, _ logger: Logger) {
        if let signal = nextSignal(within: .milliseconds(20)), signal != SIGHUP {
            logger.warning("Stopping at once.", metadata: ["signal": "\(signal)"])
            output.flush()
            _exit(EXIT_FAILURE)
        }
        worker.tick()
        manager.signOfLife()
    }

    /// SIGTERM, SIGINT or SIGHUP; nil when none came.
    private func nextSignal(within timeout: Duration) -> Int32? {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, signal) }
        let (seconds, attoseconds) = timeout.components
        var limit = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        let signal = sigtimedwait(&signals, nil, &limit)
        return signal > 0 ? signal : nil
    }
}
