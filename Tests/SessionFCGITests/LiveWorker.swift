import Foundation
import Glibc
import Logging
import Store
import Synchronization
import System
import Testing

@testable import SessionFCGI

/// A worker on a Unix socket of its own, with its threads, in this process.
final class LiveWorker: Sendable {
    let worker: Worker
    let store: any SessionService
    let path: String
    private let folder: String
    private let isTicking: Mutex<Bool>

    init(
        store: any SessionService = MemoryStore(limits: StoreLimits(), maxBytes: 256 << 20), router: Router? = nil,
        options: Worker.Options = Worker.Options(threads: 2)
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        folder = try SocketFolder.make()
        path = folder + "/s.sock"
        self.store = store
        let listener = try ListeningSocket(binding: .unix(path: path), mode: 0o600)
        worker = try Worker(
            router: router ?? Router(store, limits: RequestLimits(maxBodyBytes: options.maxBodyBytes)),
            listener: listener, options: options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            requestLog: RequestLog(output: LogOutput(format: .text), level: .critical))
        try worker.start()
        isTicking = Mutex(true)
        Thread.detachNewThread { [self] in
            while isTicking.withLock({ $0 }) {
                worker.tick()
                usleep(20_000)
            }
        }
    }

    func connect() throws -> FastCGIClient { try FastCGIClient(connectingTo: path) }

    /// One request over a connection of its own.
    func ask(_ request: WireRequest) throws -> Answer? {
        var request = request
        request.keep = false
        return try connect().answer(to: request)
    }

    /// Whether the worker comes to hold this many connections and no request.
    func settles(at connections: Int) -> Bool {
        waits { self.worker.load.connections == connections && self.worker.load.requests == 0 }
    }

    /// Ends the threads. Every test does so at its end, when its connections are closed.
    func stop() {
        isTicking.withLock { $0 = false }
        worker.stop()
        worker.join()
        try? FileManager.default.removeItem(atPath: folder)
    }
}

/// Waits for a condition, for as long as a loaded machine may need.
func waits(upTo limit: Duration = .seconds(20), for condition: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if condition() { return true }
        usleep(2_000)
    }
    return condition()
}

/// A folder for a socket, since a socket's path must be short.
enum SocketFolder {
    static func make() throws -> String {
        var template = Array((FileManager.default.temporaryDirectory.path + "/fcgi-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
