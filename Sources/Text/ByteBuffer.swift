/// A growing buffer of bytes: the one type in which answers, JSON and BSON are put together.
package struct ByteBuffer: Sendable, Equatable {
    package var bytes: [UInt8]

    @inlinable
    package init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable package var count: Int { bytes.count }

    @inlinable
    package mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    @inlinable
    package mutating func append(_ other: some Collection<UInt8>) {
        bytes.append(contentsOf: other)
    }

    @inlinable
    package mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    @inlinable
    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    package mutating func append(decimal value: some BinaryInteger) {
        if let digit = UInt8(exactly: value), digit < 10 {
            append(UInt8(ascii: "0") + digit)
        } else {
            append(String(value))
        }
    }

    /// Little-endian, as BSON has its integers.
    @inlinable
    package mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Overwrites four bytes that were appended before, for a length that is known only afterwards.
    package mutating func replace(at offset: Int, withLittleEndian value: Int32) {
        for index in 0..<4 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Int32(8 * index))
        }
    }

    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }
}
