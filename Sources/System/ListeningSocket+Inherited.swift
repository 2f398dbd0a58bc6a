import Glibc

extension ListeningSocket {
    /// The listening socket that whoever started the process has left for it.
    package static func inherited() throws(SystemCallError) -> ListeningSocket {
        // sd_listen_fds(3): the descriptors begin at 3, and are meant for this process alone.
        if let count = getenv("LISTEN_FDS").flatMap({ Int(String(cString: $0)) }), count >= 1,
            getenv("LISTEN_PID").map({ String(cString: $0) }) == String(getpid())
        {
            return try ListeningSocket(adopting: 3)
        }
        // spawn-fcgi, and systemd with StandardInput=socket.
        return try ListeningSocket(adopting: STDIN_FILENO)
    }
}
