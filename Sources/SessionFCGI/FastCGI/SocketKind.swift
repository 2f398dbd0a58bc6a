import CFCGI
import Glibc

/// The kinds of sockets whose names count as CFCGI's wherever that module is loaded.
enum SocketKind {
    /// Datagrams, on a descriptor that programs started from here do not inherit.
    static let datagram = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
}
