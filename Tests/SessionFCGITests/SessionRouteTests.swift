import Store
import Testing

@testable import SessionFCGI

@Suite struct SessionRouteTests {
    let site = Site()

    @Test func `a session is made under the id that the client names`() {
        let body = #"{"session_id":"a b/ä","messages":[{"role":"user","content":"hi"}]}"#
        let answer = site.send("POST", "/sessions", body)
        #expect(answer.status == 201)
        #expect(answer.headers["Location"] == "/sessions/a%20b%2F%C3%A4")
        #expect(
            answer.text == #"{"session_id":"a b/ä","messages":[{"role":"user","content":"hi"}],"message_count":1,"#
                + #""created_at":"2024-01-15T10:00:00.000Z","updated_at":"2024-01-15T10:00:00.000Z"}"#)
        #expect(site.send("GET", answer.headers["Location"] ?? "").text == answer.text)
    }

    @Test(arguments: ["", "{}", #"{"session_id":null}"#, #"{"messages":[]}"#])
    func `without an id a random one is made`(body: String) throws {
        let answer = site.send("POST", "/sessions", body)
        #expect(answer.status == 201)
        let id: String = try #require(answer["session_id"])
        #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        #expect(answer.headers["Location"] == "/sessions/" + id)
        #expect(answer["message_count"] == 0)
    }

    @Test func `a session that exists is not made again`() {
        site.say("first", to: "s")
        let answer = site.send("POST", "/sessions", #"{"session_id":"s","messages":[{"role":"user","content":"x"}]}"#)
        #expect(answer.isProblem(409, field: "session_id"))
        #expect(site.send("GET", "/sessions/s").contents == ["first"])
    }

    @Test func `a session that does not exist is not found`() {
        #expect(site.send("GET", "/sessions/none").isProblem(404))
        #expect(site.send("GET", "/sessions/none/messages").isProblem(404))
        #expect(site.send("DELETE", "/sessions/none").isProblem(404))
    }

    @Test func `last asks for the newest messages and leaves the count as it is`() {
        for text in ["1", "2", "3"] { site.say(text, to: "s") }
        let all = ["1", "2", "3"]
        for (last, expected) in [("0", []), ("1", ["3"]), ("2", ["2", "3"]), ("3", all), ("99", all)] {
            for target in ["/sessions/s", "/sessions/s/messages"] {
                let answer = site.send("GET", "\(target)?last=\(last)")
                #expect(answer.status == 200)
                #expect(answer.contents == expected)
                #expect(answer["message_count"] == 3)
            }
        }
        let history = site.send("GET", "/sessions/s/messages").text
        #expect(history.hasPrefix(#"{"session_id":"s","message_count":3,"messages":["#))
    }

    @Test func `a replacement makes a session or changes one`() {
        let made = site.send("PUT", "/sessions/s", #"{"messages":[{"role":"user","content":"a"}]}"#)
        #expect(made.status == 201)
        #expect(made.headers["Location"] == "/sessions/s")
        site.clock.advance(milliseconds: 1500)
        let changed = site.send("PUT", "/sessions/s", #"{"messages":[]}"#)
        #expect(changed.status == 200)
        #expect(changed.headers["Location"] == nil)
        #expect(changed["message_count"] == 0)
        #expect(changed["created_at"] == "2024-01-15T10:00:00.000Z")
        #expect(changed["updated_at"] == "2024-01-15T10:00:01.500Z")
    }

    @Test func `a deleted session is gone`() {
        site.say("x", to: "s")
        let answer = site.send("DELETE", "/sessions/s")
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.headers["Content-Type"] == nil && answer.headers["Content-Length"] == nil)
        #expect(site.send("GET", "/sessions/s").status == 404)
    }

    @Test func `an append answers with what it did`() {
        let answer = site.send(
            "POST", "/sessions/s/messages",
            #"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#)
        #expect(answer.status == 201)
        #expect(
            answer.text == #"{"session_id":"s","message_count":2,"appended":2,"dropped":0,"#
                + #""updated_at":"2024-01-15T10:00:00.000Z"}"#)
        #expect(site.send("GET", "/sessions/s").contents == ["a", "b"])
    }

    @Test func `every answer carries the request's id, the store and no-store`() {
        for (method, target) in [
            ("GET", "/health"), ("GET", "/nowhere"), ("GET", "/sessions/none"), ("POST", "/sessions"),
            ("OPTIONS", "/sessions"), ("PATCH", "/sessions"), ("GET", "/%"),
        ] {
            let answer = site.send(method, target)
            #expect(answer.headers["X-Request-ID"] == "test-request")
            #expect(answer.headers["X-Session-Store"] == "memory")
            #expect(answer.headers["Cache-Control"] == "no-store")
            if !answer.body.isEmpty { #expect(answer.headers["Content-Length"] == String(answer.body.count)) }
        }
    }

    @Test func `HEAD answers as GET does`() {
        site.say("x", to: "s")
        for target in [
            "/sessions/s", "/sessions/s/messages", "/sessions/none", "/health", "/health/live", "/health/ready",
            "/admin/sessions", "/session/s/history",
        ] {
            let get = site.send("GET", target)
            let head = site.send("HEAD", target)
            #expect(head.status == get.status)
            #expect(head.headers == get.headers)
        }
        #expect(site.send("HEAD", "/sessions").status == 405)
    }

    @Test(arguments: [
        ("/health", "GET, HEAD, OPTIONS"), ("/sessions", "POST, OPTIONS"),
        ("/sessions/s", "GET, HEAD, PUT, DELETE, OPTIONS"), ("/sessions/s/messages", "GET, HEAD, POST, OPTIONS"),
        ("/session/s", "DELETE, OPTIONS"), ("/session/s/history", "GET, HEAD, OPTIONS"),
        ("/admin/sessions", "GET, HEAD, OPTIONS"), ("/admin/cleanup-sessions", "POST, OPTIONS"),
    ])
    func `OPTIONS and a wrong method name the methods`(target: String, allow: String) {
        let options = site.send("OPTIONS", target)
        #expect(options.status == 204)
        #expect(options.headers["Allow"] == allow)
        #expect(options.body.isEmpty)
        for method in ["PATCH", "TRACE", "get", "", "CONNECT"] {
            let answer = site.send(method, target)
            #expect(answer.isProblem(405))
            #expect(answer.headers["Allow"] == allow)
        }
    }

    @Test(arguments: [
        "/", "", "*", "//", "/Sessions", "/sessions/", "/sessions/s/", "/sessions/s/messages/", "/sessions/s/message",
        "/sessions/s/messages/1", "/session", "/session/", "/session/s/histories", "/health/", "/health/lively",
        "/admin", "/admin/", "/admin/session", "/test/echo", "/test", "//sessions", "sessions", "http://x/health",
        "/?/health", "/%2Fhealth",
    ])
    func `a path that names nothing is not found`(target: String) {
        for method in ["GET", "POST", "OPTIONS"] { #expect(site.send(method, target).isProblem(404)) }
    }
}
