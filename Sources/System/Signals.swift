import Glibc

/// The signals that a service attends to, in one place and on one thread.
package enum Signals {
    /// Keeps all signals from interrupting any thread that is started from here on. To be called before the first one:
    /// libfcgi, for one, takes an interrupted call for the end of a request's body.
    package static func block() {
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
    }

    /// SIGTERM, SIGINT or SIGHUP; nil when none came in time.
    package static func next(within timeout: Duration) -> Int32? {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, signal) }
        let (seconds, attoseconds) = timeout.components
        var limit = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        let signal = sigtimedwait(&signals, nil, &limit)
        return signal > 0 ? signal : nil
    }
}
