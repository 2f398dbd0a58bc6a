/// A growing buffer of bytes: the one type in which answers, JSON and BSON are put together. (Public, since only what is
/// public is inlined into other modules, and every byte of every answer passes through here.)
public struct ByteBuffer: Sendable, Equatable {
    public var bytes: [UInt8]

    @inlinable
    public init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable public var count: Int { bytes.count }

    @inlinable public mutating func append(_ byte: UInt8) { bytes.append(byte) }

    @inlinable public mutating func append(_ other: some Collection<UInt8>) { bytes.append(contentsOf: other) }

    @inlinable
    public mutating func append(_ text: StaticString) { text.withUTF8Buffer { bytes.append(contentsOf: $0) } }

    @inlinable
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    @inlinable public mutating func append(decimal value: some BinaryInteger) { append(digitsOf: Int64(value)) }

    @usableFromInline
    mutating func append(digitsOf value: Int64) {
        if (0...9).contains(value) { return append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) }
        append(String(value))
    }

    /// Little-endian, as BSON has its integers.
    @inlinable
    public mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
        Swift.withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Overwrites four bytes that were appended before, for a length that is known only afterwards.
    public mutating func replace(at offset: Int, withLittleEndian value: Int32) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Int32(8 * index)) }
    }

    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}
