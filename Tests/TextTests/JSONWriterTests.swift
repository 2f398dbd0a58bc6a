import System
import TestSupport
import Testing

@testable import Text

@Suite struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        String(decoding: JSONWriter.object(write).bytes, as: UTF8.self)
    }

    @Test func `an object without members is empty`() {
        #expect(text { _ in } == "{}")
        #expect(text { $0.object("o") { _ in } } == #"{"o":{}}"#)
        #expect(text { $0.array("a", of: [Int]()) { _, _ in } } == #"{"a":[]}"#)
        #expect(text { $0.array("a", of: [1]) { _, _ in } } == #"{"a":[{}]}"#)
        #expect(text { $0.array("a", elements: [UInt8]()) } == #"{"a":[]}"#)
    }

    @Test func `members of every kind follow each other with a comma between two`() {
        let all = text {
            $0.string("static", "a" as StaticString)
            $0.string("text", String("b"))
            $0.string("bytes", Array("ä".utf8))
            $0.integer("integer", -5)
            $0.integer("small", UInt8(255))
            $0.integer("least", Int64.min)
            $0.integer("greatest", UInt64(Int64.max))
            $0.boolean("yes", true)
            $0.boolean("no", false)
            $0.null("null")
            $0.date("date", Timestamp(milliseconds: 1_705_312_800_000))
            $0.array("elements", elements: Array(#"1,{"x":[]}"#.utf8))
        }
        #expect(
            all == #"{"static":"a","text":"b","bytes":"ä","integer":-5,"small":255,"least":-9223372036854775808,"#
                + #""greatest":9223372036854775807,"yes":true,"no":false,"null":null,"#
                + #""date":"2024-01-15T10:00:00.000Z","elements":[1,{"x":[]}]}"#)
    }

    @Test func `what is nested has commas of its own`() {
        let nested = text {
            $0.object("a") {
                $0.object("b") { _ in }
                $0.object("c") { $0.null("d") }
                $0.integer("e", 1)
            }
            $0.array("f", of: [1, 0, 2]) { writer, value in
                if value == 1 { writer.integer("g", 1) }
                guard value == 2 else { return }
                writer.array("h", of: ["i", "j"] as [StaticString]) { $0.null($1) }
                writer.integer("k", 2)
            }
            $0.array("l", of: [Int]()) { _, _ in }
            $0.integer("m", 3)
        }
        #expect(
            nested == #"{"a":{"b":{},"c":{"d":null},"e":1},"f":[{"g":1},{},"#
                + #"{"h":[{"i":null},{"j":null}],"k":2}],"l":[],"m":3}"#)
    }

    @Test(arguments: [
        ("\"", #"\""#), ("\\", #"\\"#), ("/", "/"), ("\u{8}\t\n\u{C}\r", #"\b\t\n\f\r"#), ("\0", #"\u0000"#),
        ("\u{1F}\u{7F}", "\\u001f\u{7F}"), ("ä😀\u{2028}", "ä😀\u{2028}"), ("", ""), ("a\"\"b\n", #"a\"\"b\n"#),
    ])
    func `a string is escaped where it must be, and nowhere else`(plain: String, escaped: String) {
        #expect(text { $0.string("s", plain) } == "{\"s\":\"\(escaped)\"}")
        #expect(text { $0.string("s", Array(plain.utf8)) } == "{\"s\":\"\(escaped)\"}")
        // Not contiguous in memory.
        #expect(text { $0.string("s", Array(plain.utf8).lazy.map(\.self)) } == "{\"s\":\"\(escaped)\"}")
    }

    @Test func `whatever is written is read back as it was`() throws {
        try forEachSeed(300) { seed in
            var generator = SeededGenerator(seed)
            var text = ""
            for _ in 0..<40 {
                let end: UInt32 = Bool.random(using: &generator) ? 0x80 : 0xD800
                text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: 0..<end, using: &generator))!)
            }
            var reader = JSONReader(JSONWriter.object { $0.string("s", text) }.bytes)
            let document = try reader.readDocument()
            let member = try #require(reader.members(of: document).first)
            try hold(Array(reader.text(of: member.value)) == Array(text.utf8), "\(text) is read as another")
        }
    }
}
