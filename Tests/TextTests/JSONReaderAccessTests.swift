import Testing

@testable import Text

@Suite struct JSONReaderAccessTests {
    private func document(_ text: String) throws -> (JSONReader, JSONValue) {
        var reader = JSONReader(Array(text.utf8))
        let value = try reader.readDocument()
        return (reader, value)
    }

    @Test func `members come in their order, with names resolved and values where they stand`() throws {
        let (reader, object) = try document(" {\"b\" : 1.50 , \"\\u0061\":[1, 2],\"c\":{\"d\":null}} ")
        let members = reader.members(of: object)
        #expect(members.map { String(decoding: reader.name(of: $0), as: UTF8.self) } == ["b", "a", "c"])
        #expect(members.map(\.value.kind) == [.number, .array, .object])
        let texts = members.map { String(decoding: reader.bytes[$0.value.range], as: UTF8.self) }
        #expect(texts == ["1.50", "[1, 2]", "{\"d\":null}"])
    }

    @Test func `elements come in their order`() throws {
        let (reader, array) = try document("[ \"a\", true ,null,-1e3,[],{} ]")
        #expect(reader.elements(of: array).map(\.kind) == [.string, .boolean, .null, .number, .array, .object])
    }

    @Test(arguments: [
        ("\"\"", ""), ("\"plain\"", "plain"), ("\"a\\n\\t\\r\\b\\f\\\"\\\\\\/\"", "a\n\t\r\u{8}\u{C}\"\\/"),
        ("\"\\u00e4\\u20AC\"", "ä€"), ("\"\\ud83c\\udf89!\"", "🎉!"), ("\"\\u0000\"", "\0"),
        ("\"\\uD83C\\uDF89\\u0041\"", "🎉A"), ("\"ä\\u0041ö\"", "äAö"),
    ])
    func `a string's text has its escapes resolved`(json: String, text: String) throws {
        let (reader, value) = try document(json)
        #expect(Array(reader.text(of: value)) == Array(text.utf8))
    }

    @Test func `nested values at the greatest depth can be read again`() throws {
        let depth = JSONReader.maximumDepth
        let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        var (reader, value) = try document(text)
        for _ in 1..<depth {
            let elements = reader.elements(of: value)
            #expect(elements.count == 1)
            value = elements[0]
        }
        #expect(reader.elements(of: value).isEmpty)
    }
}
