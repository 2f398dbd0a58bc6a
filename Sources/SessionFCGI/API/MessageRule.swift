import Store
import Text

/// What a message has to be when a client sends it. The store keeps any object that was admitted here.
struct MessageRule: Sendable {
    let maximumBytes: Int

    private static let roles: [[UInt8]] = ["system", "user", "assistant", "tool", "developer"].map { Array($0.utf8) }

    /// Throws 400 and 413, which name the member at fault below `field`.
    func admit(_ value: JSONValue, from reader: JSONReader, field: String?) throws(Problem) -> Message {
        guard value.range.count <= maximumBytes else {
            throw Problem(
                413, "A message is longer than \(maximumBytes) bytes of JSON.", field: field, limit: maximumBytes)
        }
        guard value.kind == .object else { throw Problem(400, "A message is a JSON object.", field: field) }
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
            throw Problem(
                400, "role must be one of system, user, assistant, tool, developer.", field: Self.place(field, "role"))
        }
        guard let content, isContent(content, hasToolCalls: hasToolCalls, in: reader) else {
            throw Problem(
                400,
                "content must be a non-empty string, a non-empty array of objects, or null in a message with tool_calls.",
                field: Self.place(field, "content"))
        }
        return Message(value, from: reader)
    }

    private static func place(_ field: String?, _ member: String) -> String {
        field.map { "\($0).\(member)" } ?? member
    }

    private func isContent(_ value: JSONValue, hasToolCalls: Bool, in reader: JSONReader) -> Bool {
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
