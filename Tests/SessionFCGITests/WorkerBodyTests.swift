import Store
import Testing

@testable import SessionFCGI

@Suite(.serialized) struct WorkerBodyTests {
    private func withWorker(maxBodyBytes: Int = 1_048_576, _ body: (LiveWorker, FastCGIClient) throws -> Void) throws {
        let live = try LiveWorker(options: Worker.Options(threads: 2, maxBodyBytes: maxBodyBytes))
        let client = try live.connect()
        try body(live, client)
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `a body without a declared length is read to its end`() throws {
        try withWorker { _, client in
            var request = WireRequest.append(String(repeating: "x", count: 100_000), to: "s")
            request.contentLength = ""
            #expect(client.answer(to: request)?.status == 201)
            request.contentLength = String(request.body.count)
            #expect(client.answer(to: request)?.status == 201)
            #expect(client.answer(to: .read("s"))?["message_count"] == 2)
        }
    }

    @Test(arguments: ["1", "37", "39", "1000", "0"])
    func `a body of another length than declared is refused, and the connection still usable`(length: String) throws {
        try withWorker { _, client in
            var request = WireRequest.append("hello", to: "s")
            #expect(request.body.count == 33)
            request.contentLength = length
            let answer = try #require(client.answer(to: request))
            #expect(answer.isProblem(400))
            #expect(answer.headers["X-Session-Store"] == "memory")
            #expect(client.answer(to: .read("s"))?.status == 404)
        }
    }

    @Test(arguments: ["-1", "+33", "0x21", "33.0", " 33", "33, 33", "abc", "3 3", "٣٣"])
    func `a length that is no number is refused, and the connection still usable`(length: String) throws {
        try withWorker { _, client in
            var request = WireRequest.append("hello", to: "s")
            request.contentLength = length
            #expect(client.answer(to: request)?.isProblem(400) == true)
            #expect(client.answer(to: .read("s"))?.status == 404)
        }
    }

    @Test(arguments: ["1048577", "2147483648", "4294967297", "9223372036854775807", "99999999999999999999999999"])
    func `a length beyond the limit is refused before the body is kept`(length: String) throws {
        try withWorker { _, client in
            var request = WireRequest.append("hello", to: "s")
            request.contentLength = length
            #expect(client.answer(to: request)?.isProblem(413, limit: 1_048_576) == true)
            #expect(client.answer(to: .read("s"))?.status == 404)
        }
    }

    @Test func `a body may be as long as the limit and no longer, declared or not`() throws {
        try withWorker(maxBodyBytes: 10_000) { _, client in
            for (size, status) in [(9_999, 201), (10_000, 201), (10_001, 413), (10_002, 413), (500_000, 413)] {
                for declared in [nil, ""] as [String?] {
                    let frame = WireRequest.append("", to: "s").body.count
                    var request = WireRequest.append(String(repeating: "x", count: size - frame), to: "s\(size)")
                    request.contentLength = declared
                    let answer = try #require(client.answer(to: request))
                    #expect(answer.status == status, "\(size) bytes")
                    if status == 413 { #expect(answer.isProblem(413, limit: 10_000)) }
                }
            }
            #expect(client.answer(to: .read("s10000"))?["message_count"] == 2)
            #expect(client.answer(to: .read("s10001"))?.status == 404)
        }
    }

    @Test func `a route that wants no body is not disturbed by one`() throws {
        try withWorker { _, client in
            var request = WireRequest.read("none")
            request.body = [UInt8](repeating: 0xFF, count: 300_000)
            #expect(client.answer(to: request)?.status == 404)
            request.body = [UInt8](repeating: 0xFF, count: 3_000_000)
            #expect(client.answer(to: request)?.status == 404)
            #expect(client.answer(to: WireRequest())?.status == 200)
        }
    }

    @Test func `a peer that vanishes within a request leaves nothing behind`() throws {
        try withWorker { live, _ in
            let bytes = WireRequest.append("vanishing", to: "s", keep: false).bytes
            for length in 0..<bytes.count {
                let client = try live.connect()
                client.write(Array(bytes.prefix(length)))
                client.close()
            }
            #expect(live.settles(at: 1))
            #expect(try live.ask(.read("s"))?.status == 404)
            #expect(try live.ask(.append("whole", to: "s"))?.status == 201)
        }
    }

    @Test func `a peer that vanishes within a long body leaves nothing behind`() throws {
        try withWorker { live, _ in
            let request = WireRequest.append(String(repeating: "x", count: 900_000), to: "s")
            for declared in ["", String(request.body.count)] {
                var request = request
                request.contentLength = declared
                let client = try live.connect()
                client.write(Array(request.bytes.dropLast(9)))
                client.close()
            }
            #expect(live.settles(at: 1))
            #expect(try live.ask(.read("s"))?.status == 404)
        }
    }

    @Test func `an aborted request has no effect`() throws {
        try withWorker { live, _ in
            let request = WireRequest.append("aborted", to: "s")
            let parameters = Records.record(type: 4, Records.pairs(request.parameters))
            let half = Records.record(type: 5, Array(request.body.prefix(10)))
            for bytes in [
                Records.begin(keep: true) + Records.abort(),
                Records.begin(keep: true) + parameters + Records.abort(),
                request.head + Records.abort(), request.head + half + Records.abort(),
            ] {
                let client = try live.connect()
                client.write(bytes)
                #expect(client.isClosedByPeer())
            }
            #expect(live.settles(at: 1))
            #expect(try live.ask(.read("s"))?.status == 404)
        }
    }

    @Test func `a second request within a first is refused and the first answered`() throws {
        try withWorker { _, client in
            let request = WireRequest.append("first", to: "s")
            client.write(request.head + Records.begin(id: 2, keep: true))
            #expect(client.readAnswer() == nil)
            #expect(client.protocolStatus == 1)
            client.write(Records.input(request.body))
            #expect(client.readAnswer()?.status == 201)
        }
    }
}

