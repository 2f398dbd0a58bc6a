/// Why a text is not JSON that this project takes (RFC 8259, read strictly), and at which byte.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: String, Sendable {
        case unexpectedEnd = "the text ends too early"
        case unexpectedByte = "this byte cannot stand here"
        case byteOrderMark = "a byte order mark is not allowed"
        case trailingBytes = "there is more after the value"
        case tooDeep = "nested more than 32 levels deep"
        case duplicateMember = "a member name appears twice in one object"
        case invalidUTF8 = "the text is not valid UTF-8"
        case loneSurrogate = "an escape names half of a surrogate pair"
        case invalidEscape = "this escape is not one of JSON's"
        case controlCharacter = "a control character in a string must be escaped"
        case invalidNumber = "this is not a JSON number"
        case inexactNumber = "a number with more than 34 significant digits, or beyond 1e6144, cannot be kept exactly"
        case nulInName = "a member name cannot hold U+0000"
    }

    package let reason: Reason
    package let offset: Int

    package var description: String { "\(reason.rawValue) (at byte \(offset))" }
}
