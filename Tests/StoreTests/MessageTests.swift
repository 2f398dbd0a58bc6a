import Testing
import Text

@testable import Store

@Suite struct MessageTests {
    private func read(_ json: String) throws(Message.Refusal) -> Message {
        var reader = JSONReader(Array(json.utf8))
        let value: JSONValue
        do { value = try reader.readDocument() } catch { fatalError("not JSON: \(json)") }
        return try Message(value, from: reader)
    }

    private func refusal(_ json: String) -> Message.Refusal? {
        do throws(Message.Refusal) {
            _ = try read(json)
            return nil
        } catch {
            return error
        }
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

    @Test(arguments: [
        #"{"content":"x"}"#, #"{"role":"User","content":"x"}"#, #"{"role":"","content":"x"}"#,
        #"{"role":"function","content":"x"}"#, #"{"role":null,"content":"x"}"#, #"{"role":1,"content":"x"}"#,
        #"{"role":["user"],"content":"x"}"#, #"{"role":"user ","content":"x"}"#, "{}",
    ])
    func `a role that is none of the five is refused`(json: String) {
        #expect(refusal(json)?.field == "role")
    }

    @Test(arguments: [
        #"{"role":"user"}"#, #"{"role":"user","content":""}"#, #"{"role":"user","content":[]}"#,
        #"{"role":"user","content":["text"]}"#, #"{"role":"user","content":[{},1]}"#,
        #"{"role":"user","content":[null]}"#, #"{"role":"user","content":[[]]}"#, #"{"role":"user","content":{}}"#,
        #"{"role":"user","content":1}"#, #"{"role":"user","content":true}"#, #"{"role":"user","content":null}"#,
        #"{"role":"assistant","content":null,"tool_calls":null}"#,
        #"{"role":"assistant","content":null,"tool_calls":[]}"#,
        #"{"role":"assistant","content":null,"tool_calls":"x"}"#,
        #"{"role":"assistant","content":null,"tool_calls":{"a":1}}"#, #"{"role":"assistant","tool_calls":[{}]}"#,
    ])
    func `content that says nothing is refused`(json: String) {
        #expect(refusal(json)?.field == "content")
    }

    @Test(arguments: ["[]", "\"hi\"", "1", "null", "true", #"[{"role":"user","content":"x"}]"#])
    func `what is no object is no message`(json: String) {
        #expect(refusal(json) != nil)
        #expect(refusal(json)?.field == nil)
    }

    @Test func `a refusal never quotes the message`() {
        let refused = refusal(#"{"role":"secret-role","content":"secret-content"}"#)
        #expect(refused?.detail.contains("secret") == false)
    }

    @Test func `a message made of a role and a text is a message`() throws {
        let made = Message(role: "user", content: "a \"b\"\n\u{1} ä")
        let text = String(decoding: made.json, as: UTF8.self)
        #expect(text == #"{"role":"user","content":"a \"b\"\n\u0001 ä"}"#)
        #expect(try read(text) == made)
    }
}
