import CLinux
import Glibc

/// One epoll for a worker's listening socket and all its connections, waited on by all its threads. A connection
/// that has become readable goes to one thread and is not looked at again until it is parked again: an idle
/// peer holds a descriptor, never a thread.
package final class Poller: Sendable {
    package enum Event {
        case connection(Int32)
        case listener
        /// The threads are to end.
        case stop
    }

    private let epoll: Int32
    private let stopEvent: Int32

    private static let listenerTag: UInt64 = 1 << 32
    private static let stopTag: UInt64 = 1 << 33

    package init() throws(SystemCallError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemCallError("epoll_create1") }
        stopEvent = eventfd(0, Int32(EFD_CLOEXEC))
        guard stopEvent >= 0 else {
            close(epoll)
            throw SystemCallError("eventfd")
        }
        try control(EPOLL_CTL_ADD, stopEvent, EPOLLIN.rawValue, tag: Self.stopTag)
    }

    deinit {
        close(stopEvent)
        close(epoll)
    }

    package func wait() -> Event {
        var event = epoll_event()
        while true {
            guard epoll_wait(epoll, &event, 1, -1) == 1 else { continue }
            let tag = event.data.u64
            if tag & Self.stopTag != 0 { return .stop }
            if tag & Self.listenerTag != 0 { return .listener }
            return .connection(Int32(truncatingIfNeeded: tag))
        }
    }

    /// Adds the listening socket. Exclusive wake-ups, since other processes may wait on the same one.
    package func watch(_ listener: ListeningSocket) throws(SystemCallError) {
        let events = EPOLLIN.rawValue | EPOLLEXCLUSIVE.rawValue
        try control(EPOLL_CTL_ADD, listener.descriptor, events, tag: Self.listenerTag)
    }

    package func unwatch(_ listener: ListeningSocket) { epoll_ctl(epoll, EPOLL_CTL_DEL, listener.descriptor, nil) }

    /// Hands a connection over until its peer says something.
    package func park(_ connection: Int32, isNew: Bool) throws(SystemCallError) {
        let events = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLONESHOT.rawValue
        try control(isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection, events, tag: UInt64(UInt32(bitPattern: connection)))
    }

    /// Ends every wait, now and later.
    package func stop() { eventfd_write(stopEvent, 1) }

    private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32, tag: UInt64) throws(SystemCallError) {
        var event = epoll_event()
        event.events = events
        event.data.u64 = tag
        guard epoll_ctl(epoll, operation, descriptor, &event) == 0 else { throw SystemCallError("epoll_ctl") }
    }
}
