import Testing

@testable import SessionFCGI

@Suite struct ConditionalRequestTests {
    let site = Site()
    static let body = #"{"messages":[{"role":"user","content":"new"}]}"#

    private func tag(_ id: String) throws -> String {
        try #require(site.send("GET", "/sessions/\(id)").headers["ETag"])
    }

    @Test func `an entity tag is strong, and stays until the session changes`() throws {
        site.say("x", to: "s")
        let first = try tag("s")
        #expect(first.wholeMatch(of: /"[0-9a-z.-]+"/) != nil)
        #expect(try tag("s") == first)
        site.say("y", to: "s")
        #expect(try tag("s") != first)
    }

    @Test func `whoever changes a session is told its tag`() throws {
        let made = site.send("PUT", "/sessions/s", Self.body)
        #expect(try made.headers["ETag"] == tag("s"))
        #expect(try site.send("PUT", "/sessions/s", Self.body).headers["ETag"] == tag("s"))
        let created = site.send("POST", "/sessions", #"{"session_id":"t"}"#)
        #expect(try created.headers["ETag"] == tag("t"))
    }

    @Test func `a reader that has the state is told that nothing changed`() throws {
        site.say("x", to: "s")
        let tag = try tag("s")
        for header in [tag, "W/\(tag)", "\"other\", \(tag)", "\"a\" ,W/\"b\",\(tag)", "*", " \(tag) "] {
            let answer = site.send("GET", "/sessions/s") { $0.ifNoneMatch = header }
            #expect(answer.status == 304)
            #expect(answer.body.isEmpty)
            #expect(answer.headers["ETag"] == tag)
            #expect(answer.headers["Content-Type"] == nil)
        }
        for header in ["\"other\"", "W/\"other\"", "\"\""] {
            #expect(site.send("GET", "/sessions/s") { $0.ifNoneMatch = header }.status == 200)
        }
        #expect(site.send("GET", "/sessions/none") { $0.ifNoneMatch = "*" }.status == 404)
    }

    @Test(arguments: ["", "x", "\"", "\"a", "\"a\" \"b\"", "a\"b\"", "w/\"a\"", "*, \"a\"", "\"a\"x"])
    func `a malformed list of tags is refused`(header: String) {
        site.say("x", to: "s")
        #expect(site.send("GET", "/sessions/s") { $0.ifNoneMatch = header }.isProblem(400, field: "If-None-Match"))
        #expect(
            site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = header }.isProblem(400, field: "If-Match"))
        #expect(site.send("GET", "/sessions/s").contents == ["x"])
    }

    @Test func `a replacement under the right tag is made, once`() throws {
        site.say("x", to: "s")
        let tag = try tag("s")
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = "\"other\", \(tag)" }.status == 200)
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = tag }.isProblem(412))
    }

    @Test func `weak and unknown tags replace nothing`() throws {
        site.say("x", to: "s")
        let tag = try tag("s")
        for header in ["W/\(tag)", "\"other\"", "\"\""] {
            #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = header }.isProblem(412))
        }
        #expect(site.send("GET", "/sessions/s").contents == ["x"])
    }

    @Test func `any tag means that there is a session`() {
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = "*" }.isProblem(412))
        #expect(site.send("GET", "/sessions/s").status == 404)
        site.say("x", to: "s")
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = "*" }.status == 200)
    }

    @Test func `none of any tag means that there is no session`() {
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifNoneMatch = "*" }.status == 201)
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifNoneMatch = "*" }.isProblem(412))
        let answer = site.send("PUT", "/sessions/s", Self.body) { $0.ifNoneMatch = "\"a\"" }
        #expect(answer.isProblem(400, field: "If-None-Match"))
    }

    @Test func `a deleted and remade session has another tag`() throws {
        site.say("x", to: "s")
        let tag = try tag("s")
        site.send("DELETE", "/sessions/s")
        site.say("x", to: "s")
        #expect(site.send("PUT", "/sessions/s", Self.body) { $0.ifMatch = tag }.isProblem(412))
    }
}
