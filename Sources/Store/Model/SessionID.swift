import Text

/// The name of a session: 1 to 256 bytes of valid UTF-8 without control characters.
///
/// It is compared byte by byte. Swift's strings hold two spellings of "ä" for equal; two clients whose ids
/// differ in nothing else must not see each other's sessions.
package struct SessionID: Sendable, Hashable, CustomStringConvertible {
    package static let maximumBytes = 256

    package let bytes: [UInt8]

    /// Nil where the bytes are not a session id.
    package init?(_ bytes: some Collection<UInt8>) {
        guard (1...Self.maximumBytes).contains(bytes.count) else { return nil }
        if !bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) {
            guard let text = String(validating: bytes, as: UTF8.self),
                text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { return nil }
        }
        self.bytes = Array(bytes)
    }

    package init?(_ text: String) { self.init(text.utf8) }

    /// A random UUID (RFC 9562, version 4).
    package static func random() -> SessionID {
        var generator = SystemRandomNumberGenerator()
        let high = generator.next() & ~0xF000 | 0x4000
        let low = generator.next() & ~(0b11 << 62) | (0b10 << 62)
        var text: [UInt8] = []
        for (index, digit) in [high, low].flatMap(\.hexDigits).enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append(UInt8(ascii: "-")) }
            text.append(digit)
        }
        return SessionID(unchecked: text)
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    package var description: String { String(decoding: bytes, as: UTF8.self) }
}
