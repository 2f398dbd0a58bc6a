import Foundation
import Store
import Testing

@testable import SessionFCGI

/// The log goes to standard error, which a process of its own lets a test read.
@Suite struct RequestLogTests {
    /// Logs a request full of things that no log may hold, and two that are its business.
    @Sendable private static func logRequests(_ format: LogOutput.Format) {
        let output = LogOutput(format: format)
        let log = RequestLog(output: output, level: .info)
        let store = MemoryStore(limits: StoreLimits(), maxBytes: 64 << 20)
        let router = Router(
            store, access: AccessControl(admin: TokenSet(["t0ken"]), api: TokenSet(["t0ken"])))
        func record(_ request: Request) {
            let destination = router.destination(of: request)
            log.record(
                method: request.method, route: destination.template, id: request.id,
                router.respond(at: destination), since: .now)
        }
        var request = Request(method: "POST", target: Array("/sessions/pers0n/messages?x=qu3ry".utf8), id: "id-1")
        request.authorization = "Bearer t0ken"
        request.idempotencyKey = "k3y"
        request.body = .bytes(Array(#"{"role":"user","content":"c0ntent"}"#.utf8))
        for method in ["POST", "PATCH"] {
            request.method = method
            record(request)
        }
        request.body = .bytes(Array(#"{"role":"c0ntent"#.utf8))
        request.method = "POST"
        record(request)
        request.target = Array("/pers0n".utf8)
        record(request)
        output.flush()
    }

    private func lines(_ result: ExitTest.Result?) -> [String] {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
            .filter { $0.contains("Answered a request.") }
    }

    @Test func `a line in text carries what it must and nothing that it must not`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            Self.logRequests(.text)
        }
        let lines = lines(result)
        #expect(lines.count == 4)
        let beginning = "info Answered a request. method=POST route=/sessions/{id}/messages status=201 "
        #expect(lines.first?.dropFirst(25).hasPrefix(beginning) == true)
        for line in lines {
            for field in ["method=", "route=", "status=", "duration_us=", "request_id=id-1", "store=memory"] {
                #expect(line.contains(field))
            }
            for secret in ["pers0n", "qu3ry", "t0ken", "k3y", "c0ntent"] { #expect(!line.contains(secret)) }
        }
    }

    @Test func `a line in JSON is one object`() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            Self.logRequests(.json)
        }
        let lines = lines(result)
        #expect(lines.count == 4)
        for line in lines {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let expected: Set = [
                "time", "level", "message", "method", "route", "status", "duration_us", "request_id", "store",
            ]
            #expect(Set(object.keys) == expected)
            for secret in ["pers0n", "qu3ry", "t0ken", "k3y", "c0ntent"] { #expect(!line.contains(secret)) }
        }
    }
}
