import Glibc
import Logging
import Store
import Synchronization
import System

/// Threads that take requests from one listening socket and answer them. States only go forward: running,
/// draining, stopped.
final class Worker: Sendable {
    struct Options: Sendable {
        var threads = 8
        /// How long a request may take to arrive.
        var requestTimeout = Duration.seconds(5)
        /// How long a peer may take to read an answer. nginx stops reading while a slow client's buffers are full.
        var answerTimeout = Duration.seconds(60)
        var maxBodyBytes = 1_048_576
        /// Whether answering may wait for a database.
        var storeBlocks = false
    }

    private final class SpareExchanges: Sendable {
        let list = Mutex<[Exchange]>([])
    }

    /// A request that was read and is yet to be answered.
    private struct Job: Sendable {
        let exchange: Exchange
        let request: Request
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
    /// Every exchange there is, for the thread that cuts off late peers.
    private let exchanges = Mutex<[Exchange]>([])
    /// Exchanges that are not in use, in several lists: with one, its lock was a quarter of what a fixed answer cost.
    private let spareExchanges = (0..<32).map { _ in SpareExchanges() }
    private let openConnections = Atomic<Int>(0)
    private let requestsInHand = Atomic<Int>(0)
    private let isDraining = Atomic<Bool>(false)
    /// Set while the machine has no descriptor to spare.
    private let isAcceptingPaused = Atomic<Bool>(false)
    /// Whether the log has been told of it since a connection was last accepted.
    private let isExhaustionKnown = Atomic<Bool>(false)

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

    /// Starts the threads. The caller joins them after `stop`.
    func start(on threads: Threads) throws(SystemCallError) {
        try poller.watch(listener)
        for _ in 0..<options.threads {
            try threads.start { self.run() }
        }
    }

    /// To be called a few times a second: cuts off peers that are late, and takes up accepting again.
    func tick() {
        let now = ContinuousClock.now
        for exchange in exchanges.withLock({ $0 }) where exchange.cutOff(at: now) {
            logger.info("Cut off a connection whose peer stopped within a request.")
        }
        if isAcceptingPaused.load(ordering: .acquiring), !isDraining.load(ordering: .acquiring) {
            isAcceptingPaused.store(false, ordering: .releasing)
            do throws(SystemCallError) {
                try poller.watch(listener)
            } catch {
                // Where another thread has met the limit again meanwhile, the listener is watched still.
                isAcceptingPaused.store(error.code != EEXIST, ordering: .releasing)
            }
        }
    }

    /// Takes no new connections. Those that are open are served until the web server closes them: a request may be
    /// on its way on any of them, and nginx does not send a POST again that it has sent.
    func drain() {
        isDraining.store(true, ordering: .sequentiallyConsistent)
        poller.unwatch(listener)
        // The web server may have sent requests on connections that nobody has accepted yet. On a shared socket the
        // kernel may have told this worker alone of one; a TCP listener drops those when it is closed, a Unix one
        // still gives them out.
        acceptAll()
        guard !listener.isShared else { return }
        listener.refuseConnections()
        acceptAll()
    }

    private func acceptAll() {
        while case .connection(let connection) = listener.accept() { park(connection, isNew: true) }
    }

    func stop() {
        poller.stop()
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
        guard !isDraining.load(ordering: .sequentiallyConsistent) else { return }
        switch listener.accept() {
        case .none: break
        case .connection(let connection):
            isExhaustionKnown.store(false, ordering: .relaxed)
            park(connection, isNew: true)
        case .exhausted(let error):
            // The listener stays readable: without a pause all threads would spin on it.
            if isAcceptingPaused.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged {
                poller.unwatch(listener)
            }
            if !isExhaustionKnown.exchange(true, ordering: .relaxed) {
                logger.error("Cannot accept connections; raise the limit on open files.", metadata: ["error": "\(error)"])
            }
        }
    }

    private func park(_ connection: Int32, isNew: Bool) {
        if isNew { openConnections.add(1, ordering: .relaxed) }
        do throws(SystemCallError) {
            try poller.park(connection, isNew: isNew)
        } catch {
            logger.error("Cannot watch a connection.", metadata: ["error": "\(error)"])
            close(connection)
            openConnections.subtract(1, ordering: .relaxed)
        }
    }

    private func serve(_ connection: Int32) {
        requestsInHand.add(1, ordering: .relaxed)
        let exchange = takeExchange(for: connection)
        switch exchange.read(from: connection, within: options.requestTimeout, maximumBodyBytes: options.maxBodyBytes) {
        case .closed:
            openConnections.subtract(1, ordering: .relaxed)
            giveBack(exchange)
        case .refused(let problem, let requestID):
            var response = problem.response
            response.store = router.store.kind
            requestLog.record(method: "-", route: "-", id: requestID, response, since: .now)
            send(response, id: requestID, isHead: false, over: exchange)
        case .request(let request):
            let job = Job(
                exchange: exchange, request: request, destination: router.destination(of: request), received: .now)
            guard options.storeBlocks, job.destination.usesStore else { return answer(job) }
            guard admission.enter(job) else { return }
            answer(job)
            while let next = admission.leave() { answer(next) }
        }
    }

    private func answer(_ job: Job) {
        let response = router.respond(to: job.request, at: job.destination)
        requestLog.record(
            method: job.request.method, route: job.destination.template, id: job.request.id, response,
            since: job.received)
        send(response, id: job.request.id, isHead: job.request.method == "HEAD", over: job.exchange)
    }

    private func send(_ response: Response, id: String, isHead: Bool, over exchange: Exchange) {
        if let kept = exchange.finish(response.header(requestID: id), isHead ? nil : response.body) {
            park(kept, isNew: false)
        } else {
            openConnections.subtract(1, ordering: .relaxed)
        }
        giveBack(exchange)
    }

    private func takeExchange(for connection: Int32) -> Exchange {
        let place = Int(connection) % spareExchanges.count
        if let spare = spareExchanges[place].list.withLock({ $0.popLast() }) { return spare }
        let new = Exchange(answerTimeout: options.answerTimeout, place: place)
        exchanges.withLock { $0.append(new) }
        return new
    }

    private func giveBack(_ exchange: Exchange) {
        spareExchanges[exchange.place].list.withLock { $0.append(exchange) }
        requestsInHand.subtract(1, ordering: .relaxed)
    }
}
