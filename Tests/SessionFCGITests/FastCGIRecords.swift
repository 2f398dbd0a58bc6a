

/// FastCGI's records as a web server writes them, by hand.
enum Records {
    static let responder: UInt16 = 1

    static func record(type: UInt8, id: UInt16 = 1, _ content: [UInt8], padding: Int = 0) -> [UInt8] {
        let header = [
            1, type, UInt8(id >> 8), UInt8(id & 0xFF), UInt8(content.count >> 8), UInt8(content.count & 0xFF),
            UInt8(padding), 0,
        ]
        return header + content + [UInt8](repeating: 0, count: padding)
    }

    static func begin(id: UInt16 = 1, role: UInt16 = responder, keep: Bool) -> [UInt8] {
        record(type: 1, id: id, [UInt8(role >> 8), UInt8(role & 0xFF), keep ? 1 : 0, 0, 0, 0, 0, 0])
    }

    static func abort(id: UInt16 = 1) -> [UInt8] { record(type: 2, id: id, []) }

    /// A stream of any length, in records of at most `size` bytes, with the empty record that ends it.
    static func stream(
        type: UInt8, id: UInt16 = 1, _ content: [UInt8], size: Int = 0xFFFF, padding: Int = 0
    ) -> [UInt8] {
        var records: [UInt8] = []
        var rest = content[...]
        while !rest.isEmpty {
            records += record(type: type, id: id, Array(rest.prefix(size)), padding: padding)
            rest = rest.dropFirst(size)
        }
        return records + record(type: type, id: id, [])
    }

    static func pairs(_ parameters: [(String, String)]) -> [UInt8] {
        var content: [UInt8] = []
        for (name, value) in parameters {
            content += length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8) + Array(value.utf8)
        }
        return content
    }

    static func parameters(_ parameters: [(String, String)], id: UInt16 = 1, size: Int = 0xFFFF) -> [UInt8] {
        stream(type: 4, id: id, pairs(parameters), size: size)
    }

    static func input(_ body: [UInt8], id: UInt16 = 1, size: Int = 0xFFFF, padding: Int = 0) -> [UInt8] {
        stream(type: 5, id: id, body, size: size, padding: padding)
    }

    private static func length(_ count: Int) -> [UInt8] {
        if count < 128 { return [UInt8(count)] }
        return (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) | ($0 == 0 ? 0x80 : 0) }
    }
}

/// A request as nginx's `fastcgi_params` describe it.
struct WireRequest {
    var method = "GET"
    var target = "/health/live"
    var body: [UInt8] = []
    /// What CONTENT_LENGTH says; the body's length where nil.
    var contentLength: String?
    var role = Records.responder
    var keep = true
    var id: UInt16 = 1
    var extra: [(String, String)] = []

    static func append(_ content: String, to session: String, keep: Bool = true) -> WireRequest {
        let body = Array(#"{"role":"user","content":"\#(content)"}"#.utf8)
        return WireRequest(method: "POST", target: "/sessions/\(session)/messages", body: body, keep: keep)
    }

    static func read(_ session: String, keep: Bool = true) -> WireRequest {
        WireRequest(target: "/sessions/\(session)", keep: keep)
    }

    var parameters: [(String, String)] {
        [
            ("REQUEST_METHOD", method), ("REQUEST_URI", target), ("REMOTE_ADDR", "127.0.0.1"),
            ("REQUEST_ID", "wire-\(id)"), ("CONTENT_TYPE", body.isEmpty ? "" : "application/json"),
            ("CONTENT_LENGTH", contentLength ?? (body.isEmpty ? "" : String(body.count))),
        ] + extra
    }

    /// The records up to the body.
    var head: [UInt8] { Records.begin(id: id, role: role, keep: keep) + Records.parameters(parameters, id: id) }

    var bytes: [UInt8] { head + Records.input(body, id: id) }
}
