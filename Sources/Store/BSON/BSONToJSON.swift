import System
import Text

/// Writes BSON values as JSON, straight from the bytes of a reply into the bytes of an answer.
///
/// What came as JSON goes out as the same JSON. Types that JSON lacks, which only another writer can have put
/// there, go out as the string (or, for those that say nothing, the null) that a reader expects of them.
struct BSONToJSON {
    private(set) var output: ByteBuffer
    private let bytes: [UInt8]

    init(_ bytes: [UInt8], capacity: Int) {
        self.bytes = bytes
        output = ByteBuffer(capacity: capacity)
    }

    /// Writes an array's elements, joined by commas and without brackets; returns how many there are.
    mutating func append(elementsOf array: Range<Int>) throws(BSONError) -> Int {
        var reader = try BSONReader(bytes, in: array)
        var count = 0
        while let element = try reader.next() {
            if count > 0 { output.append(UInt8(ascii: ",")) }
            try append(element)
            count += 1
        }
        return count
    }

    mutating func append(_ element: BSONElement) throws(BSONError) {
        let start = element.value.lowerBound
        switch element.type {
        case .string, .javaScript, .symbol:
            append(text: start + 4..<element.value.upperBound - 1)
        case .document:
            try append(membersOf: element.value)
        case .array:
            output.append(UInt8(ascii: "["))
            _ = try append(elementsOf: element.value)
            output.append(UInt8(ascii: "]"))
        case .int32: output.append(decimal: bytes.int32(at: start))
        case .int64: output.append(decimal: bytes.int64(at: start))
        case .double: append(Double(bitPattern: UInt64(bitPattern: bytes.int64(at: start))))
        case .boolean: bytes[start] == 0 ? output.append("false") : output.append("true")
        case .null, .undefined, .minKey, .maxKey: output.append("null")
        case .decimal128: appendDecimal128(at: start)
        case .date: append(Timestamp(milliseconds: bytes.int64(at: start)))
        case .timestamp:
            // The high half counts seconds; the low half tells apart what happened within one.
            append(Timestamp(milliseconds: Int64(UInt32(bitPattern: bytes.int32(at: start + 4))) * 1000))
        case .objectID: append(hex: element.value)
        case .databasePointer: append(hex: element.value.upperBound - 12..<element.value.upperBound)
        case .binary: append(base64: start + 5..<element.value.upperBound)
        case .regularExpression:
            append(text: start..<(bytes[start...].firstIndex(of: 0) ?? start))
        case .javaScriptWithScope:
            try appendCode(in: element.value)
        }
    }

    private mutating func append(membersOf document: Range<Int>) throws(BSONError) {
        var reader = try BSONReader(bytes, in: document)
        var separator = UInt8(ascii: "{")
        while let element = try reader.next() {
            output.append(separator)
            separator = UInt8(ascii: ",")
            append(text: element.name)
            output.append(UInt8(ascii: ":"))
            try append(element)
        }
        if separator == UInt8(ascii: "{") { output.append(separator) }
        output.append(UInt8(ascii: "}"))
    }

    /// MongoDB does not check that strings are UTF-8; what is not is repaired, since JSON must be.
    private mutating func append(text range: Range<Int>) {
        let text = bytes[range]
        if text.isUTF8 {
            output.append(jsonString: text)
        } else {
            output.append(jsonString: String(decoding: text, as: UTF8.self))
        }
    }

    private mutating func append(_ value: Double) {
        if value.isFinite {
            output.append(value.description)
        } else {
            output.append(jsonString: value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
        }
    }

    private mutating func appendDecimal128(at start: Int) {
        let text = Decimal128(bytes: bytes, at: start).text
        // "NaN", "Infinity" and "-Infinity" are no JSON numbers.
        if text.last?.isDigit == true {
            output.append(text)
        } else {
            output.append(jsonString: text)
        }
    }

    private mutating func append(_ date: Timestamp) {
        output.append(UInt8(ascii: "\""))
        output.append(date)
        output.append(UInt8(ascii: "\""))
    }

    private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private mutating func append(hex range: Range<Int>) {
        output.append(UInt8(ascii: "\""))
        output.append(hex: bytes[range])
        output.append(UInt8(ascii: "\""))
    }

    private mutating func append(base64 range: Range<Int>) {
        output.append(UInt8(ascii: "\""))
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 3) {
            let count = min(3, range.upperBound - start)
            var bits = UInt32(0)
            for index in 0..<3 { bits = bits << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for digit in 0..<4 {
                let value = Int(bits >> UInt32(18 - 6 * digit) & 63)
                output.append(digit <= count ? Self.base64Digits[value] : UInt8(ascii: "="))
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// The code of a function with a scope; the scope has no meaning outside a server.
    private mutating func appendCode(in range: Range<Int>) throws(BSONError) {
        let start = range.lowerBound + 8
        guard start <= range.upperBound else { throw BSONError() }
        let length = Int(bytes.int32(at: range.lowerBound + 4))
        guard length >= 1, length <= range.upperBound - start else { throw BSONError() }
        append(text: start..<start + length - 1)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var isUTF8: Bool { (try? UTF8Span(validating: span)) != nil }
}
