import Glibc
import Store

@testable import SessionFCGI

/// Both ends of one FastCGI connection, on one thread: what is written waits in the socket until it is read.
final class Wire {
    private let router: Router
    private let exchange = Exchange()
    private let webServer: Int32
    private let worker: Int32
    private var answer = [UInt8](repeating: 0, count: 65_536)

    struct Broken: Error {}

    init(router: Router) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { throw Broken() }
        self.router = router
        webServer = ends[0]
        worker = ends[1]
    }

    deinit {
        close(webServer)
        close(worker)
    }

    /// Sends a request, has it answered, and reads the answer; its length.
    func roundTrip(_ records: [UInt8]) throws -> Int {
        guard write(webServer, records, records.count) == records.count,
            case .request(let request) = exchange.read(
                from: worker, within: .seconds(5), maximumBodyBytes: RequestLimits().maxBodyBytes)
        else { throw Broken() }
        let response = router.respond(to: request)
        let header = response.header(requestID: request.id)
        guard exchange.finish(header, response.body, within: .seconds(5)) != nil else { throw Broken() }
        return read(webServer, &answer, answer.count)
    }

    /// A request in the records that nginx would send: its beginning, its parameters and its body.
    static func records(of request: Request) -> [UInt8] {
        guard case .bytes(let body) = request.body else { return [] }
        let parameters: [(String, String)] = [
            ("REQUEST_METHOD", request.method), ("REQUEST_URI", String(decoding: request.target, as: UTF8.self)),
            ("CONTENT_TYPE", request.contentType ?? ""), ("CONTENT_LENGTH", body.isEmpty ? "" : String(body.count)),
            ("REMOTE_ADDR", "127.0.0.1"), ("REQUEST_ID", request.id), ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
        ]
        var pairs: [UInt8] = []
        for (name, value) in parameters {
            pairs += [UInt8(name.utf8.count), UInt8(value.utf8.count)]
            pairs += Array(name.utf8) + Array(value.utf8)
        }
        let begin: [UInt8] = [0, 1, 1, 0, 0, 0, 0, 0]
        let input = body.isEmpty ? [] : record(5, body)
        return record(1, begin) + record(4, pairs) + record(4, []) + input + record(5, [])
    }

    private static func record(_ type: UInt8, _ content: [UInt8]) -> [UInt8] {
        [1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 0xFF), 0, 0] + content
    }
}
