import Testing

@testable import SessionFCGI

@Suite struct AuthorizationTests {
    static let admin = [("GET", "/admin/sessions"), ("POST", "/admin/cleanup-sessions")]
    static let sessions = [
        ("POST", "/sessions"), ("GET", "/sessions/s"), ("PUT", "/sessions/s"), ("DELETE", "/sessions/s"),
        ("GET", "/sessions/s/messages"), ("POST", "/sessions/s/messages"), ("GET", "/session/s/history"),
        ("DELETE", "/session/s"),
    ]

    @Test func `without an admin token, admin answers to loopback only`() {
        let site = Site()
        for (method, target) in Self.admin {
            for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
                #expect(site.send(method, target) { $0.remoteAddress = address }.status == 200)
            }
            for address in [nil, "", "10.0.0.1", "::", "::2", "::ffff:10.0.0.1", "unix:", "localhost", "128.0.0.1"] {
                #expect(site.send(method, target) { $0.remoteAddress = address }.isProblem(403))
            }
        }
    }

    @Test func `with an admin token, nothing but the token counts`() {
        let site = Site(admin: ["s3cret"], api: ["client"])
        for (method, target) in Self.admin {
            for header in Self.wrong(for: "s3cret") + ["Bearer client"] {
                let answer = site.send(method, target) { $0.authorization = header }
                #expect(answer.isProblem(401), "\(header ?? "nil")")
                #expect(answer.headers["WWW-Authenticate"] == "Bearer")
                #expect(!answer.text.contains("s3cret"))
            }
            for header in ["Bearer s3cret", "bearer s3cret", "BEARER   s3cret"] {
                let answer = site.send(method, target) {
                    $0.authorization = header
                    $0.remoteAddress = "203.0.113.9"
                }
                #expect(answer.status == 200)
            }
        }
    }

    @Test func `with client tokens, session routes need one of them`() {
        let site = Site(admin: ["admin"], api: ["one", "two-is-longer"])
        for (method, target) in Self.sessions {
            for header in Self.wrong(for: "one") + ["Bearer admin", "Bearer one,two-is-longer"] {
                let answer = site.send(method, target) { $0.authorization = header }
                #expect(answer.isProblem(401), "\(header ?? "nil")")
                #expect(answer.headers["WWW-Authenticate"] == "Bearer")
            }
            for token in ["one", "two-is-longer"] {
                #expect(site.send(method, target) { $0.authorization = "Bearer \(token)" }.status != 401)
            }
        }
    }

    @Test func `health needs no token, and neither does OPTIONS`() {
        let site = Site(admin: ["a"], api: ["b"])
        for target in ["/health", "/health/live", "/health/ready"] {
            #expect(site.send("GET", target) { $0.remoteAddress = "203.0.113.9" }.status == 200)
        }
        for (_, target) in Self.sessions + Self.admin { #expect(site.send("OPTIONS", target).status == 204) }
    }

    @Test func `whoever has no token learns nothing of what exists`() {
        let site = Site(api: ["t"])
        site.send("PUT", "/sessions/known", #"{"messages":[]}"#) { $0.authorization = "Bearer t" }
        #expect(site.send("GET", "/sessions/known").text == site.send("GET", "/sessions/unknown").text)
    }

    @Test func `tokens can be replaced while requests are answered`() {
        let tokens = TokenSet(["old"])
        #expect(tokens.accept("Bearer old"))
        tokens.replace(with: ["new", "newer"])
        #expect(!tokens.accept("Bearer old"))
        #expect(tokens.accept("Bearer new") && tokens.accept("Bearer newer"))
        #expect(TokenSet([]).isEmpty && !TokenSet([]).accept("Bearer ") && !TokenSet([]).accept(nil))
    }

    @Test func `a token is refused wherever it differs`() {
        // Every length and every place of a difference.
        let token = String(repeating: "k", count: 64)
        let tokens = TokenSet([token])
        for place in 0..<64 {
            var wrong = Array(token.utf8)
            wrong[place] ^= 1
            #expect(!tokens.accept("Bearer " + String(decoding: wrong, as: UTF8.self)))
            #expect(!tokens.accept("Bearer " + token.prefix(place)))
            #expect(!tokens.accept("Bearer " + token + String(repeating: "k", count: place + 1)))
        }
        #expect(tokens.accept("Bearer " + token))
    }

    private static func wrong(for token: String) -> [String?] {
        [
            nil, "", "Bearer", "Bearer ", token, "Basic \(token)", "Bearer\(token)", "Bearer \(token)x",
            "Bearer \(token.dropLast())", "Bearer \(token) ", "Bearer \(token.uppercased())", "Bearer \(token)\(token)",
            "Bearer \u{0}", "Bearer \(token),\(token)", "Bearer\t\(token)",
        ]
    }
}
