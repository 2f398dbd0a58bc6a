import Foundation
import Glibc
import Store
import System

@testable import SessionFCGI

/// The web server's end of one FastCGI connection.
final class FastCGIClient {
    private(set) var descriptor: Int32
    /// The protocol status of the last END_REQUEST record.
    private(set) var protocolStatus: UInt8?

    /// No wait of a test is shorter than what a loaded machine may need.
    static let patience = 20_000

    init(connectingTo path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let descriptor = descriptor
        try ListenAddress.unix(path: path).withSocketAddress { address, length throws(SystemCallError) in
            guard connect(descriptor, address, length) == 0 else { throw SystemCallError("connect") }
        }
    }

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close()
    }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Whether all of it went out.
    @discardableResult
    func write(_ bytes: [UInt8], inPiecesOf size: Int = .max) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.prefix(size).withUnsafeBytes { bytes in
                send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Sends a request and reads its answer; nil where the worker closed the connection instead.
    func answer(to request: WireRequest) -> Answer? {
        write(request.bytes)
        return readAnswer()
    }

    /// Reads to END_REQUEST; nil where the connection ends or nothing comes.
    func readAnswer(within milliseconds: Int = patience) -> Answer? {
        var output: [UInt8] = []
        protocolStatus = nil
        while let header = readExactly(8, within: milliseconds) {
            let length = Int(header[4]) << 8 | Int(header[5])
            guard let content = readExactly(length + Int(header[6]), within: milliseconds) else { return nil }
            switch header[1] {
            case 6: output += content.prefix(length)
            case 3:
                protocolStatus = content[4]
                return Self.parsed(output)
            default: break
            }
        }
        return nil
    }

    /// Whether the worker closes the connection, whatever it sends before.
    func isClosedByPeer(within milliseconds: Int = patience) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        var scratch = [UInt8](repeating: 0, count: 65_536)
        while ContinuousClock.now < deadline, waitToRead(within: milliseconds) {
            if recv(descriptor, &scratch, scratch.count, 0) <= 0 { return true }
        }
        return false
    }

    /// Whether the worker has something to say, within a moment.
    func isSpokenTo(within milliseconds: Int) -> Bool { waitToRead(within: milliseconds) }

    private func waitToRead(within milliseconds: Int) -> Bool {
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&state, 1, Int32(milliseconds)) == 1
    }

    private func readExactly(_ count: Int, within milliseconds: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            guard waitToRead(within: milliseconds) else { return nil }
            let received = bytes.withUnsafeMutableBytes { buffer in
                recv(descriptor, buffer.baseAddress! + filled, count - filled, 0)
            }
            guard received > 0 else { return nil }
            filled += received
        }
        return bytes
    }

    private static func parsed(_ output: [UInt8]) -> Answer? {
        guard let end = Data(output).firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let headers = Answer.headers(in: String(decoding: output[..<end.lowerBound], as: UTF8.self))
        let status = headers["Status"].flatMap { Int($0.prefix(3)) } ?? 0
        return Answer(status: status, headers: headers, body: Array(output[end.upperBound...]))
    }
}
