import Testing

@testable import Text

@Suite struct ASCIITests {
    private static let bytes = (UInt8.min...UInt8.max)

    private func bytes(where isMember: (UInt8) -> Bool) -> String {
        String(decoding: Self.bytes.filter(isMember), as: UTF8.self)
    }

    @Test func `of all bytes the right ones are of each class`() {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        #expect(bytes(where: \.isDigit) == "0123456789")
        #expect(bytes(where: \.isLetter) == letters)
        #expect(Set(bytes(where: \.isUnreserved)) == Set("-.0123456789_~" + letters))
        #expect(bytes { $0.hexDigit != nil } == "0123456789ABCDEFabcdef")
        for digit in Self.bytes.filter({ $0.hexDigit != nil }) {
            #expect(digit.hexDigit == UInt8(String(UnicodeScalar(digit)), radix: 16))
        }
    }

    @Test(arguments: [("0", 0), ("007", 7), ("9223372036854775807", Int.max)])
    func `a number of digits alone is one`(text: String, number: Int) {
        #expect(Int(decimal: text) == number)
    }

    @Test(arguments: ["", "+7", "-7", " 7", "7 ", "7.5", "0x7", "7e1", "٧", "9223372036854775808"])
    func `anything else is none`(text: String) {
        #expect(Int(decimal: text) == nil)
    }

    @Test func `numbers and bytes are written in hexadecimal with all their digits`() {
        #expect(UInt64(0x0123_4567_89AB_CDEF).hexDigits == Array("0123456789abcdef".utf8))
        #expect(UInt64.zero.hexDigits == Array("0000000000000000".utf8))
        var buffer = ByteBuffer()
        buffer.append(hex: [0, 0x1F, 0xA0, 0xFF])
        #expect(buffer.bytes == Array("001fa0ff".utf8))
    }

    @Test func `a text is trimmed at both of its ends alone`() {
        #expect("  a b ".dropFirst(0).trimming { $0 == " " } == "a b")
        #expect("   ".dropFirst(0).trimming { $0 == " " } == "")
        #expect("ab".dropFirst(0).trimming { $0 == " " } == "ab")
    }
}
