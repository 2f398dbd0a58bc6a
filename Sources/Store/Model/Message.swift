import Text

/// A chat message or another item of a conversation: a JSON object that was checked once and is kept as the text it
/// came as, so that its members' order, its numbers and its strings go out as they came in. What is in it is the
/// business of whoever admits it.
package struct Message: Sendable, Equatable {
    package let json: ArraySlice<UInt8>

    /// - Parameter object: an object that `reader` has read.
    package init(_ object: JSONValue, from reader: JSONReader) {
        precondition(object.kind == .object)
        json = reader.bytes[object.range]
    }

    private init(checked json: [UInt8]) { self.json = json[...] }

    /// The same message, holding on to nothing else of the text that it was read from.
    var detached: Message { Message(checked: Array(json)) }

    /// A message with nothing but a role and a text.
    package init(role: StaticString, content: String) {
        var buffer = ByteBuffer()
        buffer.append("{\"role\":\"")
        buffer.append(role)
        buffer.append("\",\"content\":")
        buffer.append(jsonString: content)
        buffer.append("}")
        json = buffer.bytes[...]
    }
}
