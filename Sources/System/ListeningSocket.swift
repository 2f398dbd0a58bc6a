import CLinux
import Glibc

/// A socket that takes the web server's connections: bound here, or handed down by whoever started the worker.
package final class ListeningSocket: Sendable {
    package enum Accepted {
        case connection(Int32)
        /// Nobody is waiting.
        case none
        /// The machine has no descriptors or memory to spare: try again in a while.
        case exhausted(SystemCallError)
    }

    package let descriptor: Int32
    /// The socket file that this worker has made, and the inode it got.
    private let file: (path: String, inode: ino_t)?
    /// Whether other processes may be listening on it, too.
    package let isShared: Bool

    /// A backlog that rides out bursts: a full one on a Unix socket is an immediate 502.
    private static let backlog: Int32 = 4096

    private static let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)

    /// Binds an address. A socket file that nobody listens on is replaced; a live one is an error.
    /// - Parameter mode: the permissions of a Unix socket's file; whoever may write to it owns the worker.
    package init(binding address: ListenAddress, mode: mode_t) throws(SystemCallError) {
        let family = switch address {
        case .unix: AF_UNIX
        case .tcp(let host, _): host.contains(":") ? AF_INET6 : AF_INET
        }
        descriptor = socket(family, Self.type, 0)
        guard descriptor >= 0 else { throw SystemCallError("socket") }
        do throws(SystemCallError) {
            switch address {
            case .unix(let path): try Self.removeStaleFile(path, address)
            case .tcp:
                var on: Int32 = 1
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
                // Connections inherit it. libfcgi writes 8 KB at a time, and each but the first would wait for the
                // peer's delayed acknowledgement.
                setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            }
            let descriptor = descriptor
            try address.withSocketAddress { pointer, length throws(SystemCallError) in
                guard bind(descriptor, pointer, length) == 0 else { throw SystemCallError("bind") }
            }
            if case .unix(let path) = address {
                // Nobody can connect before listen(2), so that the permissions hold from the first connection on.
                guard chmod(path, mode) == 0 else { throw SystemCallError("chmod \(path)") }
                var status = stat()
                guard stat(path, &status) == 0 else { throw SystemCallError("stat \(path)") }
                file = (path, status.st_ino)
            } else {
                file = nil
            }
            guard listen(descriptor, Self.backlog) == 0 else { throw SystemCallError("listen") }
        } catch {
            close(descriptor)
            throw error
        }
        isShared = false
    }

    /// Takes over a descriptor that is listening already.
    package init(adopting descriptor: Int32) throws(SystemCallError) {
        var isListening: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length) == 0, isListening == 1 else {
            throw SystemCallError("descriptor \(descriptor) as a listening socket", code: ENOTSOCK)
        }
        guard fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw SystemCallError("fcntl") }
        self.descriptor = descriptor
        file = nil
        isShared = true
    }

    deinit { close(descriptor) }

    /// The listening socket that whoever started the process has left for it.
    package static func inherited() throws(SystemCallError) -> ListeningSocket {
        // sd_listen_fds(3): the descriptors begin at 3, and are meant for this process alone.
        let count = getenv("LISTEN_FDS").flatMap { Int(String(cString: $0)) } ?? 0
        let isMeant = getenv("LISTEN_PID").map { String(cString: $0) } == String(getpid())
        // Else spawn-fcgi, and systemd with StandardInput=socket.
        return try ListeningSocket(adopting: count >= 1 && isMeant ? 3 : STDIN_FILENO)
    }

    /// Makes this process the only one that may claim the socket, for as long as it lives. Returns whether it is;
    /// another one that shares the socket may have been there before.
    ///
    /// A record lock belongs to a process and an inode, and a socket that was handed to several processes has one
    /// inode. It goes with the process, however that ends.
    package func claim() throws(SystemCallError) -> Bool {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        if fcntl(descriptor, F_SETLK, &lock) == 0 { return true }
        guard errno == EAGAIN || errno == EACCES else { throw SystemCallError("fcntl F_SETLK") }
        return false
    }

    package func accept() -> Accepted {
        while true {
            let connection = clinux_accept(descriptor)
            if connection >= 0 { return .connection(connection) }
            switch errno {
            case EAGAIN, EINVAL: return .none
            // The peer is gone already, or the network said so: the next one may be there.
            case ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH: continue
            default: return .exhausted(SystemCallError("accept"))
            }
        }
    }

    /// Lets nobody else connect, where the socket is this worker's own: new connections are refused, so that the
    /// web server turns to another worker, while those made before can still be accepted.
    package func refuseConnections() {
        guard !isShared else { return }
        if let file {
            // A worker that was started meanwhile may have put its own socket there.
            var status = stat()
            if stat(file.path, &status) == 0, status.st_ino == file.inode { unlink(file.path) }
        }
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    private static func removeStaleFile(_ path: String, _ address: ListenAddress) throws(SystemCallError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemCallError("\(path), which is not a socket", code: EEXIST) }
        let probe = socket(AF_UNIX, type, 0)
        guard probe >= 0 else { throw SystemCallError("socket") }
        defer { close(probe) }
        let refused = try address.withSocketAddress { pointer, length in
            connect(probe, pointer, length) != 0 && errno == ECONNREFUSED
        }
        guard refused else { throw SystemCallError("\(path), on which somebody listens", code: EADDRINUSE) }
        unlink(path)
    }
}
