import System

/// Writes one JSON object, member by member, with the commas and braces that belong between them. An object within it is
/// written by a closure, as `BSONWriter` does it.
package struct JSONWriter: Sendable {
    package private(set) var buffer: ByteBuffer
    private var isFirst = true

    /// The text of a whole object.
    package static func object(capacity: Int = 256, _ write: (inout JSONWriter) -> Void) -> ByteBuffer {
        var writer = JSONWriter(buffer: ByteBuffer(capacity: capacity))
        writer.nest(write)
        return writer.buffer
    }

    // MARK: Members

    package mutating func object(_ name: StaticString, _ write: (inout JSONWriter) -> Void) {
        begin(name)
        nest(write)
    }

    /// An array of objects, one of each value.
    package mutating func array<Value>(
        _ name: StaticString, of values: [Value], _ write: (inout JSONWriter, Value) -> Void
    ) {
        begin(name)
        buffer.append(UInt8(ascii: "["))
        isFirst = true
        for value in values {
            separate()
            nest { write(&$0, value) }
        }
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

    private mutating func separate() {
        if !isFirst { buffer.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    private mutating func nest(_ write: (inout JSONWriter) -> Void) {
        buffer.append(UInt8(ascii: "{"))
        isFirst = true
        write(&self)
        isFirst = false
        buffer.append(UInt8(ascii: "}"))
    }
}
