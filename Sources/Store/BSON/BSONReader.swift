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
