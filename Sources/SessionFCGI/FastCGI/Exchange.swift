import CFCGI
import Glibc
import Synchronization
import Text

/// One request and its answer over a connection that is lent to libfcgi for as long as they take.
///
/// libfcgi reads and writes with blocking calls. `cutOff(at:)`, called from another thread, ends those of a peer that
/// keeps them waiting too long.
final class Exchange: @unchecked Sendable {
    // The request belongs to one thread at a time: to the one that holds the exchange. `pending` is locked.

    enum Reading {
        case request(Request)
        /// The request cannot be answered by the routes, but its peer can be told so.
        case refused(Problem, requestID: String)
        /// The peer closed a connection on which it had asked nothing, or left within a request.
        case closed
    }

    private let request: UnsafeMutablePointer<FCGX_Request>
    /// The connection whose peer is waited for, and until when.
    private let pending = Mutex<(connection: Int32, deadline: ContinuousClock.Instant)?>(nil)

    /// How much of an unwanted body is read and thrown away, so that the peer, who may be sending it still,
    /// gets to read the answer.
    private static let maximumDrainedBytes = 64 << 20

    private static let libraryIsReady: Bool = {
        // Closing waits for the peer's end of the connection, up to 2 s by default. (PHP-FPM does not wait either.)
        setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "10", 0)
        return FCGX_Init() == 0
    }()

    init() {
        precondition(Self.libraryIsReady)
        request = .allocate(capacity: 1)
        // There is no listening socket for libfcgi: it is lent connections that were accepted elsewhere.
        FCGX_InitRequest(request, -1, 0)
    }

    deinit { request.deallocate() }

    /// Reads the next request of a connection, which is the exchange's own from here until `finish`.
    /// - Parameters:
    ///   - timeout: how long the whole request may take to arrive.
    ///   - maximumBodyBytes: a longer body is not kept.
    func read(from connection: Int32, within timeout: Duration, maximumBodyBytes: Int) -> Reading {
        RecordGuard.watching {
            begin(connection, timeout: timeout)
            defer { endIO() }
            cfcgi_lend_connection(request, connection)
            guard FCGX_Accept_r(request) == 0 else { return .closed }
            // Parameters that break off between two of them are no failure to libfcgi.
            guard FCGX_GetError(request.pointee.in) == 0 else {
                abandon()
                return .closed
            }
            var received = Request(method: "", target: [], id: "")
            let parameters = Parameters(request.pointee.envp, into: &received)
            let body = readBody(declaredLength: parameters.contentLength, limit: maximumBodyBytes)
            guard request.pointee.role == FCGI_RESPONDER else {
                let problem = Problem(501, "The worker answers to FastCGI's responder role only.")
                return .refused(problem, requestID: received.id)
            }
            switch body {
            case .bytes(let bytes): received.body = .bytes(bytes)
            case .tooLarge: received.body = .tooLarge
            case .mismatch:
                let problem = Problem(400, "The body does not have the length that Content-Length names.")
                return .refused(problem, requestID: received.id)
            case .broken:
                abandon()
                return .closed
            }
            return .request(received)
        }
    }

    /// Sends an answer and ends the exchange. Returns the connection when it is to be kept; it is closed else.
    /// - Parameter timeout: how long the peer may take to read the answer.
    func finish(_ header: ByteBuffer, _ body: ByteBuffer?, within timeout: Duration) -> Int32? {
        begin(request.pointee.ipcFd, timeout: timeout)
        put(header)
        if let body { put(body) }
        FCGX_Finish_r(request)
        endIO()
        let connection = cfcgi_take_connection(request)
        return connection >= 0 ? connection : nil
    }

    /// Ends the blocking calls of a peer that has kept them waiting beyond its time. Returns whether it did.
    func cutOff(at now: ContinuousClock.Instant) -> Bool {
        pending.withLock { pending in
            guard let late = pending, late.deadline <= now else { return false }
            shutdown(late.connection, Int32(SHUT_RDWR))
            pending = nil
            return true
        }
    }

    // MARK: Input

    private enum Body {
        case bytes([UInt8])
        case tooLarge, mismatch, broken
    }

    /// Reads the body to the end of its stream, so that nothing of it is left for the connection's next request.
    private func readBody(declaredLength: Parameters.ContentLength, limit: Int) -> Body {
        var bytes: [UInt8] = []
        var expected = 0
        switch declaredLength {
        case .absent: break
        case .invalid: return drain() ? .mismatch : .broken
        case .bytes(let length) where length > limit: return drain() ? .tooLarge : .broken
        case .bytes(let length): expected = length
        }
        let input = request.pointee.in
        // One byte more than is expected shows the end of the stream, or that it goes on.
        var room = expected + 1
        while true {
            let start = bytes.count
            let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                count = buffer.withMemoryRebound(to: CChar.self) {
                    Int(FCGX_GetStr($0.baseAddress, Int32(room), input))
                }
            }
            if start == 0 { bytes = chunk } else { bytes += chunk }
            if bytes.count < start + room { break }
            if bytes.count > limit { return drain() ? .tooLarge : .broken }
            room = min(max(bytes.count, 8192), limit + 1 - bytes.count)
        }
        guard FCGX_GetError(input) == 0 else { return .broken }
        if case .bytes = declaredLength, bytes.count != expected { return .mismatch }
        return .bytes(bytes)
    }

    /// Throws the rest of the body away. False where the peer left; the connection is not kept where it goes on
    /// for too long.
    private func drain() -> Bool {
        var scratch = [CChar](repeating: 0, count: 16_384)
        var drained = 0
        while drained < Self.maximumDrainedBytes {
            let count = Int(FCGX_GetStr(&scratch, Int32(scratch.count), request.pointee.in))
            drained += count
            if count < scratch.count { return FCGX_GetError(request.pointee.in) == 0 }
        }
        request.pointee.keepConnection = 0
        return true
    }

    /// Closes the connection without an answer.
    private func abandon() {
        request.pointee.keepConnection = 0
        FCGX_Finish_r(request)
    }

    // MARK: Output

    private func put(_ buffer: ByteBuffer) {
        buffer.bytes.withUnsafeBytes { bytes in
            _ = FCGX_PutStr(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), request.pointee.out)
        }
    }

    private func begin(_ connection: Int32, timeout: Duration) {
        pending.withLock { $0 = (connection, .now + timeout) }
    }

    private func endIO() { pending.withLock { $0 = nil } }
}
