import Store
import Testing

@testable import SessionFCGI

@Suite struct RequestBodyTests {
    let site = Site()
    static let writes = [("POST", "/sessions/s/messages"), ("PUT", "/sessions/s"), ("POST", "/sessions")]

    @Test(arguments: [
        nil, "", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON;CHARSET=\"UTF-8\"",
        "application/problem+json", "application/json ; charset=utf8", "application/json; version=1",
    ] as [String?])
    func `JSON is taken under its media types`(type: String?) {
        let answer = site.send("PUT", "/sessions/s", #"{"messages":[]}"#) { $0.contentType = type }
        #expect(answer.status < 300)
    }

    @Test(arguments: [
        "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/jsonp", "application/json; charset=iso-8859-1", "application/json; charset=utf-16", "json", ";",
        "image/svg+json", "application/xml",
    ])
    func `another media type or character set is refused`(type: String) {
        for (method, target) in Self.writes {
            #expect(site.send(method, target, #"{"messages":[]}"#) { $0.contentType = type }.isProblem(415))
        }
        #expect(site.send("GET", "/sessions/s").status == 404)
    }

    @Test(arguments: [
        "{", "[1,]", #"{"messages":[],"messages":[]}"#, #"{"role":"user","content":"\ud800"}"#, "{} ", "\u{FEFF}{}",
        #"{"messages":[]}x"#, "nul", #"{"a":1e99999}"#,
    ])
    func `what is not strict JSON is refused, wherever it is sent`(body: String) {
        for (method, target) in Self.writes where !(body == "{} " && target == "/sessions") {
            #expect(site.send(method, target, body).status == 400)
        }
    }

    @Test func `invalid UTF-8 is refused`() {
        let body = Array(#"{"role":"user","content":""#.utf8) + [0xFF] + Array("\"}".utf8)
        #expect(site.send("POST", Array("/sessions/s/messages".utf8), body).isProblem(400))
    }

    @Test(arguments: ["[]", "1", "\"x\"", "null", "true", #"[{"role":"user","content":"x"}]"#])
    func `a body is an object`(body: String) {
        for (method, target) in Self.writes { #expect(site.send(method, target, body).isProblem(400)) }
    }

    @Test func `a body that must be there is missed`() {
        #expect(site.send("PUT", "/sessions/s").isProblem(400))
        #expect(site.send("POST", "/sessions/s/messages").isProblem(400))
    }

    @Test func `a member that the envelope does not know is named`() {
        #expect(site.send("POST", "/sessions", #"{"id":"x"}"#).isProblem(400, field: "id"))
        let replacement = site.send("PUT", "/sessions/s", #"{"messages":[],"session_id":"s"}"#)
        #expect(replacement.isProblem(400, field: "session_id"))
        let append = site.send("POST", "/sessions/s/messages", #"{"messages":[],"x\ty":1}"#)
        #expect(append.isProblem(400, field: "x\ty"))
        let long = String(repeating: "ä", count: 1000)
        let answer = site.send("POST", "/sessions", "{\"\(long)\":1}")
        #expect(answer.status == 400 && answer.body.count < 500)
    }

    @Test(arguments: ["null", "{}", "1", "\"x\""])
    func `messages are an array`(value: String) {
        for (method, target) in Self.writes {
            #expect(site.send(method, target, #"{"messages":\#(value)}"#).isProblem(400, field: "messages"))
        }
    }

    @Test func `an append of no messages is refused, and an empty session is not`() {
        #expect(site.send("POST", "/sessions/s/messages", #"{"messages":[]}"#).isProblem(400, field: "messages"))
        #expect(site.send("PUT", "/sessions/s", #"{"messages":[]}"#).status == 201)
    }

    @Test func `a body over the limit is refused with the limit`() {
        let site = Site(requestLimits: RequestLimits(maxBodyBytes: 100))
        for (method, target) in Self.writes {
            #expect(site.send(method, target, "x") { $0.body = .tooLarge }.isProblem(413, limit: 100))
        }
    }

    @Test func `a refusal never quotes the body`() {
        for body in [
            #"{"role":"user","content":"s3cret"#, #"{"role":"s3cret","content":"s3cret"}"#,
            #"{"messages":["s3cret"]}"#, #"{"messages":"s3cret"}"#, #"{"role":"user","content":{"a":"s3cret"}}"#,
        ] {
            let answer = site.send("POST", "/sessions/s/messages", body)
            #expect(answer.status == 400 && !answer.text.contains("s3cret"))
        }
    }
}
