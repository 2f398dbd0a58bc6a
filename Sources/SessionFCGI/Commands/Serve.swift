import ArgumentParser
import Glibc
import System

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers FastCGI requests until it is told to stop.",
        discussion: """
            SIGTERM and SIGINT drain: no new connection is taken, requests in flight are finished, and the connections \
            that are open are served until the web server closes them or the time is over. A second signal ends the \
            worker at once. SIGHUP reads the token files again.
            """)

    @Option(
        help: ArgumentHelp(
            "unix:/path.sock, 127.0.0.1:9000 or [::1]:9000. Without it, the listening socket on descriptor 0 or from "
                + "LISTEN_FDS.", valueName: "address"),
        transform: Self.address)
    var listen: ListenAddress?

    @Option(help: "How many requests are answered at once. The default is 8 with memory and 64 else.")
    var threads: Int?

    @Option(
        help: ArgumentHelp("The permissions of the Unix socket. (default: 0660)", valueName: "octal"),
        transform: Self.mode)
    var socketMode: mode_t?

    @Flag(help: "Allow --listen on an address that other machines reach. Whoever reaches it owns the worker.")
    var allowRemote = false

    @Option(help: ArgumentHelp("How long draining may take.", valueName: "seconds"))
    var drainSeconds = 10

    @Option(help: ArgumentHelp("How long a request may take to arrive.", valueName: "seconds"))
    var requestTimeout = 5

    @OptionGroup var settingsOptions: SettingsOptions

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024.") }
        if !(0...3600).contains(drainSeconds) { throw ValidationError("--drain-seconds must be from 0 to 3600.") }
        if !(1...3600).contains(requestTimeout) { throw ValidationError("--request-timeout must be from 1 to 3600.") }
        guard let listen, !listen.isLocal, !allowRemote else { return }
        throw ValidationError(
            "--listen \(listen) can be reached by other machines. FastCGI knows no passwords: whoever reaches the "
                + "socket owns the worker. If a private network is meant, add --allow-remote.")
    }

    func run() throws {
        Signals.block()
        let status = try exiting {
            let settings = try settingsOptions.load()
            let service = try Service(
                settings,
                Service.Options(
                    listen: listen.map { ($0, socketMode ?? 0o660) },
                    threads: threads ?? settings.store.defaultThreads, requestTimeout: .seconds(requestTimeout),
                    drainTimeout: .seconds(drainSeconds)))
            return try service.run()
        }
        throw ExitCode(status)
    }

    private static func address(_ text: String) throws -> ListenAddress {
        guard let address = ListenAddress(text) else {
            throw ValidationError(
                "--listen must be unix:/path (of up to \(ListenAddress.maximumPathBytes) bytes) or a numeric address:port.")
        }
        return address
    }

    private static func mode(_ text: String) throws -> mode_t {
        guard let mode = mode_t(text, radix: 8), mode <= 0o777 else {
            throw ValidationError("--socket-mode must be an octal number up to 0777.")
        }
        return mode
    }
}
