import Text

@testable import Store

/// Messages that a store could be tempted to interpret, to round or to repair.
enum ContentSamples {
    static let messages: [String] =
        [
            "$$NOW", "$updated_at", "$", "$$ROOT", "a.b", "", " ", "😀 ä e\u{301} \u{202E}", "</script>",
            "line\\nbreak\\ttab \\\" \\\\ \\/", "\\u0000 in the middle", "\\ud83d\\ude00", "\\u2028", "\\u001f",
        ].filter { !$0.isEmpty }.map { #"{"role":"user","content":"\#($0)"}"# }
        + [
            #"{"$date":0}"#, #"{"a.b":1}"#, #"{"$ref":"x","$id":1}"#, #"{"$ref":"x"}"#, #"{"$oid":"zz"}"#,
            #"{"$numberLong":"5"}"#, #"{"$literal":"$x"}"#, #"{"$set":{"$inc":{"a.b.c":"$$NOW"}}}"#, #"{"":1}"#,
            #"{"$":1,".":2,"..":3}"#, #"{"_id":[1,{"_id":{"$x":[]}}]}"#, #"{"b":1,"a":2,"c":3}"#, "[]", "{}",
            "[[],[[]],{}]", "[1,\"1\",true,false,null]", "{\"0\":1,\"1\":2}", "true", "null", "\"x\"",
            #"{"constructor":1,"__proto__":2}"#, #"{"schön":"é","é":1}"#,
        ].map { #"{"role":"user","content":"x","metadata":\#($0)}"# }
        + [
            "0", "1", "-1", "1.0", "-0", "-0.0", "0.0", "0.1", "1e2", "1E+2", "100", "1.5e-3", "2147483647", "2147483648",
            "-2147483648", "-2147483649", "9007199254740993", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "12345678901234567890", "0.1234567890123456789", "1e400", "-1e400", "1e-400",
            "123456789012345678901234567890.1234", "1e308", "5e-324", "1.7976931348623157e308", "3.141592653589793238",
            "100000000000000000000", "1e6144", "1.10",
        ].map { #"{"role":"user","content":"x","n":\#($0),"deep":[{"n":[\#($0)]}]}"# }
        + [
            #" { "role" : "assistant" , "content" : null , "tool_calls" : [ { "id" : "c" , "function" : { "name" : "f" , "arguments" : "{\"$a\": 1}" } } ] } "#
                .trimming(),
            #"{"content":[{"type":"text","text":"$x"},{"type":"image_url","image_url":{"url":"data:,"}}],"role":"user"}"#,
            #"{"\u0072ole":"user","content":"escaped name","tab\there":1}"#,
            #"{"role":"user","content":"deep","d":\#(String(repeating: "[", count: 31))\#(String(repeating: "]", count: 31))}"#,
        ]
}

extension String {
    fileprivate func trimming() -> String {
        var text = self[...]
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// A JSON value apart from how it is spelled: white space, escapes, and digits that say the same number.
indirect enum CanonicalJSON: Equatable {
    case object([Member])
    case array([CanonicalJSON])
    case string([UInt8])
    case number(DecimalNumber)
    case literal(String)

    struct Member: Equatable {
        let name: [UInt8]
        let value: CanonicalJSON
    }

    init(_ text: String) throws {
        var reader = JSONReader(Array(text.utf8))
        self.init(try reader.readDocument(), reader)
    }

    private init(_ value: JSONValue, _ reader: JSONReader) {
        switch value.kind {
        case .object:
            self = .object(
                reader.members(of: value).map {
                    Member(name: Array(reader.name(of: $0)), value: CanonicalJSON($0.value, reader))
                })
        case .array: self = .array(reader.elements(of: value).map { CanonicalJSON($0, reader) })
        case .string: self = .string(Array(reader.text(of: value)))
        case .number: self = .number(DecimalNumber(reader.bytes[value.range]))
        case .boolean, .null: self = .literal(String(decoding: reader.bytes[value.range], as: UTF8.self))
        }
    }
}
