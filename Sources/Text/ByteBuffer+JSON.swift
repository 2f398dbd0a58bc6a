extension ByteBuffer {
    /// Writes UTF-8 text as a JSON string: quotes, backslashes and control characters escaped, all else as it is.
    @inlinable
    public mutating func append(jsonString text: some Collection<UInt8>) {
        if text.withContiguousStorageIfAvailable({ append(escaping: $0) }) == nil {
            Array(text).withUnsafeBufferPointer { append(escaping: $0) }
        }
    }

    @inlinable
    public mutating func append(jsonString text: String) {
        var text = text
        text.withUTF8 { append(escaping: $0) }
    }

    @usableFromInline
    mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
        append(UInt8(ascii: "\""))
        var start = 0
        for index in 0..<text.count where text[index].needsJSONEscape {
            append(UnsafeBufferPointer(rebasing: text[start..<index]))
            append(jsonEscape: text[index])
            start = index + 1
        }
        append(UnsafeBufferPointer(rebasing: text[start...]))
        append(UInt8(ascii: "\""))
    }

    private mutating func append(jsonEscape byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        case 0x08: append(UInt8(ascii: "b"))
        case 0x09: append(UInt8(ascii: "t"))
        case 0x0A: append(UInt8(ascii: "n"))
        case 0x0C: append(UInt8(ascii: "f"))
        case 0x0D: append(UInt8(ascii: "r"))
        default:
            append("u00")
            append(hex: CollectionOfOne(byte))
        }
    }
}

extension UInt8 {
    fileprivate var needsJSONEscape: Bool {
        self < 0x20 || self == UInt8(ascii: "\"") || self == UInt8(ascii: "\\")
    }
}
