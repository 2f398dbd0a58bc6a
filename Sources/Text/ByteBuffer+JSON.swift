extension ByteBuffer {
    /// Writes UTF-8 text as a JSON string: quotes, backslashes and control characters escaped, all else as it is.
    package mutating func append(jsonString text: some Collection<UInt8>) {
        append(UInt8(ascii: "\""))
        let written: Void? = text.withContiguousStorageIfAvailable { bytes in
            var start = 0
            for index in 0..<bytes.count where bytes[index].needsJSONEscape {
                append(bytes[start..<index])
                append(jsonEscape: bytes[index])
                start = index + 1
            }
            append(bytes[start...])
        }
        if written == nil {
            for byte in text {
                if byte.needsJSONEscape { append(jsonEscape: byte) } else { append(byte) }
            }
        }
        append(UInt8(ascii: "\""))
    }

    package mutating func append(jsonString text: String) {
        append(jsonString: text.utf8)
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
