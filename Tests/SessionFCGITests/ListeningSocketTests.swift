import Foundation
import Glibc
import Store
import System
import Testing

@testable import SessionFCGI

@Suite struct ListeningSocketTests {
    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = try SocketFolder.make()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    private func listen(_ path: String, mode: mode_t = 0o660) throws(SystemCallError) -> ListeningSocket {
        try ListeningSocket(binding: .unix(path: path), mode: mode)
    }

    /// The error number with which binding an address fails; nil where it does not.
    private func failure(_ address: ListenAddress) -> Int32? {
        do {
            _ = try ListeningSocket(binding: address, mode: 0o660)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(arguments: [0o600, 0o660, 0o666, 0o777] as [mode_t])
    func `a socket's file has the mode that was asked for`(mode: mode_t) throws {
        try inFolder { folder in
            let listener = try listen(folder + "/s", mode: mode)
            var status = stat()
            #expect(stat(folder + "/s", &status) == 0)
            #expect(status.st_mode & 0o777 == mode)
            listener.refuseConnections()
        }
    }

    @Test func `a stale socket file is replaced and a live one is not`() throws {
        try inFolder { folder in
            let path = folder + "/s"
            do {
                let first = try listen(path)
                #expect(failure(.unix(path: path)) == EADDRINUSE)
                // The first one is not disturbed by that.
                let client = try FastCGIClient(connectingTo: path)
                guard case .connection(let accepted) = first.accept() else {
                    Issue.record("nobody was accepted")
                    return
                }
                close(accepted)
                client.close()
            }
            #expect(FileManager.default.fileExists(atPath: path))
            let second = try listen(path)
            _ = try FastCGIClient(connectingTo: path)
            second.refuseConnections()
        }
    }

    @Test func `a file that is no socket is never replaced`() throws {
        try inFolder { folder in
            let path = folder + "/s"
            #expect(FileManager.default.createFile(atPath: path, contents: Data("precious".utf8)))
            #expect(failure(.unix(path: path)) == EEXIST)
            #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
            let link = folder + "/l"
            #expect(symlink(path, link) == 0)
            #expect(failure(.unix(path: link)) == EEXIST)
        }
    }

    @Test func `a folder that is not there is named by the error`() throws {
        try inFolder { folder in
            #expect(failure(.unix(path: folder + "/none/s")) == ENOENT)
        }
    }

    @Test func `refusing removes the file, unless another worker has put its own there`() throws {
        try inFolder { folder in
            let path = folder + "/s"
            let first = try listen(path)
            #expect(unlink(path) == 0)
            let second = try listen(path)
            first.refuseConnections()
            _ = try FastCGIClient(connectingTo: path)
            second.refuseConnections()
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(throws: SystemCallError.self) { try FastCGIClient(connectingTo: path) }
        }
    }

    @Test func `connections made before refusing can still be accepted`() throws {
        try inFolder { folder in
            let listener = try listen(folder + "/s")
            let clients = try (0..<5).map { _ in try FastCGIClient(connectingTo: folder + "/s") }
            listener.refuseConnections()
            var accepted = 0
            while case .connection(let connection) = listener.accept() {
                accepted += 1
                close(connection)
            }
            #expect(accepted == clients.count)
        }
    }

    @Test func `an inherited socket is taken over only where it listens`() throws {
        try inFolder { folder in
            let listener = try listen(folder + "/s")
            let inherited = dup(listener.descriptor)
            #expect(fcntl(inherited, F_SETFL, 0) == 0)
            let adopted = try ListeningSocket(adopting: inherited)
            #expect(adopted.isShared)
            // It must not block a thread, nor be handed to a child.
            #expect(fcntl(inherited, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(inherited, F_GETFD) & FD_CLOEXEC != 0)
            adopted.refuseConnections()
            _ = try FastCGIClient(connectingTo: folder + "/s")
            let plain = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(plain) }
            for descriptor in [plain, -1, 100_000] {
                #expect(throws: SystemCallError.self) { try ListeningSocket(adopting: descriptor) }
            }
        }
    }

    @Test func `TCP on loopback is bound in both families`() throws {
        for host in ["127.0.0.1", "::1"] {
            // A machine without IPv6 is one, too.
            let code = failure(.tcp(host: host, port: 0))
            #expect(code == nil || (host == "::1" && [EADDRNOTAVAIL, EAFNOSUPPORT].contains(code)))
        }
        #expect(failure(.tcp(host: "localhost", port: 0)) == EINVAL)
    }
}
