import Logging

/// One line a request: method, route, status, duration, request id and store; never an id of a session, content or
/// a token.
struct RequestLog: Sendable {
    let output: LogOutput
    let level: Logger.Level

    func record(
        method: String, route: StaticString, id: String, _ response: Response, since received: ContinuousClock.Instant
    ) {
        let severity: Logger.Level = response.status >= 500 ? .error : .info
        guard severity >= level else { return }
        let elapsed = ContinuousClock.now - received
        let microseconds = elapsed.components.seconds * 1_000_000 + elapsed.components.attoseconds / 1_000_000_000_000
        output.write(severity, "Answered a request.".utf8) { line in
            line.field("method", method)
            line.field("route", route)
            line.field("status", response.status)
            line.field("duration_us", microseconds)
            line.field("request_id", id)
            line.field("store", response.store ?? "-")
            if let cause = response.cause { line.field("cause", cause) }
        }
    }
}
