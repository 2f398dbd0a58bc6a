import Store
import System
import Testing

@testable import SessionFCGI

@Suite struct AdminRouteTests {
    let site = Site()

    @Test func `a cleanup deletes what is older, and a dry run only counts`() {
        let week: Int64 = 7 * 86_400_000
        let site = Site(limits: StoreLimits(ttlSeconds: 0))
        for id in ["a", "b", "c"] { site.say("x", to: id) }
        site.clock.advance(milliseconds: 1)
        site.say("x", to: "young")
        site.clock.advance(milliseconds: week)
        let dry = site.send("POST", "/admin/cleanup-sessions?dry_run=true")
        #expect(dry.text == #"{"status":"ok","deleted_sessions":3,"days":7,"dry_run":true}"#)
        #expect(site.send("POST", "/admin/cleanup-sessions?days=8")["deleted_sessions"] == 0)
        let wet = site.send("POST", "/admin/cleanup-sessions?days=7&dry_run=false")
        #expect(wet.text == #"{"status":"ok","deleted_sessions":3,"days":7}"#)
        #expect(site.send("GET", "/sessions/a").status == 404)
        #expect(site.send("GET", "/sessions/young").status == 200)
    }

    @Test func `a listing is newest first, in pages, and has no messages`() throws {
        for index in 0..<5 {
            site.say("secret", to: "s\(index)")
            site.clock.advance(milliseconds: 1)
        }
        var ids: [String] = []
        var query = "limit=2"
        while true {
            let page = site.send("GET", "/admin/sessions?\(query)")
            #expect(page.status == 200 && !page.text.contains("secret"))
            let sessions: [[String: Any]] = try #require(page["sessions"])
            for session in sessions {
                #expect(Set(session.keys) == ["session_id", "message_count", "created_at", "updated_at"])
                ids.append(session["session_id"] as? String ?? "")
            }
            guard let cursor: String = page["next_cursor"] else { break }
            query = "limit=2&cursor=\(cursor)"
        }
        #expect(ids == ["s4", "s3", "s2", "s1", "s0"])
        #expect(site.send("GET", "/admin/sessions?limit=5").text.hasSuffix(#""next_cursor":null}"#))
        #expect(Site().send("GET", "/admin/sessions").text == #"{"sessions":[],"next_cursor":null}"#)
    }

    @Test(arguments: [
        "", "x", "0", "00000000000000000", "zz000000000000000061", "000000000000000061x", "0000000000000000",
        "00000000000000000a", "0000000000000000ff", "%00", "a%20b",
    ])
    func `a cursor that this route has not given is refused`(cursor: String) {
        #expect(site.send("GET", "/admin/sessions?cursor=\(cursor)").isProblem(400, field: "cursor"))
    }

    @Test(arguments: [0, 1, -1, 1_705_312_800_000, .max, .min] as [Int64])
    func `a cursor's token reads back as the cursor`(milliseconds: Int64) throws {
        for text in ["a", "ä/ 🎉", String(repeating: "x", count: 256)] {
            let cursor = SessionCursor(updatedAt: Timestamp(milliseconds: milliseconds), id: SessionID(text)!)
            #expect(try SessionCursor(token: cursor.token) == cursor)
            #expect(cursor.token.allSatisfy { $0.isHexDigit && $0.isASCII })
        }
    }
}
