import Testing
import Text

@testable import Store

@Suite struct MessageTests {
    private func read(_ json: String) throws -> Message {
        var reader = JSONReader(Array(json.utf8))
        let value = try reader.readDocument()
        return Message(value, from: reader)
    }

    @Test(arguments: [
        #"{"role":"user","content":"hi"}"#, #"{"role":"system","content":"x"}"#, #"{"role":"tool","content":" "}"#,
        #"{"content":"x","role":"developer"}"#, #"{"role":"assistant","content":[{"type":"text","text":""}]}"#,
        #"{"role":"assistant","content":null,"tool_calls":[{}]}"#, #"{"role":"assistant","content":[{}]}"#,
        #"{"r\u006fle":"us\u0065r","c\u006fntent":"x"}"#, #"{"role":"user","content":"\u0000"}"#,
        #"{"role":"user","content":"$$NOW","$updated_at":{"$date":0},"a.b":1,"metadata":{"a.b":1}}"#,
        #"{ "role" : "user",  "content":"x", "n":1.0e2,"id":12345678901234567890 }"#,
    ])
    func `a message is kept as the text it came as`(json: String) throws {
        let padded = " " + json + "\n"
        #expect(try read(padded).json.elementsEqual(json.utf8))
    }

    @Test func `a message made of a role and a text is a message`() throws {
        let made = Message(role: "user", content: "a \"b\"\n\u{1} ä")
        let text = String(decoding: made.json, as: UTF8.self)
        #expect(text == #"{"role":"user","content":"a \"b\"\n\u0001 ä"}"#)
        #expect(try read(text) == made)
    }
}
