import Glibc
import Logging
import Synchronization
import System

/// Threads that take requests from one listening socket and answer them.
final class Worker: Sendable {
    struct Options: Sendable {
        var threads = 8
        /// How long a request may take to arrive.
        var requestTimeout = Duration.seconds(5)
        /// How long a peer may take to read an answer. nginx stops reading while a slow client's buffers are full.
        var answerTimeout = Duration.seconds(60)
        var maxBodyBytes = RequestLimits().maxBodyBytes
        /// Whether answering may wait for a database.
        var storeBlocks = false
    }

    /// Where a worker is in its life. It only goes forward.
    enum Phase: UInt8, Sendable, AtomicRepresentable {
        case running
        /// No new connection is taken; those that are open are served.
        case draining
        /// The threads end after the requests that they have read.
        case stopped
    }

    /// A request that was read and is yet to be answered.
    private struct Job: Sendable {
        let exchange: Exchange
        let connection: Int32
        let method: String
        let requestID: String
        let destination: Router.Destination
        let received: ContinuousClock.Instant
    }

    private let router: Router
    private let options: Options
    private let logger: Logger
    private let requestLog: RequestLog
    private let poller: Poller
    private let listener: ListeningSocket
    private let admission: StoreAdmission<Job>
    private let exchanges = ExchangePool()
    private let acceptPause = AcceptPause()
    private let threads = Threads()
    private let currentPhase = Atomic(Phase.running)
    private let openConnections = Atomic<Int>(0)
    private let requestsInHand = Atomic<Int>(0)

    init(
        router: Router, listener: ListeningSocket, options: Options, logger: Logger, requestLog: RequestLog
    ) throws(SystemCallError) {
        self.router = router
        self.listener = listener
        self.options = options
        self.logger = logger
        self.requestLog = requestLog
        // Two threads are kept free of the store, where there are as many.
        admission = StoreAdmission(limit: max(1, options.threads - min(2, options.threads / 2)))
        poller = try Poller()
    }

    /// Connections that are open, and requests that are being answered.
    var load: (connections: Int, requests: Int) {
        (openConnections.load(ordering: .sequentiallyConsistent), requestsInHand.load(ordering: .relaxed))
    }

    var phase: Phase { currentPhase.load(ordering: .sequentiallyConsistent) }

    private func advance(to phase: Phase) {
        let before = currentPhase.exchange(phase, ordering: .sequentiallyConsistent)
        precondition(before.rawValue <= phase.rawValue, "a worker's life goes forward only")
    }

    // MARK: Its life

    /// Starts the threads, which end after `stop` and are waited for by `join`.
    func start() throws(SystemCallError) {
        try poller.watch(listener)
        for _ in 0..<options.threads { try threads.start { self.run() } }
    }

    /// To be called a few times a second: cuts off peers that are late, and takes up accepting again.
    func tick() {
        // Nobody is waited for any more by a worker that has stopped.
        let lateFrom = phase == .stopped ? ContinuousClock.now + .seconds(86_400) : .now
        for _ in 0..<exchanges.cutOff(at: lateFrom) {
            logger.info("Cut off a connection whose peer stopped within a request.")
        }
        if phase == .running { acceptPause.end { () throws(SystemCallError) in try poller.watch(listener) } }
    }

    /// Takes no new connections. Those that are open are served until the web server closes them: a request may be
    /// on its way on any of them, and nginx does not send a POST again that it has sent.
    func drain() {
        advance(to: .draining)
        poller.unwatch(listener)
        // The web server may have sent requests on connections that nobody has accepted yet. On a shared socket the
        // kernel may have told this worker alone of one; a TCP listener drops those when it is closed, a Unix one
        // still gives them out.
        acceptAll()
        guard !listener.isShared else { return }
        listener.refuseConnections()
        acceptAll()
    }

    func stop() {
        advance(to: .stopped)
        poller.stop()
    }

    /// Waits for the threads of a worker that has stopped. No request is answered from then on.
    func join(whileWaiting: () -> Void = {}) {
        threads.join {
            tick()
            whileWaiting()
        }
    }

    private func acceptAll() {
        while case .connection(let connection) = listener.accept() { park(connection, isNew: true) }
    }

    // MARK: A thread

    private func run() {
        while true {
            switch poller.wait() {
            case .stop: return
            case .listener: acceptOne()
            case .connection(let connection): serve(connection)
            }
        }
    }

    private func acceptOne() {
        // Counted before it is accepted, so that a drain does not end in between. One that has begun before the count
        // accepts itself what there is.
        openConnections.add(1, ordering: .sequentiallyConsistent)
        defer { openConnections.subtract(1, ordering: .sequentiallyConsistent) }
        guard phase == .running else { return }
        switch listener.accept() {
        case .none: break
        case .connection(let connection):
            acceptPause.noteAccepted()
            park(connection, isNew: true)
        case .exhausted(let error):
            // The listener stays readable: without a pause all threads would spin on it.
            if acceptPause.begin() { poller.unwatch(listener) }
            if acceptPause.isNews() {
                logger.error("Cannot accept connections; raise the limit on open files.", metadata: ["cause": "\(error)"])
            }
        }
    }

    private func park(_ connection: Int32, isNew: Bool) {
        if isNew { openConnections.add(1, ordering: .relaxed) }
        do throws(SystemCallError) {
            try poller.park(connection, isNew: isNew)
        } catch {
            logger.error("Cannot watch a connection.", metadata: ["cause": "\(error)"])
            close(connection)
            openConnections.subtract(1, ordering: .relaxed)
        }
    }

    private func serve(_ connection: Int32) {
        requestsInHand.add(1, ordering: .relaxed)
        let exchange = exchanges.take(for: connection)
        switch exchange.read(from: connection, within: options.requestTimeout, maximumBodyBytes: options.maxBodyBytes) {
        case .closed:
            openConnections.subtract(1, ordering: .relaxed)
            giveBack(exchange, of: connection)
        case .refused(let problem, let id):
            let response = router.refusal(problem)
            requestLog.record(method: "-", route: "-", id: id, response, since: .now)
            send(response, id: id, isHead: false, over: exchange, of: connection)
        case .request(let request):
            let job = Job(
                exchange: exchange, connection: connection, method: request.method, requestID: request.id,
                destination: router.destination(of: request), received: .now)
            guard options.storeBlocks, job.destination.asksStore else { return answer(job) }
            guard admission.enter(job) else { return }
            answer(job)
            while let next = admission.leave() { answer(next) }
        }
    }

    private func answer(_ job: Job) {
        let response = router.respond(at: job.destination)
        requestLog.record(
            method: job.method, route: job.destination.template, id: job.requestID, response, since: job.received)
        send(response, id: job.requestID, isHead: job.method == "HEAD", over: job.exchange, of: job.connection)
    }

    private func send(_ response: Response, id: String, isHead: Bool, over exchange: Exchange, of connection: Int32) {
        let (header, body) = (response.header(requestID: id), isHead ? nil : response.body)
        if let kept = exchange.finish(header, body, within: options.answerTimeout) {
            park(kept, isNew: false)
        } else {
            openConnections.subtract(1, ordering: .relaxed)
        }
        giveBack(exchange, of: connection)
    }

    private func giveBack(_ exchange: Exchange, of connection: Int32) {
        exchanges.giveBack(exchange, of: connection)
        requestsInHand.subtract(1, ordering: .relaxed)
    }
}
