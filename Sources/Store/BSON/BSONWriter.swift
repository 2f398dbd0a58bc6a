import System
import Text

/// Writes one BSON document, element by element. A document within it is written by a closure between its
/// length, which is filled in afterwards, and its end.
struct BSONWriter: Sendable {
    var buffer: ByteBuffer

    init(capacity: Int) { buffer = ByteBuffer(capacity: capacity) }

    /// The bytes of a whole document.
    static func document(capacity: Int = 256, _ write: (inout BSONWriter) -> Void) -> [UInt8] {
        var writer = BSONWriter(capacity: capacity)
        writer.nest(write)
        return writer.buffer.bytes
    }

    // MARK: Elements

    mutating func document(_ name: StaticString, _ write: (inout BSONWriter) -> Void) {
        begin(.document, name)
        nest(write)
    }

    mutating func array(_ name: StaticString, _ write: (inout BSONArrayWriter) -> Void) {
        begin(.array, name)
        nest { $0.withArray(write) }
    }

    mutating func string(_ name: StaticString, _ value: StaticString) {
        begin(.string, name)
        append(stringBody: value)
    }

    mutating func string(_ name: StaticString, _ value: some Collection<UInt8>) {
        begin(.string, name)
        append(stringBody: value)
    }

    mutating func int32(_ name: StaticString, _ value: Int32) {
        begin(.int32, name)
        buffer.append(littleEndian: value)
    }

    mutating func int64(_ name: StaticString, _ value: Int64) {
        begin(.int64, name)
        buffer.append(littleEndian: value)
    }

    mutating func boolean(_ name: StaticString, _ value: Bool) {
        begin(.boolean, name)
        buffer.append(value ? 1 : 0)
    }

    mutating func date(_ name: StaticString, _ value: Timestamp) {
        begin(.date, name)
        buffer.append(littleEndian: value.milliseconds)
    }

    /// A value that is BSON already: the bytes of a document or an array, or of whatever `type` says.
    mutating func raw(_ name: StaticString, _ type: BSONType, _ value: some Collection<UInt8>) {
        begin(type, name)
        buffer.append(value)
    }

    /// The elements of a document that was written before.
    mutating func elements(of document: [UInt8]) { buffer.append(document[4..<document.count - 1]) }

    // MARK: Parts of elements

    mutating func begin(_ type: BSONType, _ name: StaticString) {
        buffer.append(type.rawValue)
        buffer.append(name)
        buffer.append(0)
    }

    mutating func begin(_ type: BSONType, name: some Collection<UInt8>) {
        buffer.append(type.rawValue)
        buffer.append(name)
        buffer.append(0)
    }

    /// An array's elements are named by their decimal index.
    mutating func begin(_ type: BSONType, index: Int) {
        buffer.append(type.rawValue)
        buffer.append(decimal: index)
        buffer.append(0)
    }

    mutating func append(stringBody value: some Collection<UInt8>) {
        buffer.append(littleEndian: Int32(value.count + 1))
        buffer.append(value)
        buffer.append(0)
    }

    mutating func append(stringBody value: StaticString) {
        append(stringBody: UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    mutating func nest(_ write: (inout BSONWriter) -> Void) {
        let start = beginNesting()
        write(&self)
        endNesting(from: start)
    }

    /// For nesting that a closure does not fit: returns what `endNesting(from:)` wants to know.
    mutating func beginNesting() -> Int {
        let start = buffer.count
        buffer.append(littleEndian: Int32(0))
        return start
    }

    mutating func endNesting(from start: Int) {
        buffer.append(0)
        // No document that is larger than Int32 says gets this far: request bodies are bounded far below.
        buffer.replace(at: start, withLittleEndian: Int32(buffer.count - start))
    }

    fileprivate mutating func withArray(_ write: (inout BSONArrayWriter) -> Void) {
        var array = BSONArrayWriter(taking: &self)
        write(&array)
        swap(&self, &array.writer)
    }
}

/// Writes the elements of one array, numbering them.
struct BSONArrayWriter {
    fileprivate var writer = BSONWriter(capacity: 0)
    private var count = 0

    /// Takes the bytes out of `other`, so that they are not copied when both would hold them.
    fileprivate init(taking other: inout BSONWriter) { swap(&writer, &other) }

    mutating func document(_ write: (inout BSONWriter) -> Void) {
        begin(.document)
        writer.nest(write)
    }

    mutating func array(_ write: (inout BSONArrayWriter) -> Void) {
        begin(.array)
        writer.nest { $0.withArray(write) }
    }

    mutating func string(_ value: StaticString) {
        begin(.string)
        writer.append(stringBody: value)
    }

    mutating func string(_ value: some Collection<UInt8>) {
        begin(.string)
        writer.append(stringBody: value)
    }

    mutating func int32(_ value: Int32) {
        begin(.int32)
        writer.buffer.append(littleEndian: value)
    }

    mutating func int64(_ value: Int64) {
        begin(.int64)
        writer.buffer.append(littleEndian: value)
    }

    mutating func date(_ value: Timestamp) {
        begin(.date)
        writer.buffer.append(littleEndian: value.milliseconds)
    }

    mutating func raw(_ type: BSONType, _ value: some Collection<UInt8>) {
        begin(type)
        writer.buffer.append(value)
    }

    private mutating func begin(_ type: BSONType) {
        writer.begin(type, index: count)
        count += 1
    }
}
