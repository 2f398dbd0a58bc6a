import CFCGI
import Glibc
import Store
import Testing
import Text

@testable import SessionFCGI

/// What the two shims in CFCGI rely on, shown over a socket pair.
@Suite(.serialized) struct ExchangeContractTests {
    private func pair() -> (client: FastCGIClient, worker: Int32) {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (FastCGIClient(adopting: ends[0]), ends[1])
    }

    private func finish(_ exchange: Exchange, _ body: ByteBuffer? = nil) -> Int32? {
        let header = Response(status: 200, body: body ?? ByteBuffer()).header(requestID: "x")
        return exchange.finish(header, body, within: .seconds(20))
    }

    private func read(_ exchange: Exchange, _ connection: Int32, limit: Int = 1_000) -> Exchange.Reading {
        exchange.read(from: connection, within: .seconds(20), maximumBodyBytes: limit)
    }

    private func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }

    @Test func `libfcgi's request has the layout that the shims know`() {
        #expect(MemoryLayout<FCGX_Request>.size == 80)
        var request = FCGX_Request()
        FCGX_InitRequest(&request, -1, 0)
        cfcgi_lend_connection(&request, 1234)
        #expect(request.ipcFd == 1234 && request.keepConnection == 1)
        #expect(cfcgi_take_connection(&request) == 1234)
        #expect(request.ipcFd == -1)
    }

    @Test func `a kept connection comes back open, with nothing of the exchange on it`() throws {
        let (client, worker) = pair()
        let exchange = Exchange()
        for index in 0..<3 {
            client.write(WireRequest.append("\(index)", to: "s").bytes)
            guard case .request(let request) = read(exchange, worker) else {
                Issue.record("no request")
                return
            }
            #expect(request.method == "POST" && request.id == "wire-1")
            #expect(request.target == Array("/sessions/s/messages".utf8))
            #expect(finish(exchange, ByteBuffer()) == worker)
            #expect(client.readAnswer()?.status == 200)
            #expect(isOpen(worker))
            #expect(!client.isSpokenTo(within: 0))
        }
        close(worker)
    }

    @Test func `a connection that is not kept is closed by libfcgi`() throws {
        let (client, worker) = pair()
        let exchange = Exchange()
        client.write(WireRequest(keep: false).bytes)
        guard case .request = read(exchange, worker) else {
            Issue.record("no request")
            return
        }
        #expect(finish(exchange) == nil)
        #expect(client.readAnswer()?.status == 200)
        #expect(client.isClosedByPeer())
    }

    @Test func `an exchange serves one connection after another`() throws {
        let exchange = Exchange()
        let (first, firstEnd) = pair()
        let (second, secondEnd) = pair()
        for (client, end) in [(first, firstEnd), (second, secondEnd), (first, firstEnd)] {
            client.write(WireRequest().bytes)
            guard case .request = read(exchange, end) else {
                Issue.record("no request")
                return
            }
            #expect(finish(exchange) == end)
            #expect(client.readAnswer()?.status == 200)
        }
        close(firstEnd)
        close(secondEnd)
    }

    @Test(arguments: [0, 5, 16, 40])
    func `a peer that leaves early is a closed connection, and the exchange goes on`(length: Int) throws {
        let exchange = Exchange()
        let (gone, goneEnd) = pair()
        gone.write(Array(WireRequest().bytes.prefix(length)))
        gone.close()
        guard case .closed = read(exchange, goneEnd) else {
            Issue.record("not closed")
            return
        }
        let (client, end) = pair()
        client.write(WireRequest().bytes)
        guard case .request = read(exchange, end) else {
            Issue.record("no request")
            return
        }
        #expect(finish(exchange) == end)
        close(end)
    }

    @Test func `a peer that leaves before its answer costs the connection and nothing else`() throws {
        let exchange = Exchange()
        let (client, end) = pair()
        client.write(WireRequest().bytes)
        guard case .request = read(exchange, end) else {
            Issue.record("no request")
            return
        }
        client.close()
        var body = ByteBuffer()
        body.append([UInt8](repeating: 0x78, count: 1 << 20))
        #expect(finish(exchange, body) == nil)
    }

    @Test func `nothing is cut off before its time, and nothing twice`() {
        let exchange = Exchange()
        #expect(!exchange.cutOff(at: .now + .seconds(3600)))
    }
}
