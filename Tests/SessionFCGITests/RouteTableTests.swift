import Foundation
import Store
import Testing

@testable import SessionFCGI

/// The one table of routes, and what else says something of each.
@Suite struct RouteTableTests {
    // MARK: A family of its own

    /// A route family as a new protocol would bring one, with problems in its own shape.
    private struct ToyFamily: RouteFamily {
        let sessions: any SessionService

        var routes: [Route] {
            [
                Route(.get, "/toys/{id}/parts/{part}", .open, answer: read),
                Route(.post, "/toys", .client, asksStore: false) { _ throws(Problem) in
                    throw Problem(400, "No toys are made here.")
                },
            ]
        }

        func response(to problem: Problem) -> Response {
            var response = Response(status: problem.status)
            response.body.append("{\"error\":{}}")
            return response
        }

        private func read(_ call: Call, _ id: SessionID) throws(Problem) -> Response {
            let answer = try ask(sessions.answer(toReading: id, last: nil))
            guard let session = answer.value else { throw .noSession }
            var response = Response(200, from: answer)
            response.body.append("\(session.messageCount) \(String(decoding: call.parameters[0], as: UTF8.self))")
            return response
        }
    }

    private let sessions = MemoryStore(limits: StoreLimits(), maxBytes: 1 << 20)

    private func send(_ method: String, _ target: String) throws -> Answer {
        let families: [any RouteFamily] = [HealthAPI(sessions: sessions), ToyFamily(sessions: sessions)]
        let router = try Router(sessions, families: families, access: AccessControl(api: TokenSet(["t0ken"])))
        return Answer(router.respond(to: Request(method: method, target: Array(target.utf8), id: "test-request")))
    }

    @Test func `a family brings its routes, and the table answers for them`() throws {
        _ = try sessions.append([Message(role: "user", content: "x")], to: SessionID("a/b")!)
        let found = try send("GET", "/toys/a%2Fb/parts/left%20arm")
        #expect(found.status == 200 && found.text == "1 left arm")
        #expect(try send("HEAD", "/toys/a%2Fb/parts/x").status == 200)
        #expect(try send("OPTIONS", "/toys/a/parts/x").headers["Allow"] == "GET, HEAD, OPTIONS")
        #expect(try send("OPTIONS", "/toys").headers["Allow"] == "POST, OPTIONS")
        #expect(try send("GET", "/health/live").status == 200)
    }

    @Test func `a family shows every problem of its paths in its own shape`() throws {
        for (method, target, status) in [
            ("GET", "/toys/none/parts/x", 404), ("GET", "/toys/%00/parts/x", 400), ("PUT", "/toys/a/parts/x", 405),
            ("POST", "/toys", 401),
        ] {
            let answer = try send(method, target)
            #expect(answer.status == status && answer.text == #"{"error":{}}"#)
        }
        #expect(try send("GET", "/toys/a/parts/").isProblem(404))
    }

    @Test func `two families that would answer to one path are refused at the start`() {
        for path in ["/health", "/health/{id}", "/health/{x}", "/{x}", "/{x}/live"] as [StaticString] {
            let other = Collider(path: path)
            #expect(throws: RouteTable.Collision.self) { try RouteTable([HealthAPI(sessions: sessions), other]) }
            #expect(throws: RouteTable.Collision.self) { try RouteTable([other, HealthAPI(sessions: sessions)]) }
        }
    }

    @Test func `a family that overlaps itself is refused, too`() {
        #expect(throws: RouteTable.Collision.self) { try RouteTable([Collider(path: "/a", second: "/a")]) }
        #expect(throws: RouteTable.Collision.self) { try RouteTable([Collider(path: "/a", second: "/{x}")]) }
        #expect(throws: Never.self) { try RouteTable([Collider(path: "/a", second: "/b")]) }
    }

    private struct Collider: RouteFamily {
        let path: StaticString
        var second: StaticString?

        var routes: [Route] {
            [path, second].compactMap { $0 }.map { path in
                Route(.get, path, .open, asksStore: false) { _ in Response(status: 200) }
            }
        }
    }

    // MARK: The table, openapi.yaml and nginx

    private struct Operation: Hashable, CustomStringConvertible {
        let method: String
        let path: String
        let access: AccessControl.Level

        var description: String { "\(method) \(path) (\(access))" }
    }

    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("nginx")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
    }

    private var table: RouteTable { Router(sessions, testRoutesEnabled: true).table }

    /// The operations that openapi.yaml describes, and those among them that know the header Idempotency-Key.
    private func described() throws -> (operations: Set<Operation>, keyed: Set<String>) {
        var operations: Set<Operation> = []
        var keyed: Set<String> = []
        var (path, method, access) = ("", "", AccessControl.Level.open)
        func end() {
            guard !method.isEmpty else { return }
            operations.insert(Operation(method: method, path: path, access: access))
            (method, access) = ("", .open)
        }
        let lines = try Self.text("openapi.yaml").split(separator: "\n").drop { $0 != "paths:" }.dropFirst()
        for line in lines.prefix(while: { $0.hasPrefix(" ") }) {
            if let match = line.wholeMatch(of: /\ {2}(\/\S*):/) {
                end()
                path = String(match.1).replacing("{session_id}", with: PathTemplate.session)
            } else if let match = line.wholeMatch(of: /\ {4}(get|post|put|patch|delete):/) {
                end()
                method = match.1.uppercased()
            } else if line.hasPrefix("      security:") {
                access = line.contains("adminToken") ? .admin : .client
            } else if line.contains("parameters/IdempotencyKey") {
                keyed.insert("\(method) \(path)")
            }
        }
        end()
        return (operations, keyed)
    }

    @Test func `openapi.yaml describes the routes that the table has, and who may use them`() throws {
        // nginx serves the description itself.
        let served = Operation(method: "GET", path: "/openapi.yaml", access: .open)
        let own = table.resources.flatMap { resource in
            resource.routes.map {
                Operation(method: $0.method.rawValue, path: resource.path.description, access: $0.access)
            }
        }
        #expect(try described().operations == Set(own + [served]))
    }

    /// The first regular expression of one of nginx's maps that a text matches, and what its first group is.
    private func match(_ text: String, map variable: String, in file: String) throws -> (value: String, group: String)? {
        let lines = try Self.text("session-fcgi/\(file)").split(separator: "\n")
            .drop { !$0.hasPrefix("map ") || !$0.contains(" $\(variable) ") }.dropFirst().prefix { $0 != "}" }
        #expect(!lines.isEmpty, "\(file) has no map of \(variable)")
        for line in lines {
            guard let entry = line.wholeMatch(of: /\s*"~(.*)" (\S+);/) else { continue }
            let pattern = String(entry.1).replacing(/\(\?<\w+>/, with: "(")
            let expression = try NSRegularExpression(pattern: pattern)
            guard let found = expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) else {
                continue
            }
            let group = found.numberOfRanges > 1 ? Range(found.range(at: 1), in: text) : nil
            return (String(entry.2), group.map { String(text[$0]) } ?? "")
        }
        return nil
    }

    @Test func `nginx repeats what may be repeated, and counts what is limited`() throws {
        let keyed = try described().keyed
        #expect(!keyed.isEmpty)
        for resource in table.resources {
            let path = resource.path.description.replacing(PathTemplate.session, with: "an%2Fid")
            for route in resource.routes {
                let method = route.method.rawValue
                let isKeyed = keyed.contains("\(method) \(resource.path)")
                for (key, mayRepeat) in [("", method != "POST"), ("a key", method != "POST" || isKeyed)] {
                    let found = try match("\(method) \(path)?last=1 \(key)", map: "session_fcgi_retry", in: "http.conf")
                    #expect((found?.value == "1") == mayRepeat, "\(method) \(path) with the key '\(key)'")
                }
                let isAdmin = try Self.text("session-fcgi/server.conf").contains("location ^~ /admin/ {")
                    && path.hasPrefix("/admin/")
                #expect(isAdmin == (route.access == .admin), "\(path)")
                // Health has no limit; every other client is counted.
                let client = try match(path, map: "session_fcgi_client", in: "limits.conf")
                #expect((client?.value == "\"\"") == (route.access == .open), "\(path)")
            }
            let session = try match(path + "?last=1", map: "session_fcgi_session", in: "limits.conf")
            #expect(session?.group == (resource.path.segments.contains(.session) ? "an%2Fid" : nil), "\(path)")
        }
    }
}
