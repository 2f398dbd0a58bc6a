/// The bytes are not BSON, or end too early.
struct BSONError: Error, Equatable {}

/// An element's type, and where its name and its value stand in the bytes that it was read from.
struct BSONElement {
    let type: BSONType
    let name: Range<Int>
    let value: Range<Int>
}

/// Walks the elements of one document or array and checks every length against the bytes that there are.
struct BSONReader {
    let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// - Parameter range: where a document stands, with its length and its end.
    init(_ bytes: [UInt8], in range: Range<Int>) throws(BSONError) {
        guard range.count >= 5, range.upperBound <= bytes.count,
            Int(bytes.int32(at: range.lowerBound)) == range.count, bytes[range.upperBound - 1] == 0
        else { throw BSONError() }
        self.bytes = bytes
        position = range.lowerBound + 4
        end = range.upperBound - 1
    }

    mutating func next() throws(BSONError) -> BSONElement? {
        guard position < end else { return nil }
        guard let type = BSONType(rawValue: bytes[position]) else { throw BSONError() }
        let nameStart = position + 1
        let nameEnd = try endOfCString(from: nameStart)
        let value = nameEnd + 1..<nameEnd + 1 + (try lengthOfValue(type, at: nameEnd + 1))
        guard value.upperBound <= end else { throw BSONError() }
        position = value.upperBound
        return BSONElement(type: type, name: nameStart..<nameEnd, value: value)
    }

    private func lengthOfValue(_ type: BSONType, at start: Int) throws(BSONError) -> Int {
        switch type {
        case .undefined, .null, .minKey, .maxKey: return 0
        case .boolean: return 1
        case .int32: return 4
        case .double, .date, .timestamp, .int64: return 8
        case .objectID: return 12
        case .decimal128: return 16
        case .string, .javaScript, .symbol: return 4 + (try length(at: start, atLeast: 1))
        case .document, .array, .javaScriptWithScope: return try length(at: start, atLeast: 5)
        case .binary: return 5 + (try length(at: start, atLeast: 0))
        case .databasePointer: return 4 + (try length(at: start, atLeast: 1)) + 12
        case .regularExpression:
            let pattern = try endOfCString(from: start)
            return try endOfCString(from: pattern + 1) + 1 - start
        }
    }

    private func length(at start: Int, atLeast least: Int) throws(BSONError) -> Int {
        guard start + 4 <= end else { throw BSONError() }
        let length = Int(bytes.int32(at: start))
        guard length >= least, length <= end - start else { throw BSONError() }
        return length
    }

    private func endOfCString(from start: Int) throws(BSONError) -> Int {
        var index = start
        while index < end, bytes[index] != 0 { index += 1 }
        guard index < end else { throw BSONError() }
        return index
    }
}

/// A document within a reply, with its elements found by name.
struct BSONDocument {
    let bytes: [UInt8]
    let range: Range<Int>

    init(_ bytes: [UInt8]) {
        self.init(bytes: bytes, range: 0..<bytes.count)
    }

    init(bytes: [UInt8], range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }

    /// Calls `visit` with each element, in their order.
    func forEach(_ visit: (BSONElement) throws(BSONError) -> Void) throws(BSONError) {
        var reader = try BSONReader(bytes, in: range)
        while let element = try reader.next() { try visit(element) }
    }

    /// The first element of that name; nil where there is none, or where the document is broken before it.
    subscript(_ name: StaticString) -> BSONElement? {
        guard var reader = try? BSONReader(bytes, in: range) else { return nil }
        while let element = try? reader.next() {
            if matches(element, name) { return element }
        }
        return nil
    }

    func matches(_ element: BSONElement, _ name: StaticString) -> Bool {
        guard element.name.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { $0.elementsEqual(bytes[element.name]) }
    }

    func document(_ name: StaticString) -> BSONDocument? {
        self[name].flatMap(document(of:))
    }

    func document(of element: BSONElement) -> BSONDocument? {
        guard element.type == .document || element.type == .array else { return nil }
        return BSONDocument(bytes: bytes, range: element.value)
    }

    /// The documents that an array has; its other elements are passed over.
    func documents(_ name: StaticString) -> [BSONDocument] {
        guard let array = self[name], array.type == .array else { return [] }
        var documents: [BSONDocument] = []
        // A reply that breaks off has been refused before this is asked.
        try? BSONDocument(bytes: bytes, range: array.value).forEach { element throws(BSONError) in
            if element.type == .document {
                documents.append(BSONDocument(bytes: bytes, range: element.value))
            }
        }
        return documents
    }

    func string(_ name: StaticString) -> ArraySlice<UInt8>? {
        self[name].flatMap(string(of:))
    }

    func string(of element: BSONElement) -> ArraySlice<UInt8>? {
        guard element.type == .string else { return nil }
        return bytes[element.value.lowerBound + 4..<element.value.upperBound - 1]
    }

    func date(_ name: StaticString) -> Timestamp? {
        self[name].flatMap(date(of:))
    }

    func date(of element: BSONElement) -> Timestamp? {
        guard element.type == .date else { return nil }
        return Timestamp(milliseconds: bytes.int64(at: element.value.lowerBound))
    }

    func boolean(_ name: StaticString) -> Bool? {
        guard let element = self[name], element.type == .boolean else { return nil }
        return bytes[element.value.lowerBound] != 0
    }

    /// A number of any type that has an integer's value.
    func integer(_ name: StaticString) -> Int64? {
        self[name].flatMap(integer(of:))
    }

    func integer(of element: BSONElement) -> Int64? {
        switch element.type {
        case .int32: Int64(bytes.int32(at: element.value.lowerBound))
        case .int64: bytes.int64(at: element.value.lowerBound)
        case .double:
            Int64(exactly: Double(bitPattern: UInt64(bitPattern: bytes.int64(at: element.value.lowerBound))))
        default: nil
        }
    }

    /// How many elements an array has.
    func count(_ name: StaticString) -> Int? {
        guard let array = self[name], array.type == .array else { return nil }
        var count = 0
        try? BSONDocument(bytes: bytes, range: array.value).forEach { _ throws(BSONError) in count += 1 }
        return count
    }
}

extension [UInt8] {
    func int32(at offset: Int) -> Int32 {
        var value: UInt32 = 0
        for index in 0..<4 { value |= UInt32(self[offset + index]) << UInt32(8 * index) }
        return Int32(bitPattern: value)
    }

    func int64(at offset: Int) -> Int64 {
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(self[offset + index]) << UInt64(8 * index) }
        return Int64(bitPattern: value)
    }
}
