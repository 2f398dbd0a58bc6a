import Testing
import Text

@testable import Store

@Suite struct BSONTests {
    // MARK: Writing

    @Test func `documents nest by lengths filled in afterwards`() {
        let bytes = BSONWriter.document { writer in
            writer.document("a") { $0.int32("b", 1) }
            writer.array("c") { array in
                array.int32(7)
                array.document { _ in }
                array.array { $0.string("x") }
            }
            writer.boolean("d", true)
        }
        #expect(text(bytes) == #"{"a":{"b":1},"c":[7,{},["x"]],"d":true}"#)
        #expect(bytes.int32(at: 0) == Int32(bytes.count))
    }

    @Test func `an array of a thousand elements is numbered throughout`() throws {
        let bytes = BSONWriter.document { writer in
            writer.array("a") { array in for number in 0..<1000 { array.int32(Int32(number)) } }
        }
        let array = try #require(BSONDocument(bytes).document("a"))
        var names: [String] = []
        try array.forEach { element throws(BSONError) in
            names.append(String(decoding: bytes[element.name], as: UTF8.self))
        }
        #expect(names == (0..<1000).map(String.init))
    }

    // MARK: Numbers

    @Test(arguments: [
        ("0", BSONNumber.int32(0)), ("-1", .int32(-1)), ("2147483647", .int32(.max)), ("-2147483648", .int32(.min)),
        ("2147483648", .int64(2_147_483_648)), ("9223372036854775807", .int64(.max)),
        ("-9223372036854775808", .int64(.min)), ("1.0", .double(1)), ("1e2", .double(100)), ("0.1", .double(0.1)),
        ("-0", .double(-0.0)), ("-0.0", .double(-0.0)), ("5e-324", .double(.leastNonzeroMagnitude)),
        ("0e999", .double(0)), ("100000000000000000000", .double(1e20)),
    ])
    func `a number takes the type that holds it exactly`(_ text: String, _ number: BSONNumber) {
        let made = BSONNumber(Array(text.utf8)[...])
        #expect(made == number)
        if case .double(let value) = made, case .double(let expected) = number {
            #expect(value.sign == expected.sign)
        }
    }

    @Test(arguments: [
        "9223372036854775808", "12345678901234567890", "0.1234567890123456789", "1e400", "-1e400", "1e-400", "1e6144",
        "9999999999999999999999999999999999e6111", "1e-6176", "123456789012345678901234567890.1234",
        "10000000000000000000000000000000000000000001000000000000000000000e-21",
    ])
    func `what a double would round becomes a Decimal128`(_ text: String) throws {
        guard DecimalNumber(text.utf8).fitsDecimal128 else { return }
        guard case .decimal128(let value) = BSONNumber(Array(text.utf8)[...]) else {
            Issue.record("\(text) is no Decimal128")
            return
        }
        #expect(DecimalNumber(value.text) == DecimalNumber(text.utf8))
        let message = try Message.json(#"{"role":"user","content":"x","n":\#(text)}"#)
        let back = try #require(self.text(JSONToBSON.document(message)))
        #expect(try CanonicalJSON(back) == CanonicalJSON(#"{"role":"user","content":"x","n":\#(text)}"#))
    }

    @Test func `a double stays a double and an integer an integer`() {
        let json = #"{"a":1.0,"b":1,"c":-0.0,"d":1e+22,"e":0.1,"f":12345678901}"#
        #expect(text(JSONToBSON.document(json)) == json)
    }

    // MARK: Types that JSON lacks

    @Test func `other writers' types are rendered sensibly`() {
        let cases: [(BSONType, [UInt8], String)] = [
            (.date, bytes(Int64(1_705_312_800_000)), #""2024-01-15T10:00:00.000Z""#),
            (.objectID, Array(0..<12), #""000102030405060708090a0b""#),
            (.binary, bytes(Int32(4)) + [0, 1, 2, 3, 4], #""AQIDBA==""#),
            (.binary, bytes(Int32(0)) + [0], #""""#),
            (.binary, bytes(Int32(3)) + [0, 255, 254, 253], #"""# + "//79" + #"""#),
            (.double, bytes(Int64(bitPattern: Double.nan.bitPattern)), #""NaN""#),
            (.double, bytes(Int64(bitPattern: Double.infinity.bitPattern)), #""Infinity""#),
            (.double, bytes(Int64(bitPattern: (-Double.infinity).bitPattern)), #""-Infinity""#),
            (.timestamp, bytes(Int32(9)) + bytes(Int32(1_705_312_800)), #""2024-01-15T10:00:00.000Z""#),
            (.null, [], "null"), (.undefined, [], "null"), (.minKey, [], "null"), (.maxKey, [], "null"),
            (.regularExpression, Array("a+\0i\0".utf8), #""a+""#),
            (.symbol, bytes(Int32(2)) + Array("s\0".utf8), #""s""#),
            (.javaScript, bytes(Int32(2)) + Array("f\0".utf8), #""f""#),
            (.javaScriptWithScope, bytes(Int32(15)) + bytes(Int32(2)) + Array("f\0".utf8) + [5, 0, 0, 0, 0], #""f""#),
            (.databasePointer, bytes(Int32(2)) + Array("d\0".utf8) + Array(0..<12), #""000102030405060708090a0b""#),
            (.decimal128, bytes(Int64(0)) + bytes(Int64(0x7C00_0000_0000_0000)), #""NaN""#),
            (.decimal128, bytes(Int64(0)) + bytes(Int64(0x7800_0000_0000_0000)), #""Infinity""#),
            (.string, bytes(Int32(4)) + [0x61, 0xFF, 0x62, 0], "\"a\u{FFFD}b\""),
            (.string, bytes(Int32(3)) + [0xED, 0xA0, 0], "\"\u{FFFD}\u{FFFD}\""),
        ]
        for (type, value, expected) in cases {
            #expect(text(BSONWriter.document { $0.raw("v", type, value) }) == "{\"v\":\(expected)}")
        }
    }

    @Test func `a name that is not UTF-8 is repaired`() {
        let document = BSONWriter.document { writer in
            writer.begin(.null, name: [0x61, 0xC3])
        }
        #expect(text(document) == "{\"a\u{FFFD}\":null}")
    }

    // MARK: Reading what is broken

    @Test func `no damage makes the reader trap`() throws {
        let whole = BSONWriter.document { writer in
            writer.document("a") { $0.string("b", "text") }
            writer.array("c") { $0.int64(1) }
            writer.raw("d", .binary, bytes(Int32(2)) + [0, 1, 2])
            writer.raw(
                "e", .javaScriptWithScope, bytes(Int32(15)) + bytes(Int32(2)) + Array("f\0".utf8) + [5, 0, 0, 0, 0])
            writer.raw("f", .regularExpression, Array("a\0b\0".utf8))
            writer.raw("g", .decimal128, [UInt8](repeating: 1, count: 16))
        }
        #expect(text(whole) != nil)
        for index in whole.indices {
            for value in [0, 1, 2, 3, 4, 5, 0x0F, 0x7F, 0x80, 0xFF] as [UInt8] {
                var damaged = whole
                damaged[index] = value
                _ = text(damaged)
                _ = text(Array(damaged[..<index]))
            }
        }
    }

    /// Nil where the bytes are not BSON.
    private func text(_ document: [UInt8]) -> String? {
        var converter = BSONToJSON(document, capacity: 64)
        let element = BSONElement(type: .document, name: 0..<0, value: 0..<document.count)
        guard (try? converter.append(element)) != nil else { return nil }
        return String(decoding: converter.output.bytes, as: UTF8.self)
    }

    private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append(littleEndian: value)
        return buffer.bytes
    }
}
