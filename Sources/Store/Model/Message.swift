import Text

/// A chat message: a JSON object that was checked once and is kept as the text it came as, so that its
/// members' order, its numbers and its strings go out as they came in.
package struct Message: Sendable, Equatable {
    package let json: ArraySlice<UInt8>

    /// Why an object is not a message, and which of its members is at fault.
    package struct Refusal: Error, Equatable, Sendable {
        package let field: String?
        package let detail: String
    }

    private static let roles: [[UInt8]] = ["system", "user", "assistant", "tool", "developer"].map { Array($0.utf8) }

    /// - Parameter value: a value that `reader` has read.
    package init(_ value: JSONValue, from reader: JSONReader) throws(Refusal) {
        guard value.kind == .object else { throw Refusal(field: nil, detail: "A message is a JSON object.") }
        var role: JSONValue?
        var content: JSONValue?
        var hasToolCalls = false
        for member in reader.members(of: value) {
            let name = reader.name(of: member)
            if name.elementsEqual("role".utf8) {
                role = member.value
            } else if name.elementsEqual("content".utf8) {
                content = member.value
            } else if name.elementsEqual("tool_calls".utf8) {
                hasToolCalls = member.value.kind == .array && !reader.elements(of: member.value).isEmpty
            }
        }
        guard let role, role.kind == .string, Self.roles.contains(where: reader.text(of: role).elementsEqual) else {
            throw Refusal(field: "role", detail: "role must be one of system, user, assistant, tool, developer.")
        }
        guard let content, Self.isContent(content, hasToolCalls: hasToolCalls, in: reader) else {
            throw Refusal(
                field: "content",
                detail: "content must be a non-empty string, a non-empty array of objects, "
                    + "or null in a message with tool_calls.")
        }
        json = reader.bytes[value.range]
    }

    private init(checked json: [UInt8]) {
        self.json = json[...]
    }

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

    private static func isContent(_ value: JSONValue, hasToolCalls: Bool, in reader: JSONReader) -> Bool {
        switch value.kind {
        case .string: return value.range.count > 2
        case .array:
            let parts = reader.elements(of: value)
            return !parts.isEmpty && parts.allSatisfy { $0.kind == .object }
        case .null: return hasToolCalls
        case .object, .number, .boolean: return false
        }
    }
}
