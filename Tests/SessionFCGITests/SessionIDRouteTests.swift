import Store
import Testing

@testable import SessionFCGI

@Suite struct SessionIDRouteTests {
    let site = Site()

    @Test(arguments: [
        ("a%2Fb", "a/b"), ("a%20b", "a b"), ("%C3%A4", "ä"), ("ä", "ä"), ("%61", "a"), ("a+b", "a+b"),
        ("%2541", "%41"), ("%3Fx", "?x"), ("..", ".."), ("%2E%2E%2F", "../"), ("a;b=c", "a;b=c"),
        ("%F0%9F%8E%89", "🎉"),
    ])
    func `an id is decoded once`(segment: String, id: String) {
        for target in ["/sessions/\(segment)", "/sessions/\(segment)/messages"] {
            site.send("PUT", "/sessions/\(segment)", #"{"messages":[]}"#)
            #expect(site.send("GET", target)["session_id"] == id)
        }
        #expect(site.send("DELETE", "/session/\(segment)")["session_id"] == id)
        #expect(site.send("GET", "/session/\(segment)/history")["session_id"] == id)
    }

    @Test func `an encoded slash parts no segments`() {
        site.say("x", to: "a%2Fmessages")
        #expect(site.send("GET", "/sessions/a%2Fmessages")["session_id"] == "a/messages")
        #expect(site.send("GET", "/sessions/a/messages").status == 404)
    }

    @Test func `an id is up to 256 bytes, encoded or not`() {
        for unit in ["a", "%61"] {
            let longest = String(repeating: unit, count: 256)
            #expect(site.send("PUT", "/sessions/\(longest)", #"{"messages":[]}"#).status < 300)
            let tooLong = site.send("PUT", "/sessions/\(longest)\(unit)", #"{"messages":[]}"#)
            #expect(tooLong.isProblem(400, field: "session_id", limit: 256))
        }
    }

    @Test(arguments: ["%00", "%0A", "a%1Fb", "%7F", "%C2%85", "%FF", "%C3", "%C0%80", "%ED%A0%80", "a%C3%28"])
    func `control characters and invalid UTF-8 are refused`(segment: String) {
        for (method, target) in [
            ("GET", "/sessions/\(segment)"), ("GET", "/sessions/\(segment)/messages"),
            ("DELETE", "/session/\(segment)"), ("GET", "/session/\(segment)/history"),
        ] {
            #expect(site.send(method, target).isProblem(400, field: "session_id", limit: 256))
        }
    }

    @Test func `raw control characters and raw invalid UTF-8 are refused, too`() {
        for bytes in [[0x01], [0x0A], [0x7F], [0xFF], [0xC3]] as [[UInt8]] {
            let answer = site.send("GET", Array("/sessions/".utf8) + bytes, [])
            #expect(answer.isProblem(400, field: "session_id", limit: 256))
        }
    }

    @Test(arguments: ["/sessions/%", "/sessions/%4", "/sessions/%zz", "/sessions/a%2", "/sessions/%%41", "/health%4"])
    func `a percent sign without two digits is malformed`(target: String) {
        #expect(site.send("GET", target).isProblem(400))
    }

    @Test func `an empty id is refused in a path and in a body`() {
        #expect(site.send("GET", "/sessions//messages").isProblem(400, field: "session_id", limit: 256))
        #expect(site.send("GET", "/session//history").isProblem(400, field: "session_id", limit: 256))
        #expect(site.send("POST", "/sessions", #"{"session_id":""}"#).isProblem(400, field: "session_id", limit: 256))
    }

    @Test(arguments: ["1", "true", "[]", "{}", "[\"a\"]"])
    func `an id in a body is a string`(value: String) {
        #expect(site.send("POST", "/sessions", #"{"session_id":\#(value)}"#).isProblem(400, field: "session_id"))
    }

    @Test func `an id in a body is held to the same rules`() {
        let tooLong = String(repeating: "a", count: 257)
        for value in [tooLong, #"a\u0000"#, #"\n"#, #"\u007f"#, #"\u0085"#] {
            let answer = site.send("POST", "/sessions", #"{"session_id":"\#(value)"}"#)
            #expect(answer.isProblem(400, field: "session_id", limit: 256))
        }
        #expect(site.send("POST", "/sessions", #"{"session_id":"\u00e4"}"#)["session_id"] == "ä")
    }

    @Test func `two spellings of one text are two sessions`() {
        site.say("one", to: "%C3%A4")
        #expect(site.send("GET", "/sessions/a%CC%88").status == 404)
    }
}
