import Synchronization
import System

/// Runs a body on threads of their own, all at once, and gives back what each made of it.
package func onThreads<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Value
) throws -> [Value] {
    let results = Mutex([Result<Value, any Error>?](repeating: nil, count: count))
    let gate = Gate()
    let threads = Threads()
    // Those that have started are let go and joined, whatever happens.
    let failure = Result {
        for index in 0..<count {
            try threads.start {
                gate.pass()
                let result = Result { try body(index) }
                results.withLock { $0[index] = result }
            }
        }
    }
    gate.open(for: count)
    threads.join()
    try failure.get()
    return try results.withLock { try $0.map { try $0!.get() } }
}

/// Lets threads begin together.
private final class Gate: Sendable {
    private let semaphore = Semaphore()

    func open(for count: Int) {
        for _ in 0..<count { semaphore.signal() }
    }

    func pass() {
        semaphore.wait()
    }
}
