import Foundation
import Store
import TestSupport
import Testing

@testable import SessionFCGI

/// A router over a memory store, and requests to it by method and target: HTTP without a socket.
struct Site {
    let clock = ManualClock()
    let router: Router

    init(
        limits: StoreLimits = StoreLimits(), requestLimits: RequestLimits = RequestLimits(),
        testRoutesEnabled: Bool = false, admin: [String] = [], api: [String] = []
    ) {
        let store = MemoryStore(limits: limits, maxBytes: 256 << 20, clock: clock)
        router = Router(
            store, limits: requestLimits, testRoutesEnabled: testRoutesEnabled,
            access: AccessControl(admin: TokenSet(admin), api: TokenSet(api)))
    }

    init(store: any SessionService) {
        router = Router(store)
    }

    @discardableResult
    func send(_ method: String, _ target: String, _ body: String = "", with change: (inout Request) -> Void = { _ in })
        -> Answer
    {
        send(method, Array(target.utf8), Array(body.utf8), with: change)
    }

    func send(_ method: String, _ target: [UInt8], _ body: [UInt8], with change: (inout Request) -> Void = { _ in })
        -> Answer
    {
        var request = Request(method: method, target: target, id: "test-request")
        request.contentType = body.isEmpty ? nil : "application/json"
        request.remoteAddress = "127.0.0.1"
        request.body = .bytes(body)
        change(&request)
        return Answer(router.respond(to: request))
    }

    /// Appends a message and expects it to be taken.
    func say(_ content: String, to session: String) {
        let answer = send("POST", "/sessions/\(session)/messages", #"{"role":"user","content":"\#(content)"}"#)
        #expect(answer.status == 201)
    }
}

/// An answer as a client sees it.
struct Answer {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]

    init(_ response: Response) {
        status = response.status
        let head = String(decoding: response.header(requestID: "test-request").bytes, as: UTF8.self)
        headers = Self.headers(in: head)
        body = response.body.bytes
    }

    init(status: Int, headers: [String: String], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    static func headers(in head: String) -> [String: String] {
        var headers: [String: String] = [:]
        for line in head.components(separatedBy: "\r\n") where !line.isEmpty {
            let parts = line.components(separatedBy: ": ")
            #expect(headers[parts[0]] == nil, "\(parts[0]) stands twice")
            headers[parts[0]] = parts.dropFirst().joined(separator: ": ")
        }
        return headers
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]) ?? [:]
    }

    subscript<Value>(name: String) -> Value? { json[name] as? Value }

    /// The texts of the messages in the answer.
    var contents: [String] {
        (json["messages"] as? [[String: Any]] ?? []).map { $0["content"] as? String ?? "?" }
    }

    /// Whether this is a problem that says what RFC 9457 and the contract ask for.
    func isProblem(_ status: Int, field: String? = nil, limit: Int? = nil) -> Bool {
        let title: String? = self["title"]
        let detail: String? = self["detail"]
        return self.status == status && headers["Content-Type"] == "application/problem+json"
            && self["type"] == "about:blank" && self["status"] == status
            && title == "\(reasonPhrase(status))" && detail?.isEmpty == false
            && self["field"] == field && self["limit"] == limit
    }
}
