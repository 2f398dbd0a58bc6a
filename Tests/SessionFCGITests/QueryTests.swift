import Store
import Testing

@testable import SessionFCGI

@Suite struct QueryTests {
    let site = Site()

    static let badNumbers = [
        "7.5", "%2B7", "+7", "0x7", "", "-1", "1e2", "%207", "7%20", "７", "null", "7,0", "0b1",
        "99999999999999999999999",
    ]

    @Test(arguments: badNumbers)
    func `numbers are strict decimal integers`(value: String) {
        site.say("x", to: "s")
        #expect(site.send("GET", "/sessions/s?last=\(value)").isProblem(400, field: "last"))
        #expect(site.send("GET", "/sessions/s/messages?last=\(value)").isProblem(400, field: "last"))
        #expect(site.send("GET", "/admin/sessions?limit=\(value)").isProblem(400, field: "limit"))
        #expect(site.send("POST", "/admin/cleanup-sessions?days=\(value)").isProblem(400, field: "days"))
    }

    @Test(arguments: ["last=1&last=1", "last=1&last=2", "last=1&x=2&last=", "last&last", "last=1&l%61st=1", "last"])
    func `a parameter that stands twice or without a value is refused`(query: String) {
        site.say("x", to: "s")
        #expect(site.send("GET", "/sessions/s?\(query)").isProblem(400, field: "last"))
    }

    @Test(arguments: ["last=1", "last=01", "l%61st=%31", "&last=1&", "x=1&last=1&y", "LAST=7.5&last=1"])
    func `names and values are decoded, and unknown parameters passed over`(query: String) {
        for text in ["a", "b"] { site.say(text, to: "s") }
        #expect(site.send("GET", "/sessions/s?\(query)").contents == ["b"])
    }

    @Test func `a question mark alone asks for nothing`() {
        site.say("x", to: "s")
        #expect(site.send("GET", "/sessions/s?").contents == ["x"])
    }

    @Test(arguments: [("0", 400), ("1", 200), ("500", 200), ("501", 400)])
    func `a listing's limit has its range`(limit: String, status: Int) {
        #expect(site.send("GET", "/admin/sessions?limit=\(limit)").status == status)
    }

    @Test(arguments: [("0", 400), ("1", 200), ("36500", 200), ("36501", 400)])
    func `a cleanup's days have their range`(days: String, status: Int) {
        #expect(site.send("POST", "/admin/cleanup-sessions?days=\(days)").status == status)
    }

    @Test(arguments: ["", "1", "TRUE", "yes", "true&dry_run=true", "true&dry_run=false"])
    func `a flag is true or false, once`(value: String) {
        let answer = site.send("POST", "/admin/cleanup-sessions?dry_run=\(value)")
        #expect(answer.isProblem(400, field: "dry_run"))
    }

    @Test(arguments: ["%", "%4", "%G0", "last=%", "last=%4"])
    func `a percent sign without two digits is malformed in a query, too`(query: String) {
        site.say("x", to: "s")
        #expect(site.send("GET", "/sessions/s?\(query)").status == 400)
    }
}
