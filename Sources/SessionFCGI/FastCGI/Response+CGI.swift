import Text

extension Response {
    /// The header of the answer as a CGI program writes it (RFC 3875, section 6.3).
    func header(requestID: String) -> ByteBuffer {
        var header = ByteBuffer(capacity: 320)
        header.append("Status: ")
        header.append(decimal: status)
        header.append(UInt8(ascii: " "))
        header.append(reasonPhrase(status))
        if let contentType {
            header.append("\r\nContent-Type: ")
            header.append(contentType.rawValue)
            header.append("\r\nContent-Length: ")
            header.append(decimal: body.count)
        }
        header.append("\r\nX-Request-ID: ")
        header.append(requestID)
        if let store {
            header.append("\r\nX-Session-Store: ")
            header.append(store)
        }
        header.append("\r\nCache-Control: no-store")
        for (name, value) in headers {
            header.append("\r\n")
            header.append(name)
            header.append(": ")
            header.append(value)
        }
        header.append("\r\n\r\n")
        return header
    }
}
