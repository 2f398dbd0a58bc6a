import System

/// Writes one JSON object, member by member, with the commas and braces that belong between them. An object within it is
/// written by a closure, as `BSONWriter` does it.
package struct JSONWriter: Sendable {
    package private(set) var buffer: ByteBuffer
    fileprivate var isFirst = true

    fileprivate init(capacity: Int) { buffer = ByteBuffer(capacity: capacity) }

    /// The text of a whole object.
    package static func object(capacity: Int = 256, _ write: (inout JSONWriter) -> Void) -> ByteBuffer {
        var writer = JSONWriter(capacity: capacity)
        writer.nest(write)
        return writer.buffer
    }

    // MARK: Members

    package mutating func object(_ name: StaticString, _ write: (inout JSONWriter) -> Void) {
        begin(name)
        nest(write)
    }

    package mutating func array(_ name: StaticString, _ write: (inout JSONArrayWriter) -> Void) {
        begin(name)
        buffer.append(UInt8(ascii: "["))
        var array = JSONArrayWriter(taking: &self)
        write(&array)
        swap(&self, &array.writer)
        isFirst = false
        buffer.append(UInt8(ascii: "]"))
    }

    /// An array whose elements are JSON already, joined by commas.
    package mutating func array(_ name: StaticString, elements: some Collection<UInt8>) {
        begin(name)
        buffer.append(UInt8(ascii: "["))
        buffer.append(elements)
        buffer.append(UInt8(ascii: "]"))
    }

    package mutating func string(_ name: StaticString, _ value: StaticString) {
        string(name, UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    package mutating func string(_ name: StaticString, _ value: String) {
        begin(name)
        buffer.append(jsonString: value)
    }

    /// - Parameter value: UTF-8.
    package mutating func string(_ name: StaticString, _ value: some Collection<UInt8>) {
        begin(name)
        buffer.append(jsonString: value)
    }

    package mutating func integer(_ name: StaticString, _ value: some BinaryInteger) {
        begin(name)
        buffer.append(decimal: value)
    }

    package mutating func boolean(_ name: StaticString, _ value: Bool) {
        begin(name)
        buffer.append(value ? "true" : "false")
    }

    package mutating func date(_ name: StaticString, _ value: Timestamp) {
        begin(name)
        buffer.append(UInt8(ascii: "\""))
        buffer.append(value)
        buffer.append(UInt8(ascii: "\""))
    }

    package mutating func null(_ name: StaticString) {
        begin(name)
        buffer.append("null")
    }

    // MARK: Parts

    private mutating func begin(_ name: StaticString) {
        separate()
        buffer.append(UInt8(ascii: "\""))
        buffer.append(name)
        buffer.append("\":")
    }

    fileprivate mutating func separate() {
        if !isFirst { buffer.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    fileprivate mutating func nest(_ write: (inout JSONWriter) -> Void) {
        buffer.append(UInt8(ascii: "{"))
        isFirst = true
        write(&self)
        isFirst = false
        buffer.append(UInt8(ascii: "}"))
    }
}

/// Writes the elements of one array.
package struct JSONArrayWriter {
    fileprivate var writer = JSONWriter(capacity: 0)

    /// Takes the text out of `other`, so that it is not copied when both would hold it.
    fileprivate init(taking other: inout JSONWriter) {
        swap(&writer, &other)
        writer.isFirst = true
    }

    package mutating func object(_ write: (inout JSONWriter) -> Void) {
        writer.separate()
        writer.nest(write)
    }
}
