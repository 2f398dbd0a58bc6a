import Store
import Testing

@testable import SessionFCGI

@Suite struct LegacyRouteTests {
    let site = Site()
    let testSite = Site(testRoutesEnabled: true)

    @Test func `a history is there for every id`() {
        #expect(site.send("GET", "/session/s/history").text == #"{"session_id":"s","message_count":0,"messages":[]}"#)
        site.say("x", to: "s")
        let answer = site.send("GET", "/session/s/history")
        #expect(
            answer.text
                == #"{"session_id":"s","message_count":1,"messages":[{"role":"user","content":"x"}]}"#)
        #expect(site.send("GET", "/sessions/other").status == 404)
    }

    @Test func `clearing succeeds whether there is a session or not`() {
        site.say("x", to: "s")
        for _ in 0..<2 {
            let answer = site.send("DELETE", "/session/s")
            #expect(answer.status == 200)
            #expect(answer.text == #"{"session_id":"s","status":"cleared"}"#)
        }
        #expect(site.send("GET", "/sessions/s").status == 404)
    }

    @Test func `the test route is not there unless it is enabled`() {
        for method in ["POST", "GET", "OPTIONS"] {
            #expect(site.send(method, "/test/echo", #"{"query":"x"}"#).isProblem(404))
        }
    }

    @Test func `an echo keeps both sides of the conversation`() {
        let first = testSite.send("POST", "/test/echo", #"{"session_id":"s","query":"a \"b\" ä"}"#)
        #expect(first.status == 200)
        #expect(
            first.text == #"{"session_id":"s","decision_brief":"Echo: a \"b\" ä (Session has 0 prior messages)","#
                + #""prior_message_count":0,"current_message_count":2,"citations":[],"metadata":{"test_mode":true}}"#)
        let second = testSite.send("POST", "/test/echo", #"{"session_id":"s","query":"c","unknown":1}"#)
        #expect(second["prior_message_count"] == 2 && second["current_message_count"] == 4)
        #expect(
            testSite.send("GET", "/sessions/s").contents == [
                #"a "b" ä"#, #"Echo: a "b" ä (Session has 0 prior messages)"#, "c",
                "Echo: c (Session has 2 prior messages)",
            ])
    }

    @Test func `an echo without an id makes one`() throws {
        let id: String = try #require(testSite.send("POST", "/test/echo", #"{"query":"x"}"#)["session_id"])
        #expect(testSite.send("GET", "/sessions/\(id)").status == 200)
    }

    @Test(arguments: ["{}", #"{"query":""}"#, #"{"query":1}"#, #"{"query":null}"#, #"{"query":["x"]}"#])
    func `an echo needs something to echo`(body: String) {
        #expect(testSite.send("POST", "/test/echo", body).isProblem(400, field: "query"))
    }

    @Test func `an echo is held to the limit of a message`() {
        let site = Site(requestLimits: RequestLimits(maxMessageBytes: 100), testRoutesEnabled: true)
        let query = String(repeating: "x", count: 90)
        let answer = site.send("POST", "/test/echo", #"{"session_id":"s","query":"\#(query)"}"#)
        #expect(answer.isProblem(413, field: "query", limit: 100))
        #expect(site.send("GET", "/sessions/s").status == 404)
    }
}
