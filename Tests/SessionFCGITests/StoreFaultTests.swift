import Store
import TestSupport
import Testing

@testable import SessionFCGI

/// Every refusal of a store, on every route that asks one.
@Suite struct StoreFaultTests {
    static let message = #"{"role":"user","content":"c0ntent"}"#
    static let questions = [
        ("POST", "/sessions", ""), ("POST", "/sessions", #"{"session_id":"s"}"#), ("GET", "/sessions/s", ""),
        ("GET", "/sessions/s/messages", ""), ("PUT", "/sessions/s", #"{"messages":[\#(message)]}"#),
        ("DELETE", "/sessions/s", ""), ("POST", "/sessions/s/messages", message), ("GET", "/session/s/history", ""),
        ("DELETE", "/session/s", ""), ("POST", "/test/echo", #"{"query":"c0ntent"}"#), ("GET", "/admin/sessions", ""),
        ("POST", "/admin/cleanup-sessions", ""),
    ]

    private func answers(to error: StoreError) -> [(answer: Answer, cause: String?)] {
        let router = Router(RefusingStore(error), testRoutesEnabled: true)
        return Self.questions.map { method, target, body in
            var request = Request(method: method, target: Array(target.utf8), id: "test-request")
            request.remoteAddress = "::1"
            request.body = .bytes(Array(body.utf8))
            let response = router.respond(to: request)
            return (Answer(response), response.cause)
        }
    }

    @Test(arguments: [
        (.exists, 409, "session_id", nil), (.conditionFailed, 412, nil, nil), (.keyReused, 422, "Idempotency-Key", nil),
        (.tooLarge(limit: 77), 413, nil, 77),
    ] as [(StoreError, Int, String?, Int?)])
    func `a store's refusal is the client's problem`(error: StoreError, status: Int, field: String?, limit: Int?) {
        for (index, (answer, cause)) in answers(to: error).enumerated() {
            if error == .conditionFailed, Self.questions[index].2.contains("session_id") {
                // To a session that is to be made, the condition is that there is none.
                #expect(answer.isProblem(409, field: "session_id"))
                continue
            }
            #expect(answer.isProblem(status, field: field, limit: limit))
            #expect(answer.headers["X-Session-Store"] == "mongodb")
            #expect(answer.headers["Retry-After"] == nil)
            #expect(cause == nil)
        }
    }

    @Test(arguments: [.full, .unavailable(reason: "mongodb://user:s3cret@db/?c0ntent")] as [StoreError])
    func `a store that cannot answer now is worth asking again`(error: StoreError) throws {
        for (answer, _) in answers(to: error) {
            #expect(answer.isProblem(503))
            let seconds: Int = try #require(answer["retry_after"])
            #expect(seconds > 0 && answer.headers["Retry-After"] == String(seconds))
        }
    }

    @Test func `a store that answers what it should not is our fault`() {
        for (answer, _) in answers(to: .failed(reason: "mongodb://user:s3cret@db/?c0ntent")) {
            #expect(answer.isProblem(500))
            #expect(answer.headers["Retry-After"] == nil)
        }
    }

    @Test func `the reason of a fault goes into the log and never into the answer`() {
        let reason = "mongodb://user:s3cret@db"
        for error in [StoreError.unavailable(reason: reason), .failed(reason: reason)] {
            for (answer, cause) in answers(to: error) {
                #expect(cause == reason)
                for text in [answer.text, answer.headers.description] {
                    #expect(!text.contains("s3cret") && !text.contains("mongodb://") && !text.contains("c0ntent"))
                }
            }
        }
    }
}
