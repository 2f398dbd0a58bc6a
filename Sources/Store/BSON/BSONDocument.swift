import System

/// A document within a reply, with its elements found by name.
struct BSONDocument {
    let bytes: [UInt8]
    let range: Range<Int>

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

    func document(_ name: StaticString) -> BSONDocument? { self[name].flatMap(document(of:)) }

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

    var firstBatch: [BSONDocument] { document("cursor")?.documents("firstBatch") ?? [] }

    func string(_ name: StaticString) -> ArraySlice<UInt8>? { self[name].flatMap(string(of:)) }

    func string(of element: BSONElement) -> ArraySlice<UInt8>? {
        guard element.type == .string else { return nil }
        return bytes[element.value.lowerBound + 4..<element.value.upperBound - 1]
    }

    func date(_ name: StaticString) -> Timestamp? { self[name].flatMap(date(of:)) }

    func date(of element: BSONElement) -> Timestamp? {
        guard element.type == .date else { return nil }
        return Timestamp(milliseconds: bytes.int64(at: element.value.lowerBound))
    }

    func boolean(_ name: StaticString) -> Bool? {
        guard let element = self[name], element.type == .boolean else { return nil }
        return bytes[element.value.lowerBound] != 0
    }

    /// A number of any type that has an integer's value.
    func integer(_ name: StaticString) -> Int64? { self[name].flatMap(integer(of:)) }

    func integer(of element: BSONElement) -> Int64? {
        switch element.type {
        case .int32: Int64(bytes.int32(at: element.value.lowerBound))
        case .int64: bytes.int64(at: element.value.lowerBound)
        case .double:
            Int64(exactly: Double(bitPattern: UInt64(bitPattern: bytes.int64(at: element.value.lowerBound))))
        default: nil
        }
    }

    /// A number that counts something; 0 where there is none.
    func count(of name: StaticString) -> Int { integer(name).flatMap { Int(exactly: $0) } ?? 0 }

    /// How many elements an array has.
    func elementCount(_ name: StaticString) -> Int? {
        guard let array = self[name], array.type == .array else { return nil }
        var count = 0
        try? BSONDocument(bytes: bytes, range: array.value).forEach { _ throws(BSONError) in count += 1 }
        return count
    }
}

extension BSONDocument {
    /// The document that bytes are from their first to their last.
    init(_ bytes: [UInt8]) { self.init(bytes: bytes, range: 0..<bytes.count) }
}
