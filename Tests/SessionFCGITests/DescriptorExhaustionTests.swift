import Glibc
import Store
import System
import Testing

@testable import SessionFCGI

@Suite struct DescriptorExhaustionTests {
    @Test func `a worker without descriptors to spare recovers as soon as it has some`() async {
        // In a process of its own, since the limit holds for all of it.
        await #expect(processExitsWith: .success) {
            let live = try LiveWorker(options: Worker.Options(threads: 4))
            let waiting = try (0..<8).map { _ in try live.connect() }
            for client in waiting { #expect(client.answer(to: WireRequest())?.status == 200) }
            let late = try FastCGIClient(connectingTo: live.path)
            #expect(late.answer(to: WireRequest())?.status == 200)
            let outside = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)

            var held: [Int32] = []
            var limit = rlimit(rlim_cur: 128, rlim_max: 128)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            while true {
                let descriptor = dup(0)
                guard descriptor >= 0 else { break }
                held.append(descriptor)
            }
            #expect(errno == EMFILE)

            // The kernel takes the connection; the worker cannot.
            try ListenAddress.unix(path: live.path).withSocketAddress { address, length throws(SystemCallError) in
                guard connect(outside, address, length) == 0 else { throw SystemCallError("connect") }
            }
            let client = FastCGIClient(adopting: outside)
            client.write(WireRequest(keep: false).bytes)
            #expect(!client.isSpokenTo(within: 300))
            // Those that are connected do not suffer, and no thread spins.
            let before = clock()
            for _ in 0..<5 {
                for client in waiting { #expect(client.answer(to: WireRequest())?.status == 200) }
                usleep(200_000)
            }
            #expect(clock() - before < CLOCKS_PER_SEC)

            held.forEach { _ = close($0) }
            #expect(client.readAnswer()?.status == 200)
            #expect(try live.ask(WireRequest())?.status == 200)
        }
    }
}
