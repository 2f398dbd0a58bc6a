import CLinux
import Glibc

/// systemd, where it has started the worker with `Type=notify` and wants to be told how the worker fares: the
/// client's side of sd_notify(3). Without a service manager nothing is sent.
///
/// It belongs to the thread that waits for signals, so that a sign of life says that this thread still attends to
/// them.
package final class ServiceManager {
    /// `sun_path` of the manager's datagram socket, a leading NUL for an abstract one.
    private let path: [UInt8]?
    /// How often a sign of life is sent: twice as often as it is expected, as sd_watchdog_enabled(3) recommends.
    private let interval: Duration?
    private var lastSign: ContinuousClock.Instant?

    /// - Parameter environment: what the manager has left in the worker's environment.
    package init(environment: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }) {
        path = environment("NOTIFY_SOCKET").flatMap(Self.path(of:))
        let isMeantForAnother = environment("WATCHDOG_PID").map { $0 != String(getpid()) } ?? false
        interval = isMeantForAnother
            ? nil : environment("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0 / 2) : nil }
    }

    /// Requests are being answered.
    package func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    /// The worker is on its way out.
    package func stopping(_ status: String) { send("STOPPING=1\nSTATUS=\(status)") }

    /// To be called a few times a second; what is more than the watchdog needs is not sent.
    package func signOfLife() {
        guard let interval else { return }
        let now = ContinuousClock.now
        if let lastSign, now - lastSign < interval { return }
        lastSign = now
        send("WATCHDOG=1")
    }

    private static func path(of address: String) -> [UInt8]? {
        var path = Array(address.utf8)
        // Other kinds, a virtual machine's vsock: for one, are not for a service.
        guard let first = path.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else { return nil }
        if first == UInt8(ascii: "@") { path[0] = 0 }
        return path.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) ? path : nil
    }

    /// A manager that does not listen is none of the requests' business, so nothing is done about errors.
    private func send(_ text: String) {
        guard let path else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        // An abstract address ends where its length says, without a closing NUL.
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + path.count
        withUnsafePointer(to: address) { pointer in
            let pointer = UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            let bytes = Array(text.utf8)
            _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, socklen_t(length))
        }
    }
}
