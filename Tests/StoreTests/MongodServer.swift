import Foundation
import Synchronization
import TestSupport

@testable import Store

/// No MongoDB server to test with.
struct MongodMissing: Error, CustomStringConvertible {
    let description =
        "No mongod: set TEST_MONGOD to its path, put it on PATH or at .build/mongod/mongod (see docs/architecture.md), "
        + "or set TEST_MONGO_URI to a replica set that tests may use."
}

struct MongodFailed: Error {
    let log: String
}

/// A mongod of the tests' own on a free port, with its data in a temporary folder. It goes with this object,
/// or with the test process however that ends.
final class MongodServer: Sendable {
    let port: UInt16
    let folder: URL
    private let arguments: [String]
    private let watchdog = Mutex<Watchdog?>(nil)

    private struct Watchdog {
        let process: Process
        let input: Pipe
        let mongod: pid_t
    }

    init(_ arguments: [String] = [], start: Bool = true) throws {
        port = try Self.freePort()
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("session-fcgi-mongod-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        self.arguments = arguments
        if start { try self.start() }
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts the server and waits until it takes connections.
    func start() throws {
        let binary = try Self.binary()
        let process = Process()
        let input = Pipe()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // The shell outlives nobody: when the pipe closes, it takes the server and its data with it.
        let script = """
            folder=$1; shift
            "$@" >>"$folder/log" 2>&1 </dev/null &
            echo $!
            read -r _ || { kill -9 $!; wait $! 2>/dev/null; rm -rf "$folder"; exit; }
            kill -9 $!
            wait $! 2>/dev/null
            """
        process.arguments =
            ["-c", script, "sh", folder.path, binary, "--dbpath", folder.path, "--port", "\(port)"]
            + ["--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"]
            + ["--setParameter", "diagnosticDataCollectionEnabled=false"] + arguments
        process.standardInput = input
        process.standardOutput = output
        // The threads of a test block signals, without which the shell never hears of its child's end.
        var none = sigset_t()
        var blocked = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &blocked)
        defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let pid = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw MongodFailed(log: "the shell said: \(line)")
        }
        watchdog.withLock { $0 = Watchdog(process: process, input: input, mongod: pid) }
        try waitUntil("mongod listens", seconds: 60) { [port] in
            guard Foundation.kill(pid, 0) == 0 else {
                let log = (try? String(contentsOf: self.folder.appendingPathComponent("log"), encoding: .utf8)) ?? ""
                throw MongodFailed(log: String(log.suffix(2000)))
            }
            return Self.accepts(port)
        }
    }

    /// As a crash or a power cut would end it.
    func kill() {
        watchdog.withLock { watchdog in
            guard let running = watchdog else { return }
            running.input.fileHandleForWriting.write(Data("\n".utf8))
            running.process.waitUntilExit()
            watchdog = nil
        }
    }

    /// Stops the server's clock, as it were: it accepts and never answers.
    func freeze() { signal(SIGSTOP) }
    func thaw() { signal(SIGCONT) }

    private func signal(_ number: Int32) {
        watchdog.withLock { watchdog in
            if let watchdog { _ = Foundation.kill(watchdog.mongod, number) }
        }
    }

    // MARK: Finding things

    static func binary() throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let candidates =
            [environment["TEST_MONGOD"]].compactMap { $0 }
            + (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/mongod" }
            + [root.appendingPathComponent(".build/mongod/mongod").path]
        guard let found = candidates.first(where: FileManager.default.isExecutableFile(atPath:)) else {
            throw MongodMissing()
        }
        return found
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = Self.loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
            return UInt16(bigEndian: $0.pointee.sin_port)
        }
    }

    private static func accepts(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = Self.loopback(port: port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
