import Testing

@testable import Store

@Suite struct SessionIDTests {
    @Test(arguments: ["a", " ", "a/b", "ä", "e\u{301}", "🎉", "a b", "~", "\u{A0}", "\u{FFFD}", "..", "%41"])
    func `any text without control characters is an id`(text: String) throws {
        let id = try #require(SessionID(text))
        #expect(id.description == text)
        #expect(id.bytes == Array(text.utf8))
    }

    @Test(arguments: ["", "\0", "a\nb", "\u{1F}", "\u{7F}", "ä\u{7F}", "\u{80}", "\u{85}", "\u{9F}"])
    func `an empty text and control characters are refused`(text: String) {
        #expect(SessionID(text) == nil)
    }

    @Test(arguments: [
        [0xFF], [0xC3], [0xC3, 0x28], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x61, 0x80],
    ] as [[UInt8]])
    func `invalid UTF-8 is refused`(bytes: [UInt8]) {
        #expect(SessionID(bytes) == nil)
    }

    @Test func `the limit is 256 bytes, not characters`() {
        #expect(SessionID(String(repeating: "a", count: 256)) != nil)
        #expect(SessionID(String(repeating: "a", count: 257)) == nil)
        #expect(SessionID(String(repeating: "ä", count: 128)) != nil)
        #expect(SessionID(String(repeating: "ä", count: 128) + "a") == nil)
    }

    @Test func `two spellings of one text are two ids`() {
        #expect("\u{E4}" == "a\u{308}")
        #expect(SessionID("\u{E4}") != SessionID("a\u{308}"))
    }

    @Test func `a random id is a UUID of version 4, and none comes twice`() throws {
        var seen: Set<SessionID> = []
        for _ in 0..<1000 {
            let id = SessionID.random()
            let text = id.description
            #expect(text.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
            #expect(seen.insert(id).inserted)
        }
    }
}
