import Store
import Testing

@testable import SessionFCGI

@Suite struct MessageRouteTests {
    let site = Site()

    @Test(arguments: [
        #"{"role":"user","content":"$$NOW"}"#, #"{"role":"tool","content":"$updated_at","tool_call_id":"x"}"#,
        #"{"role":"user","content":[{"$date":0},{"a.b":1}]}"#, #"{"role":"assistant","content":null,"tool_calls":[1]}"#,
        #"{"z":1.0e+2,"role":"user","a":[12345678901234567890,1.10],"content":"\u00e4ä\u0000","id":{"$oid":"x"}}"#,
        #"{"role":"developer","content":"x","metadata":{"":{"..":[]}},"name":"e\u0301"}"#,
        #"{"messages":[1],"role":"user","content":"x"}"#,
    ])
    func `a message goes out as it came in`(message: String) {
        #expect(site.send("POST", "/sessions/s/messages", message).status == 201)
        #expect(site.send("GET", "/sessions/s").text.contains("\"messages\":[\(message)],"))
        #expect(site.send("GET", "/sessions/s/messages").text.hasSuffix("\"messages\":[\(message)]}"))
        #expect(site.send("GET", "/session/s/history").text.hasSuffix("\"messages\":[\(message)]}"))
    }

    @Test(arguments: [
        (#"{"role":"bot","content":"x"}"#, "role"), (#"{"content":"x"}"#, "role"), (#"{"role":"user"}"#, "content"),
        (#"{"role":"user","content":""}"#, "content"), (#"{"role":"user","content":null}"#, "content"),
        (#"{"role":"user","content":[]}"#, "content"), (#"{"role":"user","content":["x"]}"#, "content"),
        (#"{"role":"assistant","content":null,"tool_calls":[]}"#, "content"),
    ])
    func `a message that is none is refused with the place of the fault`(message: String, field: String) {
        #expect(site.send("POST", "/sessions/s/messages", message).isProblem(400, field: field))
        let batch = #"{"messages":[{"role":"user","content":"ok"},\#(message)]}"#
        for (method, target) in RequestBodyTests.writes {
            #expect(site.send(method, target, batch).isProblem(400, field: "messages[1].\(field)"))
        }
        #expect(site.send("GET", "/sessions/s").status == 404)
    }

    @Test func `an element that is no object is refused with its place`() {
        let answer = site.send("POST", "/sessions/s/messages", #"{"messages":["x"]}"#)
        #expect(answer.isProblem(400, field: "messages[0]"))
    }

    @Test func `a message may be as long as the limit and no longer`() {
        let site = Site(requestLimits: RequestLimits(maxMessageBytes: 100))
        func message(_ length: Int) -> String {
            let frame = #"{"role":"user","content":""}"#
            return #"{"role":"user","content":"\#(String(repeating: "x", count: length - frame.utf8.count))"}"#
        }
        #expect(site.send("POST", "/sessions/s/messages", message(100)).status == 201)
        #expect(site.send("POST", "/sessions/s/messages", message(101)).isProblem(413, limit: 100))
        let batch = #"{"messages":[\#(message(100)),\#(message(101))]}"#
        #expect(site.send("POST", "/sessions/s/messages", batch).isProblem(413, field: "messages[1]", limit: 100))
        #expect(site.send("GET", "/sessions/s")["message_count"] == 1)
    }

    @Test func `the newest messages are kept and the dropped ones counted`() {
        let site = Site(limits: StoreLimits(maxMessages: 3))
        for (index, dropped) in [0, 0, 0, 1, 1].enumerated() {
            let answer = site.send("POST", "/sessions/s/messages", #"{"role":"user","content":"\#(index)"}"#)
            #expect(answer["dropped"] == dropped)
            #expect(answer["message_count"] == min(index + 1, 3))
        }
        #expect(site.send("GET", "/sessions/s").contents == ["2", "3", "4"])
        let batch = (5..<10).map { #"{"role":"user","content":"\#($0)"}"# }.joined(separator: ",")
        let answer = site.send("POST", "/sessions/s/messages", #"{"messages":[\#(batch)]}"#)
        #expect(answer["message_count"] == 3 && answer["dropped"] == 5)
        #expect(site.send("GET", "/sessions/s").contents == ["7", "8", "9"])
        site.send("PUT", "/sessions/t", #"{"messages":[\#(batch)]}"#)
        #expect(site.send("GET", "/sessions/t").contents == ["7", "8", "9"])
    }

    @Test func `the oldest messages go when a session is too large`() {
        let site = Site(limits: StoreLimits(maxSessionBytes: 1_000))
        let text = String(repeating: "x", count: 400)
        for index in 0..<4 { site.say("\(index)\(text)", to: "s") }
        #expect(site.send("GET", "/sessions/s").contents.map { $0.prefix(1) } == ["2", "3"])
        let large = String(repeating: "x", count: 1_000)
        let answer = site.send("POST", "/sessions/s/messages", #"{"role":"user","content":"\#(large)"}"#)
        #expect(answer.isProblem(413, limit: 1_000))
        #expect(site.send("GET", "/sessions/s")["message_count"] == 2)
    }

    @Test func `an append to an expired session starts it afresh`() {
        site.say("old", to: "s")
        site.clock.advance(milliseconds: 604_800_000)
        #expect(site.send("GET", "/sessions/s").status == 404)
        site.say("new", to: "s")
        #expect(site.send("GET", "/sessions/s").contents == ["new"])
    }
}
