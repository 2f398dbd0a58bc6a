import Glibc
import Store
import System
import Testing

@testable import SessionFCGI

@Suite(.serialized) struct WorkerDrainTests {
    @Test func `a draining worker serves its connections and refuses new ones`() throws {
        let live = try LiveWorker()
        let kept = try (0..<10).map { _ in try live.connect() }
        for client in kept { #expect(client.answer(to: WireRequest())?.status == 200) }
        let silent = try (0..<10).map { _ in try live.connect() }
        live.worker.drain()
        #expect(throws: SystemCallError.self) { try live.connect() }
        for client in kept + silent {
            #expect(client.answer(to: .append("late", to: "s"))?.status == 201)
            client.close()
        }
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `connections that nobody had accepted yet are served, too`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 1))
        // The only thread is held by a request that is not complete.
        let slow = try live.connect()
        let bytes = WireRequest.append("slow", to: "s").bytes
        slow.write(Array(bytes.dropLast()))
        #expect(waits { live.worker.load.requests == 1 })
        let waiting = try (0..<20).map { _ in try live.connect() }
        for client in waiting { client.write(WireRequest.append("waiting", to: "s", keep: false).bytes) }
        live.worker.drain()
        slow.write([bytes[bytes.count - 1]])
        #expect(slow.readAnswer()?.status == 201)
        for client in waiting { #expect(client.readAnswer()?.status == 201) }
        slow.close()
        #expect(live.settles(at: 0))
        live.stop()
    }

    @Test func `stopping ends all threads though connections are open`() throws {
        let live = try LiveWorker(options: Worker.Options(threads: 4))
        let clients = try (0..<20).map { _ in try live.connect() }
        for client in clients { #expect(client.answer(to: WireRequest())?.status == 200) }
        live.stop()
    }
}
