import Foundation
import Synchronization
import TestSupport
import Testing

@testable import System

@Suite struct FileLockTests {
    private let file = TemporaryFile()

    private func lock() throws -> FileLock { try FileLock(on: file.path) }

    @Test func `one holds the lock at a time`() throws {
        let (one, other) = (try lock(), try lock())
        #expect(one.tryLock())
        #expect(!other.tryLock())
        one.unlock()
        #expect(other.tryLock())
        #expect(!one.tryLock())
    }

    @Test func `a folder can be locked, and what is not there cannot`() throws {
        let folder = (file.path as NSString).deletingLastPathComponent
        #expect(!(try FileLock(on: folder)).isOnSharedFileSystem)
        let error = #expect(throws: SystemCallError.self) { try FileLock(on: file.path + ".missing") }
        #expect(error?.code == ENOENT && error?.description.contains(file.path) == true)
    }

    @Test func `whoever waits gives up when the time is over, and not before`() throws {
        let (holder, other) = (try lock(), try lock())
        #expect(holder.tryLock())
        for timeout in [Duration.zero, .milliseconds(1), .milliseconds(60)] {
            let start = ContinuousClock.now
            let error = #expect(throws: SystemCallError.self) { try other.lock(within: timeout) }
            #expect(error?.code == ETIMEDOUT)
            #expect(ContinuousClock.now - start >= timeout)
        }
        holder.unlock()
        try other.lock(within: .zero)
        #expect(!holder.tryLock())
    }

    @Test func `whoever waits gets the lock when it is given back`() throws {
        let holder = try lock()
        #expect(holder.tryLock())
        let turns = Atomic(0)
        let (path, waiting) = (file.path, 6)
        let threads = Threads()
        defer { threads.join() }
        for _ in 0..<waiting {
            try threads.start {
                guard let own = try? FileLock(on: path), (try? own.lock(within: .seconds(30))) != nil else { return }
                turns.add(1, ordering: .relaxed)
                own.unlock()
            }
        }
        #expect(turns.load(ordering: .relaxed) == 0)
        holder.unlock()
        try waitUntil("each had its turn") { turns.load(ordering: .relaxed) == waiting }
    }

    @Test func `two are never inside at once`() throws {
        let path = file.path
        let inside = Atomic(0)
        let most = try onThreads(6) { _ in
            let own = try FileLock(on: path)
            return try (0..<50).map { _ in
                try own.lock(within: .seconds(30))
                defer { own.unlock() }
                defer { inside.subtract(1, ordering: .relaxed) }
                return inside.add(1, ordering: .relaxed).newValue
            }.max()!
        }
        #expect(most.allSatisfy { $0 == 1 })
    }

    @Test func `the lock of a process that is killed is free`() throws {
        let (process, own) = (Process(), try lock())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // In the process that holds the lock, with no other.
        process.arguments = ["flock", "--no-fork", file.path, "sleep", "60"]
        try process.run()
        try waitUntil("it holds the lock") {
            guard own.tryLock() else { return true }
            own.unlock()
            return false
        }
        #expect(throws: SystemCallError.self) { try own.lock(within: .milliseconds(20)) }
        kill(process.processIdentifier, SIGKILL)
        try own.lock(within: .seconds(20))
        process.waitUntilExit()
        #expect(process.terminationReason == .uncaughtSignal)
    }

    @Test(arguments: [SIG_BLOCK, SIG_UNBLOCK])
    func `waiting leaves the signals of the thread as they were`(how: Int32) throws {
        let (holder, other) = (try lock(), try lock())
        #expect(holder.tryLock())
        // On a thread of its own, whose mask is nobody else's.
        let masks = try onThreads(1) { _ in
            var signals = sigset_t()
            sigemptyset(&signals)
            for signal in [SIGUSR1, SIGUSR2] { sigaddset(&signals, signal) }
            pthread_sigmask(how, &signals, nil)
            let before = Self.blockedSignals()
            try? other.lock(within: .milliseconds(30))
            let afterTimeout = Self.blockedSignals()
            holder.unlock()
            try other.lock(within: .zero)
            return [before, afterTimeout, Self.blockedSignals()]
        }[0]
        #expect(masks[0].contains(SIGUSR1) == (how == SIG_BLOCK))
        #expect(masks[1] == masks[0] && masks[2] == masks[0])
    }

    private static func blockedSignals() -> [Int32] {
        var signals = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &signals)
        return (1...64).filter { sigismember(&signals, $0) == 1 }
    }
}

/// An empty file of a test's own.
final class TemporaryFile: Sendable {
    let path = NSTemporaryDirectory() + "session-fcgi-\(UUID().uuidString)"

    init() { #expect(FileManager.default.createFile(atPath: path, contents: nil)) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
