import Synchronization
import Testing

@testable import System

@Suite struct ThreadsTests {
    @Test func `a join waits for every thread`() throws {
        let threads = Threads()
        let ended = Atomic(0)
        for _ in 0..<20 {
            try threads.start { ended.add(1, ordering: .relaxed) }
        }
        threads.join()
        #expect(ended.load(ordering: .relaxed) == 20)
        // Nobody is left, and others may come.
        threads.join { Issue.record("it waits for nobody") }
        try threads.start { ended.add(1, ordering: .relaxed) }
        threads.join()
        #expect(ended.load(ordering: .relaxed) == 21)
    }

    @Test func `whoever waits for a thread is called meanwhile`() throws {
        let (threads, gate) = (Threads(), Wakeup())
        let isOpen = Atomic(false)
        for _ in 0..<2 {
            try threads.start {
                while !isOpen.load(ordering: .acquiring) { gate.wait(for: .seconds(1)) }
            }
        }
        var calls = 0
        threads.join {
            calls += 1
            // Nothing else lets the threads end.
            guard calls == 3 else { return }
            isOpen.store(true, ordering: .releasing)
            gate.signal()
        }
        #expect(calls >= 3)
    }
}
