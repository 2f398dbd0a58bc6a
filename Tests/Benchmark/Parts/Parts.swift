import Benchmark
import Testing
import Text

@testable import SessionFCGI
@testable import Store

/// What one request is made of, each part by itself and on one thread. Asserts nothing about speed.
@Test func parts() throws {
    let suite = BenchmarkSuite(name: "")
    // The clock's own share of every figure below.
    suite.measure("nothing") { 0 }
    addContentParts(to: suite)
    try addRequestParts(to: suite)
    var runner = BenchmarkRunner(
        suites: [suite], settings: [WarmupIterations(1000), Columns(["name", "median", "p99", "iterations"])])
    try runner.run()
}

/// Between bytes and values.
private func addContentParts(to suite: BenchmarkSuite) {
    suite.measure("JSON reader, a message") {
        var reader = JSONReader(Sample.message)
        return try reader.readDocument().range.count
    }
    suite.measure("JSON reader, 30 messages") {
        var reader = JSONReader(Sample.batch)
        return try reader.readDocument().range.count
    }
    let plain = Array(Sample.text.utf8)
    let escaped = Array(Sample.text.replacing(" ", with: "\n").utf8)
    suite.measure("JSON writer, a text") {
        var buffer = ByteBuffer(capacity: 512)
        buffer.append(jsonString: plain)
        return buffer.count
    }
    suite.measure("JSON writer, a text of many lines") {
        var buffer = ByteBuffer(capacity: 512)
        buffer.append(jsonString: escaped)
        return buffer.count
    }
    let json = String(decoding: Sample.batch, as: UTF8.self)
    let document = JSONToBSON.document(json)
    suite.measure("JSON to BSON, 30 messages") {
        JSONToBSON.document(json).count
    }
    suite.measure("BSON to JSON, 30 messages") {
        let messages = try #require(BSONDocument(document)["messages"])
        var converter = BSONToJSON(document, capacity: document.count)
        return try converter.append(elementsOf: messages.value) + converter.output.count
    }
}

/// Routing, the store in memory, and FastCGI; a session is at its cap of 30 messages.
private func addRequestParts(to suite: BenchmarkSuite) throws {
    let router = Router(MemoryStore(limits: StoreLimits(), maxBytes: 256 << 20))
    var append = Request(method: "POST", target: Array("/sessions/demo/messages".utf8), id: Sample.requestID)
    append.contentType = "application/json"
    append.body = .bytes(Sample.message)
    let read = Request(method: "GET", target: Array("/sessions/demo".utf8), id: Sample.requestID)
    let live = Request(method: "GET", target: Array("/health/live".utf8), id: Sample.requestID)
    for _ in 0..<30 { #expect(router.respond(to: append).status == 201) }
    suite.measure("router, live") { [live] in router.respond(to: live).body.count }
    suite.measure("router, append in memory") { [append] in router.respond(to: append).body.count }
    suite.measure("router, read in memory") { [read] in router.respond(to: read).body.count }

    let wire = try Wire(router: router)
    let liveRecords = Wire.records(of: live)
    let appendRecords = Wire.records(of: append)
    let readRecords = Wire.records(of: read)
    for records in [liveRecords, appendRecords, readRecords] { #expect(try wire.roundTrip(records) > 100) }
    suite.measure("FastCGI round trip, live") { try wire.roundTrip(liveRecords) }
    suite.measure("FastCGI round trip, append in memory") { try wire.roundTrip(appendRecords) }
    suite.measure("FastCGI round trip, read in memory") { try wire.roundTrip(readRecords) }
}

extension BenchmarkSuite {
    /// `part` returns something of its result, so that nothing of its work can be left out.
    fileprivate func measure(_ name: String, _ part: @escaping () throws -> Int) {
        var sum = 0
        benchmark(name) { sum &+= try part() }
    }
}
