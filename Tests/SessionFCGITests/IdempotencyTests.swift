import Store
import Testing

@testable import SessionFCGI

@Suite struct IdempotencyTests {
    let site = Site()

    private func append(_ content: String, key: String?, to session: String = "s") -> Answer {
        site.send("POST", "/sessions/\(session)/messages", #"{"role":"user","content":"\#(content)"}"#) {
            $0.idempotencyKey = key
        }
    }

    @Test func `a repetition gets the first answer again and stores nothing`() {
        let first = append("a", key: "k")
        #expect(first.status == 201 && first.headers["Idempotency-Replayed"] == nil)
        site.clock.advance(milliseconds: 10)
        #expect(append("b", key: nil).status == 201)
        let again = append("a", key: "k")
        #expect(again.status == 201)
        #expect(again.text == first.text)
        #expect(again.headers["Idempotency-Replayed"] == "true")
        #expect(site.send("GET", "/sessions/s").contents == ["a", "b"])
    }

    @Test func `another body under the same key is refused`() {
        #expect(append("a", key: "k").status == 201)
        #expect(append("b", key: "k").isProblem(422, field: "Idempotency-Key"))
        #expect(append("a ", key: "k").isProblem(422, field: "Idempotency-Key"))
        #expect(site.send("GET", "/sessions/s").contents == ["a"])
    }

    @Test func `a key belongs to one session, and its letters' case matters`() {
        #expect(append("a", key: "k", to: "s").headers["Idempotency-Replayed"] == nil)
        #expect(append("a", key: "k", to: "t").headers["Idempotency-Replayed"] == nil)
        #expect(append("a", key: "K", to: "s").headers["Idempotency-Replayed"] == nil)
        #expect(append("a", key: nil, to: "s").headers["Idempotency-Replayed"] == nil)
        #expect(site.send("GET", "/sessions/s")["message_count"] == 3)
    }

    @Test func `a refused append leaves its key unused`() {
        #expect(site.send("POST", "/sessions/s/messages", "{") { $0.idempotencyKey = "k" }.status == 400)
        #expect(append("a", key: "k").headers["Idempotency-Replayed"] == nil)
    }

    @Test(arguments: ["a", " ", "~", "a b", String(repeating: "k", count: 128), "\"quoted\"", "{}"])
    func `a key is any printable ASCII`(key: String) {
        #expect(append("a", key: key).status == 201)
        #expect(append("a", key: key).headers["Idempotency-Replayed"] == "true")
    }

    @Test(arguments: ["", "\t", "a\u{7F}", "ä", "\u{1}", String(repeating: "k", count: 129)])
    func `any other key is refused`(key: String) {
        #expect(append("a", key: key).isProblem(400, field: "Idempotency-Key", limit: 128))
        #expect(site.send("GET", "/sessions/s").status == 404)
    }

    @Test func `the last sixty-four keys are remembered`() {
        for index in 0..<64 { #expect(append("a", key: "k\(index)").headers["Idempotency-Replayed"] == nil) }
        for index in 0..<64 { #expect(append("a", key: "k\(index)").headers["Idempotency-Replayed"] == "true") }
    }

    @Test func `the fingerprint of a body is the same in every release`() {
        #expect(IdempotencyKey(key: "k", body: []).fingerprint == Int64(bitPattern: 0xcbf2_9ce4_8422_2325))
        #expect(IdempotencyKey(key: "k", body: Array("foobar".utf8)).fingerprint == Int64(bitPattern: 0x85944171f73967e8))
    }
}
