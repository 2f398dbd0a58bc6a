/// Classes of ASCII characters, and numbers written in them.
extension UInt8 {
    @inlinable package var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }

    @inlinable package var isLetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }

    /// An unreserved character of RFC 3986, section 2.3, which a URI need not encode.
    @inlinable package var isUnreserved: Bool {
        switch self {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: isDigit || isLetter
        }
    }

    /// The value of a hexadecimal digit.
    @inlinable package var hexDigit: UInt8? {
        if isDigit { return self - UInt8(ascii: "0") }
        let small = self | 0x20
        return (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(small) ? small - UInt8(ascii: "a") + 10 : nil
    }
}

extension UInt64 {
    /// The number as sixteen hexadecimal digits.
    package var hexDigits: [UInt8] {
        stride(from: 60, through: 0, by: -4).map { ByteBuffer.hexDigits[Int(self >> UInt64($0) & 0xF)] }
    }
}

extension Int {
    /// A number of decimal digits alone: no sign, no spaces, not empty. Nil where it is none, or too great.
    package init?(decimal text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy(\.isDigit) else { return nil }
        self.init(text)
    }
}

extension ByteBuffer {
    static let hexDigits = Array("0123456789abcdef".utf8)

    /// Appends each byte as two hexadecimal digits.
    package mutating func append(hex bytes: some Collection<UInt8>) {
        for byte in bytes {
            append(Self.hexDigits[Int(byte >> 4)])
            append(Self.hexDigits[Int(byte & 0xF)])
        }
    }
}

extension Substring {
    /// Without the characters of a kind at both of its ends.
    package func trimming(while isTrimmed: (Character) -> Bool) -> Substring {
        var trimmed = drop(while: isTrimmed)
        while let last = trimmed.last, isTrimmed(last) { trimmed.removeLast() }
        return trimmed
    }
}
