/// A value's place in the text that a `JSONReader` has checked.
package struct JSONValue: Sendable, Equatable {
    package enum Kind: Sendable { case object, array, string, number, boolean, null }

    package let kind: Kind
    package let range: Range<Int>

    package init(kind: Kind, range: Range<Int>) {
        self.kind = kind
        self.range = range
    }
}

/// A member of an object: where its name and its value stand.
package struct JSONMember: Sendable {
    /// The name between its quotes, still escaped.
    let rawName: Range<Int>
    let nameIsEscaped: Bool
    package let value: JSONValue
}

/// A strict, non-copying reader of JSON (RFC 8259). It checks everything it passes: structure, UTF-8,
/// escapes, numbers, member names that appear twice, and a depth of at most 32 levels.
///
/// Foundation's readers take what this project must refuse (duplicate names, for one) and lose what it must
/// keep (the order of members, the text of a number).
package struct JSONReader: Sendable {
    package static let maximumDepth = 32

    package let bytes: [UInt8]
    private var position: Int
    private let end: Int

    package init(_ bytes: [UInt8]) { self.init(bytes, in: 0..<bytes.count) }

    init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// Reads the one value that the text holds.
    package mutating func readDocument() throws(JSONError) -> JSONValue {
        if end - position >= 3, bytes[position] == 0xEF, bytes[position + 1] == 0xBB, bytes[position + 2] == 0xBF {
            throw error(.byteOrderMark)
        }
        let value = try readValue(depth: 1)
        skipWhitespace()
        guard position == end else { throw error(.trailingBytes) }
        return value
    }

    /// Reads values that are joined by commas, as an array has them between its brackets: each has all levels of depth.
    package mutating func readSequence() throws(JSONError) -> [JSONValue] {
        var values: [JSONValue] = []
        skipWhitespace()
        guard position < end else { return [] }
        repeat {
            values.append(try readValue(depth: 1))
            skipWhitespace()
        } while take(UInt8(ascii: ","))
        guard position == end else { throw error(.trailingBytes) }
        return values
    }

    /// The members of an object that this reader has read, in their order.
    package func members(of object: JSONValue) -> [JSONMember] {
        var reader = JSONReader(bytes, in: object.range)
        // The range was checked when it was first read, so that reading it again cannot fail.
        return (try? reader.readMembers(depth: 1)) ?? []
    }

    /// The elements of an array that this reader has read, in their order.
    package func elements(of array: JSONValue) -> [JSONValue] {
        var reader = JSONReader(bytes, in: array.range)
        var elements: [JSONValue] = []
        // See members(of:).
        try? reader.readElements(depth: 1) { elements.append($0) }
        return elements
    }

    /// The name of a member with its escapes resolved.
    package func name(of member: JSONMember) -> ArraySlice<UInt8> {
        member.nameIsEscaped ? unescaped(member.rawName)[...] : bytes[member.rawName]
    }

    /// A string's text with its escapes resolved, in UTF-8.
    package func text(of string: JSONValue) -> ArraySlice<UInt8> {
        let content = string.range.lowerBound + 1..<string.range.upperBound - 1
        return bytes[content].contains(UInt8(ascii: "\\")) ? unescaped(content)[...] : bytes[content]
    }

    // MARK: Values

    private mutating func readValue(depth: Int) throws(JSONError) -> JSONValue {
        skipWhitespace()
        guard position < end else { throw error(.unexpectedEnd) }
        let start = position
        let kind: JSONValue.Kind
        switch bytes[position] {
        case UInt8(ascii: "{"):
            _ = try readMembers(depth: depth)
            kind = .object
        case UInt8(ascii: "["):
            try readElements(depth: depth) { _ in }
            kind = .array
        case UInt8(ascii: "\""):
            _ = try readString()
            kind = .string
        case UInt8(ascii: "t"): kind = try readLiteral("true", .boolean)
        case UInt8(ascii: "f"): kind = try readLiteral("false", .boolean)
        case UInt8(ascii: "n"): kind = try readLiteral("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            try readNumber()
            kind = .number
        default:
            throw error(.unexpectedByte)
        }
        return JSONValue(kind: kind, range: start..<position)
    }

    private mutating func readMembers(depth: Int) throws(JSONError) -> [JSONMember] {
        guard depth <= Self.maximumDepth else { throw error(.tooDeep) }
        position += 1
        var members: [JSONMember] = []
        var names = MemberNames()
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return members }
        repeat {
            skipWhitespace()
            let start = position
            let escaped = try readString()
            let rawName = start + 1..<position - 1
            if escaped, unescaped(rawName).contains(0) { throw JSONError(reason: .nulInName, offset: start) }
            skipWhitespace()
            try expect(UInt8(ascii: ":"))
            let value = try readValue(depth: depth + 1)
            let member = JSONMember(rawName: rawName, nameIsEscaped: escaped, value: value)
            guard names.insert(member, among: members, in: self) else {
                throw JSONError(reason: .duplicateMember, offset: start)
            }
            members.append(member)
            skipWhitespace()
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        return members
    }

    private mutating func readElements(depth: Int, _ visit: (JSONValue) -> Void) throws(JSONError) {
        guard depth <= Self.maximumDepth else { throw error(.tooDeep) }
        position += 1
        skipWhitespace()
        if take(UInt8(ascii: "]")) { return }
        repeat {
            visit(try readValue(depth: depth + 1))
            skipWhitespace()
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
    }

    private mutating func readLiteral(_ literal: StaticString, _ kind: JSONValue.Kind) throws(JSONError) -> JSONValue.Kind {
        for index in 0..<literal.utf8CodeUnitCount { try expect(literal.utf8Start[index]) }
        return kind
    }

    private mutating func readNumber() throws(JSONError) {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) {
            try expectDigits()
        } else if position < end, bytes[position].isDigit {
            throw error(.invalidNumber)
        }
        if take(UInt8(ascii: ".")) { try expectDigits() }
        if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try expectDigits()
        }
        // Up to five characters there is room for neither 35 digits nor an exponent over 6144.
        if position - start > 5, !DecimalNumber(bytes[start..<position]).fitsDecimal128 {
            throw JSONError(reason: .inexactNumber, offset: start)
        }
    }

    private mutating func expectDigits() throws(JSONError) {
        let start = position
        while position < end, bytes[position].isDigit { position += 1 }
        guard position > start else { throw error(.invalidNumber) }
    }

    // MARK: Strings

    /// Passes a string and says whether it has escapes.
    private mutating func readString() throws(JSONError) -> Bool {
        try expect(UInt8(ascii: "\""))
        var escaped = false
        while position < end {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return escaped
            case UInt8(ascii: "\\"):
                escaped = true
                try readEscape()
            case 0x20..<0x80:
                position += 1
            case 0x80...:
                position += try lengthOfUTF8Sequence()
            default:
                throw error(.controlCharacter)
            }
        }
        throw error(.unexpectedEnd)
    }

    private mutating func readEscape() throws(JSONError) {
        guard position + 1 < end else { throw error(.unexpectedEnd) }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard let unit = hexUnit(at: position + 2) else { throw error(.invalidEscape) }
            if unit & 0xFC00 == 0xD800 {
                guard position + 7 < end, bytes[position + 6] == UInt8(ascii: "\\"),
                    bytes[position + 7] == UInt8(ascii: "u"), let low = hexUnit(at: position + 8),
                    low & 0xFC00 == 0xDC00
                else { throw error(.loneSurrogate) }
                position += 12
            } else if unit & 0xFC00 == 0xDC00 {
                throw error(.loneSurrogate)
            } else {
                position += 6
            }
        default:
            throw error(.invalidEscape)
        }
    }

    private func hexUnit(at offset: Int) -> UInt16? {
        guard offset + 4 <= end else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[offset..<offset + 4] {
            guard let digit = byte.hexDigit else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// The length of the multi-byte sequence that starts here, by the table of well-formed sequences
    /// (The Unicode Standard, table 3-7).
    private func lengthOfUTF8Sequence() throws(JSONError) -> Int {
        let lead = bytes[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: throw error(.invalidUTF8)
        }
        guard position + length <= end, second.contains(bytes[position + 1]) else { throw error(.invalidUTF8) }
        for offset in position + 2..<max(position + 2, position + length) {
            guard bytes[offset] & 0xC0 == 0x80 else { throw error(.invalidUTF8) }
        }
        return length
    }

    /// Resolves the escapes of string content that was checked before.
    private func unescaped(_ content: Range<Int>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(content.count)
        var index = content.lowerBound
        while index < content.upperBound {
            guard bytes[index] == UInt8(ascii: "\\") else {
                text.append(bytes[index])
                index += 1
                continue
            }
            let escape = bytes[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = UInt32(hexUnit(at: index) ?? 0xFFFD)
                index += 4
                if scalar & 0xFC00 == 0xD800, let low = hexUnit(at: index + 2) {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + UInt32(low & 0x3FF)
                    index += 6
                }
                text.append(contentsOf: String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8)
            default: text.append(escape)
            }
        }
        return text
    }

    // MARK: Bytes

    private mutating func skipWhitespace() {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < end, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard take(byte) else { throw error(position < end ? .unexpectedByte : .unexpectedEnd) }
    }

    private func error(_ reason: JSONError.Reason) -> JSONError { JSONError(reason: reason, offset: position) }
}

/// The names of one object, to find one that appears twice. Few names are compared one by one; many go into
/// a set, so that an object of a hundred thousand members costs no more than linear time.
private struct MemberNames {
    private static let comparedOneByOne = 12
    private var set: Set<ArraySlice<UInt8>> = []

    mutating func insert(_ member: JSONMember, among earlier: [JSONMember], in reader: JSONReader) -> Bool {
        let name = reader.name(of: member)
        if earlier.count < Self.comparedOneByOne {
            return !earlier.contains { reader.name(of: $0) == name }
        }
        if set.isEmpty { set = Set(earlier.map(reader.name(of:))) }
        return set.insert(name).inserted
    }
}
