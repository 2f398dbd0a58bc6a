import Store
import Testing

@testable import SessionFCGI

@Suite(.serialized) struct WorkerConnectionTests {
    @Test func `a connection is closed after its answer where the web server does not keep it`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        let answer = client.answer(to: WireRequest(keep: false))
        #expect(answer?.status == 200 && answer?.text == #"{"status":"ok"}"#)
        #expect(client.protocolStatus == 0)
        #expect(client.isClosedByPeer())
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `many requests go over one kept connection`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        for index in 0..<50 {
            var request = WireRequest.append("\(index)", to: "s")
            request.id = UInt16(index % 7 + 1)
            #expect(client.answer(to: request)?.status == 201)
            #expect(client.answer(to: .read("s"))?["message_count"] == min(index + 1, 30))
        }
        #expect(live.settles(at: 1))
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `the web server's request id is handed on, and an unusable one replaced`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        #expect(client.answer(to: WireRequest())?.headers["X-Request-ID"] == "wire-1")
        for bad in ["a b", "a\r\nSet-Cookie: x", "ä", String(repeating: "x", count: 129), ""] {
            let id = client.answer(to: WireRequest(extra: [("REQUEST_ID", bad)]))?.headers["X-Request-ID"]
            #expect(id?.wholeMatch(of: /[0-9a-f]{32}/) != nil)
        }
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `a request in one-byte writes is read whole`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        client.write(WireRequest.append("slow", to: "s").bytes, inPiecesOf: 1)
        #expect(client.readAnswer()?.status == 201)
        client.write(WireRequest.read("s").bytes, inPiecesOf: 3)
        #expect(client.readAnswer()?.contents == ["slow"])
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test(arguments: [1, 7, 255, 8_184, 0xFFFF])
    func `parameters and bodies come in records of any size`(size: Int) throws {
        let live = try LiveWorker()
        let client = try live.connect()
        let content = String(repeating: "0123456789", count: 15_000)
        var request = WireRequest.append(content, to: "s")
        request.extra = [("HTTP_X_LONG", String(repeating: "y", count: 40_000))]
        let bytes = Records.begin(keep: true)
            + Records.parameters(request.parameters, size: max(size, 16))
            + Records.input(request.body, size: max(size, 64), padding: size % 8)
        client.write(bytes)
        #expect(client.readAnswer()?.status == 201)
        #expect(client.answer(to: .read("s"))?.contents == [content])
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `thousands of parameters hide none`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        var request = WireRequest.append("x", to: "s")
        request.extra = (0..<5_000).map { ("HTTP_X_\($0)", "value \($0)") } + [("HTTP_IDEMPOTENCY_KEY", "k")]
        #expect(client.answer(to: request)?.status == 201)
        #expect(client.answer(to: request)?.headers["Idempotency-Replayed"] == "true")
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `parameters without names, values or sense are passed over`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        let odd = [("", ""), ("", "x"), ("=", "="), ("A=B", "C"), ("REQUEST_METHO", "X"), ("REQUEST_METHODS", "X")]
        #expect(client.answer(to: WireRequest(extra: odd))?.status == 200)
        #expect(client.answer(to: WireRequest())?.status == 200)
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `roles other than responder are refused, unknown ones by closing`() throws {
        let live = try LiveWorker()
        for role in [2, 3] as [UInt16] {
            let client = try live.connect()
            let answer = try #require(client.answer(to: WireRequest(role: role)))
            #expect(answer.isProblem(501))
            #expect(answer.headers["X-Request-ID"] == "wire-1")
            #expect(answer.headers["X-Session-Store"] == "memory")
            #expect(client.answer(to: WireRequest())?.status == 200)
        }
        for role in [0, 4, 0xFFFF] as [UInt16] {
            let client = try live.connect()
            client.write(WireRequest(role: role).bytes)
            #expect(client.isClosedByPeer())
        }
        #expect(try live.ask(WireRequest())?.status == 200)
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `an answer of eight megabytes arrives whole, on a connection that is kept`() throws {
        let limits = StoreLimits(maxSessionBytes: 9 << 20)
        let live = try LiveWorker(store: MemoryStore(limits: limits, maxBytes: 256 << 20))
        let id = SessionID("large")!
        let content = String(repeating: "x", count: 1 << 20)
        for _ in 0..<8 { _ = try live.store.append([Message(role: "user", content: content)], to: id) }
        let client = try live.connect()
        for _ in 0..<2 {
            let answer = try #require(client.answer(to: .read("large")))
            #expect(answer.headers["Content-Length"] == String(answer.body.count))
            #expect(answer.contents == [String](repeating: content, count: 8))
        }
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `HEAD is answered with a length and without a body`() throws {
        let live = try LiveWorker()
        let client = try live.connect()
        _ = client.answer(to: .append("x", to: "s"))
        let get = try #require(client.answer(to: .read("s")))
        let head = try #require(client.answer(to: WireRequest(method: "HEAD", target: "/sessions/s")))
        #expect(head.body.isEmpty)
        #expect(head.headers["Content-Length"] == String(get.body.count))
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }
}
