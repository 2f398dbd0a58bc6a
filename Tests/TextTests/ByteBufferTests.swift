import TestSupport
import Testing

@testable import Text

@Suite struct ByteBufferTests {
    private func text(_ write: (inout ByteBuffer) -> Void) -> String {
        var buffer = ByteBuffer()
        write(&buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    @Test(arguments: [0, 7, 9, 10, 11, 99, 1_000, -1, -10, .max, .min])
    func `decimal numbers are written as Swift writes them`(value: Int) {
        #expect(text { $0.append(decimal: value) } == String(value))
    }

    @Test func `integers are little-endian and can be filled in afterwards`() {
        var buffer = ByteBuffer()
        buffer.append(littleEndian: Int32(0))
        buffer.append(littleEndian: UInt64(0x0102_0304_0506_0708))
        buffer.replace(at: 0, withLittleEndian: -2)
        #expect(buffer.bytes == [0xFE, 0xFF, 0xFF, 0xFF, 8, 7, 6, 5, 4, 3, 2, 1])
    }

    @Test func `a JSON string escapes quotes, backslashes and control characters only`() {
        let all = String(decoding: 0...0x7F as ClosedRange<UInt8>, as: UTF8.self)
        var expected = "\""
        for byte in 0...0x7F as ClosedRange<UInt8> {
            switch byte {
            case 0x08: expected += "\\b"
            case 0x09: expected += "\\t"
            case 0x0A: expected += "\\n"
            case 0x0C: expected += "\\f"
            case 0x0D: expected += "\\r"
            case 0x22: expected += "\\\""
            case 0x5C: expected += "\\\\"
            case 0..<0x10: expected += "\\u000" + String(byte, radix: 16)
            case 0x10..<0x20: expected += "\\u00" + String(byte, radix: 16)
            default: expected.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        expected += "\""
        #expect(text { $0.append(jsonString: all) } == expected)
        #expect(text { $0.append(jsonString: "ä🎉/\u{2028}") } == "\"ä🎉/\u{2028}\"")
        #expect(text { $0.append(jsonString: "") } == "\"\"")
    }

    @Test func `a JSON string is the same from contiguous bytes and from any others`() {
        let content = Array("a\"b\u{1}ä".utf8)
        let contiguous = text { $0.append(jsonString: content) }
        #expect(text { $0.append(jsonString: AnyCollection(content)) } == contiguous)
    }

    @Test func `what is written as a JSON string reads back as the same text`() throws {
        var generator = SeededGenerator(7)
        for _ in 0..<500 {
            let scalars = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                Unicode.Scalar(UInt32.random(in: 0...0x2FFFF, using: &generator)) ?? "?"
            }
            let original = String(String.UnicodeScalarView(scalars))
            var buffer = ByteBuffer()
            buffer.append(jsonString: original)
            var reader = JSONReader(buffer.bytes)
            let value = try reader.readDocument()
            #expect(Array(reader.text(of: value)) == Array(original.utf8))
        }
    }
}
