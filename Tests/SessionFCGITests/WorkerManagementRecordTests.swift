import Store
import Testing

@testable import SessionFCGI

/// No peer needs what FastCGI has beside requests, and libfcgi is not to meet it.
@Suite(.serialized) struct WorkerManagementRecordTests {
    @Test(arguments: [0, 9, 10, 11, 12, 255] as [UInt8])
    func `a record that belongs to no request closes the connection, wherever it stands`(type: UInt8) throws {
        let live = try LiveWorker()
        let request = WireRequest.append("x", to: "s")
        let record = Records.record(type: type, id: 0, Records.pairs([("FCGI_MAX_CONNS", "")]))
        let parameters = Records.record(type: 4, Records.pairs(request.parameters))
        for bytes in [
            record, record + request.bytes, Records.begin(keep: true) + record,
            Records.begin(keep: true) + parameters + record, request.head + record,
            request.head + Records.record(type: 5, Array(request.body.prefix(4))) + record,
        ] {
            for size in [1, .max] {
                let client = try live.connect()
                client.write(bytes, inPiecesOf: size)
                #expect(client.readAnswer()?.status == nil)
            }
        }
        #expect(try live.ask(.read("s"))?.status == 404)
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `parameters are bounded, one by one and together`() throws {
        let live = try LiveWorker()
        let huge: [UInt8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0x61]
        for content in [[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0x01, 0x90, 0, 0, 0], huge] as [[UInt8]] {
            let client = try live.connect()
            client.write(Records.begin(keep: true) + Records.record(type: 4, content))
            #expect(client.isClosedByPeer())
        }
        var request = WireRequest(extra: [("HTTP_X", String(repeating: "x", count: 900_000))])
        #expect(try live.ask(request)?.status == 200)
        request.extra = (0..<5).map { ("HTTP_X\($0)", String(repeating: "x", count: 300_000)) }
        #expect(try live.ask(request)?.status == nil)
        #expect(live.settles(at: 0))
        live.stop()
    }
}
