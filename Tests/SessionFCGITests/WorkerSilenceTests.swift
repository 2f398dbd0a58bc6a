import Glibc
import Store
import Testing

@testable import SessionFCGI

@Suite(.serialized) struct WorkerSilenceTests {
    @Test func `idle and silent connections delay nobody on two threads`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 2, requestTimeout: .seconds(60)))
        var idle: [FastCGIClient] = []
        for _ in 0..<200 {
            let client = try live.connect()
            #expect(client.answer(to: WireRequest())?.status == 200)
            idle.append(client)
        }
        let silent = try (0..<50).map { _ in try live.connect() }
        #expect(waits { live.worker.load.connections == 250 })
        let start = ContinuousClock.now
        for _ in 0..<100 { #expect(try live.ask(.append("x", to: "s"))?.status == 201) }
        // A thread that an idle peer held would be held for a minute.
        #expect(.now - start < .seconds(30))
        for client in idle { #expect(client.answer(to: WireRequest())?.status == 200) }
        for client in silent { #expect(client.answer(to: WireRequest(keep: false))?.status == 200) }
        idle.forEach { $0.close() }
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `a peer that stops within a request is cut off, and its thread is free again`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 2, requestTimeout: .milliseconds(200)))
        let request = WireRequest.append("stopped", to: "s")
        for length in [1, 8, 20, request.head.count, request.bytes.count - 9, request.bytes.count - 1] {
            let stopped = try (0..<4).map { _ in try live.connect() }
            for client in stopped { client.write(Array(request.bytes.prefix(length))) }
            for client in stopped { #expect(client.isClosedByPeer()) }
            #expect(live.settles(at: 0))
        }
        #expect(try live.ask(.read("s"))?.status == 404)
        live.stop()
    }

    @Test func `time counts from a request's beginning, however the peer dribbles`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 1, requestTimeout: .milliseconds(300)))
        let client = try live.connect()
        let bytes = WireRequest.append(String(repeating: "x", count: 10_000), to: "s").bytes
        var sent = 0
        while sent < bytes.count, client.write([bytes[sent]]) {
            sent += 1
            usleep(10_000)
        }
        #expect(sent < bytes.count)
        #expect(try live.ask(.read("s"))?.status == 404)
        live.stop()
    }

    @Test func `an idle connection is not cut off`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 2, requestTimeout: .milliseconds(100)))
        let client = try live.connect()
        #expect(client.answer(to: WireRequest())?.status == 200)
        #expect(!client.isSpokenTo(within: 600))
        #expect(client.answer(to: WireRequest())?.status == 200)
        client.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `a peer that never reads its answer is cut off, and its thread is free again`() throws {
        let limits = StoreLimits(maxSessionBytes: 9 << 20)
        let options = Worker.Options(threads: 2, answerTimeout: .milliseconds(300))
        let live = try LiveWorker(store: MemoryStore(limits: limits, maxBytes: 256 << 20), options: options)
        let content = String(repeating: "x", count: 1 << 20)
        for _ in 0..<8 {
            _ = try live.store.append([Message(role: "user", content: content)], to: SessionID("large")!)
        }
        let deaf = try (0..<4).map { _ in try live.connect() }
        for client in deaf { client.write(WireRequest.read("large").bytes) }
        #expect(live.settles(at: 0))
        #expect(try live.ask(WireRequest())?.status == 200)
        deaf.forEach { $0.close() }
        live.stop()
    }
}
