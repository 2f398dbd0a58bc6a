/// What is sent: messages of 200 bytes of text.
enum Sample {
    static let text = String(String(repeating: "What one says to another. ", count: 8).prefix(200))
    static let message = Array(#"{"role":"user","content":"\#(text)"}"#.utf8)
    static let batch =
        Array(#"{"messages":["#.utf8) + Array(repeating: message, count: 30).joined(separator: ",".utf8)
        + Array("]}".utf8)
    /// As long as nginx's.
    static let requestID = String(repeating: "5e", count: 16)
}
