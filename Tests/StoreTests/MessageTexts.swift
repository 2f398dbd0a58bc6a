import Foundation
import Store
import Text

extension Message {
    static func user(_ content: String) -> Message { Message(role: "user", content: content) }

    /// A message from its JSON.
    static func json(_ text: String) throws -> Message {
        var reader = JSONReader(Array(text.utf8))
        let value = try reader.readDocument()
        return Message(value, from: reader)
    }
}

extension Session {
    /// The messages as JSON, each by itself.
    var messageTexts: [String] {
        var texts: [String] = []
        var depth = 0
        var start = 0
        var (isInString, isEscaped) = (false, false)
        for (index, byte) in (messages + [UInt8(ascii: ",")]).enumerated() {
            if isInString {
                if !isEscaped, byte == UInt8(ascii: "\"") { isInString = false }
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0 && index > start:
                texts.append(String(decoding: messages[start..<index], as: UTF8.self))
                start = index + 1
            default: break
            }
        }
        return texts
    }

    var contents: [String] {
        messageTexts.map { text in
            var reader = JSONReader(Array(text.utf8))
            guard let value = try? reader.readDocument(), value.kind == .object,
                let content = reader.members(of: value).first(where: {
                    reader.name(of: $0).elementsEqual("content".utf8)
                })
            else { return text }
            return String(decoding: reader.text(of: content.value), as: UTF8.self)
        }
    }
}

extension Session {
    /// What messages say that `Message.user` has made, without a quotation mark in them. A simulation asks for it all
    /// the time, so that they are not read as JSON.
    var texts: [String] {
        // {"role":"user","content":"…"} and so on: every eighth part between two quotation marks.
        let parts = String(decoding: messages, as: UTF8.self).components(separatedBy: "\"")
        return stride(from: 7, to: parts.count, by: 8).map { parts[$0] }
    }
}
