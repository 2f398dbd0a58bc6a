import Text

/// Writes a JSON object as a BSON document, in one pass.
///
/// Nothing in it is interpreted: `{"$date": 0}` becomes a document with a member `$date`. A number keeps its
/// value exactly: integers become int32 or int64, others a double where that is the same decimal number, and
/// a Decimal128 where it is not.
struct JSONToBSON {
    private let reader: JSONReader
    private var position = 0
    private var writer: BSONWriter

    static func document(_ message: Message) -> [UInt8] { document(Array(message.json)) }

    /// The document that is spelled out in JSON here.
    static func document(_ text: String) -> [UInt8] { document(Array(text.utf8)) }

    private static func document(_ json: [UInt8]) -> [UInt8] {
        var converter = JSONToBSON(json)
        converter.appendMembers()
        return converter.writer.buffer.bytes
    }

    private init(_ json: [UInt8]) {
        reader = JSONReader(json)
        writer = BSONWriter(capacity: json.count + json.count / 8 + 64)
    }

    // A message's text was checked when the message was made: what is read here can be trusted to be JSON.

    private mutating func appendMembers() {
        let start = writer.beginNesting()
        position += 1
        skipWhitespace()
        while reader.bytes[position] != UInt8(ascii: "}") {
            let name = nextString()
            skip(UInt8(ascii: ":"))
            appendValue { writer, type in writer.begin(type, name: name) }
            skipComma()
        }
        position += 1
        writer.endNesting(from: start)
    }

    private mutating func appendElements() {
        let start = writer.beginNesting()
        position += 1
        skipWhitespace()
        var index = 0
        while reader.bytes[position] != UInt8(ascii: "]") {
            appendValue { writer, type in writer.begin(type, index: index) }
            index += 1
            skipComma()
        }
        position += 1
        writer.endNesting(from: start)
    }

    private mutating func appendValue(_ begin: (inout BSONWriter, BSONType) -> Void) {
        switch reader.bytes[position] {
        case UInt8(ascii: "\""):
            begin(&writer, .string)
            writer.append(stringBody: nextString())
        case UInt8(ascii: "{"):
            begin(&writer, .document)
            appendMembers()
        case UInt8(ascii: "["):
            begin(&writer, .array)
            appendElements()
        case UInt8(ascii: "t"):
            position += 4
            begin(&writer, .boolean)
            writer.buffer.append(1)
        case UInt8(ascii: "f"):
            position += 5
            begin(&writer, .boolean)
            writer.buffer.append(0)
        case UInt8(ascii: "n"):
            position += 4
            begin(&writer, .null)
        default:
            appendNumber(begin)
        }
    }

    private mutating func appendNumber(_ begin: (inout BSONWriter, BSONType) -> Void) {
        let start = position
        while position < reader.bytes.count, reader.bytes[position].isPartOfNumber { position += 1 }
        switch BSONNumber(reader.bytes[start..<position]) {
        case .int32(let value):
            begin(&writer, .int32)
            writer.buffer.append(littleEndian: value)
        case .int64(let value):
            begin(&writer, .int64)
            writer.buffer.append(littleEndian: value)
        case .double(let value):
            begin(&writer, .double)
            writer.buffer.append(littleEndian: value.bitPattern)
        case .decimal128(let value):
            begin(&writer, .decimal128)
            writer.buffer.append(littleEndian: value.low)
            writer.buffer.append(littleEndian: value.high)
        }
    }

    /// The text of the string that starts here.
    private mutating func nextString() -> ArraySlice<UInt8> {
        let start = position
        var isEscaped = false
        position += 1
        while reader.bytes[position] != UInt8(ascii: "\"") {
            if reader.bytes[position] == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        position += 1
        guard isEscaped else { return reader.bytes[start + 1..<position - 1] }
        return reader.text(of: JSONValue(kind: .string, range: start..<position))
    }

    private mutating func skipWhitespace() {
        while reader.bytes[position] <= UInt8(ascii: " ") { position += 1 }
    }

    private mutating func skip(_ byte: UInt8) {
        skipWhitespace()
        precondition(reader.bytes[position] == byte)
        position += 1
        skipWhitespace()
    }

    private mutating func skipComma() {
        skipWhitespace()
        guard reader.bytes[position] == UInt8(ascii: ",") else { return }
        position += 1
        skipWhitespace()
    }
}

/// A JSON number as the BSON type that holds it exactly.
enum BSONNumber: Equatable {
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case decimal128(Decimal128)

    /// - Parameter text: a number that `JSONReader` has passed: it fits a Decimal128.
    init(_ text: ArraySlice<UInt8>) {
        if text.allSatisfy({ $0 == UInt8(ascii: "-") || $0.isDigit }), !text.elementsEqual("-0".utf8),
            let integer = Int64(String(decoding: text, as: UTF8.self))
        {
            self = Int32(exactly: integer).map(BSONNumber.int32) ?? .int64(integer)
            return
        }
        let number = DecimalNumber(text)
        if let double = Double(String(decoding: text, as: UTF8.self)), double.isFinite,
            DecimalNumber(double.description.utf8) == number
        {
            self = .double(double)
            return
        }
        guard let decimal = Decimal128(text) else {
            preconditionFailure("JSONReader refuses numbers that a Decimal128 cannot hold")
        }
        self = .decimal128(decimal)
    }
}

extension UInt8 {
    fileprivate var isPartOfNumber: Bool {
        switch self {
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): true
        default: isDigit
        }
    }
}
