import Testing

@testable import Text

@Suite struct JSONReaderTests {
    private func read(_ bytes: [UInt8]) -> JSONError? {
        var reader = JSONReader(bytes)
        do throws(JSONError) {
            _ = try reader.readDocument()
            return nil
        } catch {
            return error
        }
    }

    private func read(_ text: String) -> JSONError? { read(Array(text.utf8)) }

    @Test(arguments: [
        "[]", "{}", "null", "true", "false", "0", "-0", "-1", "\"\"", " [] ", "\t\n\r {\"a\" : 1}\r\n", "[1,2]",
        "[[],{}]", "{\"\":0}", "{\"a\":{\"a\":{\"a\":0}}}", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\u0000\"]",
        "[\"\\uD834\\uDD1E\"]", "[\"\\ud834\\udd1e\"]", "[\"\\uFFFF\"]", "[\"\u{7F}\"]", "[\"\u{2028}\u{2029}\"]",
        "[\"ä€🎉\"]", "[0e1]", "[0e+1]", "[1E22]", "[1E-2]", "[-123.456e+7]", "[0.1]", "[1.10]", "[20e1]",
        "{\"a\":1,\"b\":1}", "{\"a\":1,\"A\":1}", "{\"\u{E4}\":1,\"a\u{308}\":1}", "[\"\\u0061\\u30af\"]",
        "{\"$a.b\":[null,true,false]}", "[\"\u{FEFF}\"]", "[123456789012345678]", "[0.000000000000000001]",
    ])
    func `valid JSON is taken`(text: String) {
        #expect(read(text) == nil)
    }

    @Test(arguments: [
        ("", .unexpectedEnd), (" ", .unexpectedEnd), ("[", .unexpectedEnd), ("[1", .unexpectedEnd),
        ("[1,", .unexpectedEnd), ("{", .unexpectedEnd), ("{\"a\"", .unexpectedEnd), ("{\"a\":", .unexpectedEnd),
        ("{\"a\":1", .unexpectedEnd), ("{\"a\":1,", .unexpectedEnd), ("\"", .unexpectedEnd), ("\"a", .unexpectedEnd),
        ("\"\\", .unexpectedEnd), ("tru", .unexpectedEnd), ("nul", .unexpectedEnd),
        ("[1,]", .unexpectedByte), ("[,1]", .unexpectedByte), ("[1,,2]", .unexpectedByte), ("[1 2]", .unexpectedByte),
        ("{\"a\":1,}", .unexpectedByte), ("{,}", .unexpectedByte), ("{a:1}", .unexpectedByte),
        ("{'a':1}", .unexpectedByte), ("{1:1}", .unexpectedByte), ("{\"a\" 1}", .unexpectedByte),
        ("{\"a\"::1}", .unexpectedByte), ("{\"a\":}", .unexpectedByte), ("[1}", .unexpectedByte),
        ("{\"a\":1]", .unexpectedByte), ("]", .unexpectedByte), ("True", .unexpectedByte), ("trux", .unexpectedByte),
        ("NaN", .unexpectedByte), ("Infinity", .unexpectedByte), ("+1", .unexpectedByte), (".5", .unexpectedByte),
        ("[\u{A0}1]", .unexpectedByte), ("[1\u{0C}]", .unexpectedByte), ("// c\n1", .unexpectedByte),
        ("[1/* */]", .unexpectedByte), ("'a'", .unexpectedByte), ("\u{0}", .unexpectedByte),
        ("-", .invalidNumber), ("01", .invalidNumber), ("-01", .invalidNumber), ("1.", .invalidNumber),
        ("1.e1", .invalidNumber), ("1e", .invalidNumber), ("1e+", .invalidNumber), ("-Infinity", .invalidNumber),
        ("--1", .invalidNumber), ("-.5", .invalidNumber), ("00", .invalidNumber),
        ("1 2", .trailingBytes), ("[]]", .trailingBytes), ("{}{}", .trailingBytes), ("nullnull", .trailingBytes),
        ("1a", .trailingBytes), ("0x1", .trailingBytes), ("1e1.5", .trailingBytes), ("\"a\"\"b\"", .trailingBytes),
        ("[]\u{0}", .trailingBytes), ("1,", .trailingBytes), ("\"a\";", .trailingBytes),
        ("\"\u{0}\"", .controlCharacter), ("\"\n\"", .controlCharacter), ("\"\t\"", .controlCharacter),
        ("\"\u{1F}\"", .controlCharacter), ("{\"\n\":1}", .controlCharacter),
        ("\"\\a\"", .invalidEscape), ("\"\\'\"", .invalidEscape), ("\"\\x41\"", .invalidEscape),
        ("\"\\u\"", .invalidEscape), ("\"\\u12\"", .invalidEscape), ("\"\\u12G4\"", .invalidEscape),
        ("\"\\U0041\"", .invalidEscape), ("\"\\u+123\"", .invalidEscape), ("\"\\ä\"", .invalidEscape),
        ("\u{FEFF}[]", .byteOrderMark),
    ] as [(String, JSONError.Reason)])
    func `what is not JSON is refused with its reason`(text: String, reason: JSONError.Reason) {
        #expect(read(text)?.reason == reason)
    }

    @Test(arguments: [
        "\"\\uD800\"", "\"\\uDC00\"", "\"\\uD800x\"", "\"\\uD800\\n\"", "\"\\uD800\\uD800\"", "\"\\uDC00\\uD800\"",
        "\"\\uD800\\u0041\"", "\"\\uDBFF\"", "\"a\\uDFFFb\"", "{\"\\uD83D\":1}", "\"\\uD834\\uDD\"",
    ])
    func `half of a surrogate pair is refused`(text: String) {
        #expect(read(text)?.reason == .loneSurrogate)
    }

    @Test(arguments: [
        [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xE1, 0x80, 0x80], [0xEC, 0xBF, 0xBF], [0xED, 0x80, 0x80],
        [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80],
        [0xF3, 0xBF, 0xBF, 0xBF], [0xF4, 0x8F, 0xBF, 0xBF],
    ] as [[UInt8]])
    func `the edges of well-formed UTF-8 are taken`(sequence: [UInt8]) {
        #expect(read([0x22] + sequence + [0x22]) == nil)
    }

    @Test(arguments: [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x7F], [0xC2, 0xC0], [0xDF, 0x22],
        [0xE0, 0x9F, 0xBF], [0xE0, 0x80, 0x80], [0xE1, 0x80], [0xE1, 0x80, 0xC0], [0xED, 0xA0, 0x80],
        [0xED, 0xBF, 0xBF], [0xEF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80], [0xF0, 0x90, 0x80, 0x7F],
        [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    ] as [[UInt8]])
    func `ill-formed UTF-8 is refused, in strings and in names`(sequence: [UInt8]) {
        #expect(read([0x22] + sequence + [0x22])?.reason == .invalidUTF8)
        #expect(read(Array("{\"".utf8) + sequence + Array("\":1}".utf8))?.reason == .invalidUTF8)
        #expect(read([0x22] + sequence) != nil)
    }

    @Test func `a sequence that the end cuts off is refused`() {
        for length in 1...3 {
            #expect(read([0x22] + [0xF0, 0x9F, 0x8E, 0x89].prefix(length))?.reason == .invalidUTF8)
        }
    }

    @Test func `thirty-two levels are taken and one more is not`() {
        func nested(_ depth: Int, _ open: String, _ core: String, _ close: String) -> String {
            String(repeating: open, count: depth) + core + String(repeating: close, count: depth)
        }
        #expect(read(nested(32, "[", "", "]")) == nil)
        #expect(read(nested(33, "[", "", "]"))?.reason == .tooDeep)
        #expect(read(nested(31, "{\"a\":", "{}", "}")) == nil)
        #expect(read(nested(32, "{\"a\":", "{}", "}"))?.reason == .tooDeep)
        #expect(read(nested(32, "[", "1", "]")) == nil)
        #expect(read(nested(100_000, "[", "", "]"))?.reason == .tooDeep)
        #expect(read(String(repeating: "[{\"a\":", count: 50_000))?.reason == .tooDeep)
    }

    @Test(arguments: [
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"\\u0061\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}", "[{\"x\":{\"a\":1,\"a\":1}}]", "{\"/\":1,\"\\/\":1}", "{\"🎉\":1,\"\\uD83C\\uDF89\":1}",
        "{\"\\u00e4\":1,\"\\u00E4\":1}",
    ])
    func `a name that stands twice is refused, however it is spelt`(text: String) {
        #expect(read(text)?.reason == .duplicateMember)
    }

    @Test(arguments: [2, 11, 12, 13, 14, 40, 1000])
    func `a name that stands twice is found among any number of members`(count: Int) {
        let members = (0..<count).map { "\"n\($0)\":\($0)" }
        #expect(read("{" + members.joined(separator: ",") + "}") == nil)
        for position in Set([0, 1, count / 2, count - 1]) {
            let plain = (members + ["\"n\(position)\":0"]).joined(separator: ",")
            #expect(read("{\(plain)}")?.reason == .duplicateMember)
            let escaped = (["\"\\u006e\(position)\":0"] + members).joined(separator: ",")
            #expect(read("{\(escaped)}")?.reason == .duplicateMember)
        }
    }

    @Test func `many members cost linear time`() {
        let members = (0..<100_000).map { "\"n\($0)\":0" }.joined(separator: ",")
        let elapsed = ContinuousClock().measure { #expect(read("{\(members)}") == nil) }
        // Comparing each with each would be five thousand million comparisons.
        #expect(elapsed < .seconds(30))
    }

    @Test(arguments: ["1e6144", "-1e6144", "1e-6176", "0e99999", "1234567890123456789012345678901234"])
    func `numbers that can be kept exactly are taken`(text: String) {
        #expect(read(text) == nil)
    }

    @Test(arguments: [
        "1e6145", "9e9999", "1e9999", "-1e9999", "1E9999", "1e-9999", "1e999999999999999999999",
        "12345678901234567890123456789012345", "0.12345678901234567890123456789012345",
    ])
    func `numbers that cannot be kept exactly are refused, however short`(text: String) {
        #expect(read(text)?.reason == .inexactNumber)
        #expect(read("[\(text)]")?.reason == .inexactNumber)
    }

    @Test func `a name cannot hold the character zero`() {
        #expect(read("{\"a\\u0000\":1}")?.reason == .nulInName)
        #expect(read("{\"a\":\"\\u0000\"}") == nil)
    }

    @Test func `an error names the byte at which it stands`() {
        #expect(read("[1,x]") == JSONError(reason: .unexpectedByte, offset: 3))
        #expect(read("{\"a\":1,\"a\":2}") == JSONError(reason: .duplicateMember, offset: 7))
        #expect(read("[1]x") == JSONError(reason: .trailingBytes, offset: 3))
    }
}
