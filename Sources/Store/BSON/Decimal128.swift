import CBSON
import Text

/// An IEEE 754 decimal128, as BSON has it. The conversions to and from text are libbson's.
struct Decimal128: Equatable {
    let low: UInt64
    let high: UInt64

    /// - Parameter offset: where 16 bytes of a BSON value start.
    init(bytes: [UInt8], at offset: Int) {
        low = UInt64(bitPattern: bytes.int64(at: offset))
        high = UInt64(bitPattern: bytes.int64(at: offset + 8))
    }

    /// Nil where the number cannot be held exactly.
    ///
    /// The number's own digits are kept where they fit, so that 100000000000000000000 does not become 1E+20.
    init?(_ text: some Collection<UInt8>) {
        let number = DecimalNumber(text)
        if let value = Self(parsing: Array(text)), DecimalNumber(value.text) == number {
            self = value
            return
        }
        var plain = ByteBuffer(capacity: 48)
        if number.isNegative { plain.append(UInt8(ascii: "-")) }
        for digit in number.coefficient { plain.append(UInt8(ascii: "0") + digit) }
        if number.coefficient.isEmpty { plain.append(UInt8(ascii: "0")) }
        plain.append("E")
        plain.append(decimal: number.exponent)
        guard let value = Self(parsing: plain.bytes), DecimalNumber(value.text) == number else { return nil }
        self = value
    }

    private init?(parsing text: [UInt8]) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        let parsed = (text + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                cbson_decimal128_from_text(text.baseAddress, &low, &high)
            }
        }
        guard parsed else { return nil }
        self.low = low
        self.high = high
    }

    /// The shortest form that says the value and its precision: "12.50", "1E+400", "NaN".
    var text: [UInt8] {
        var buffer = [CChar](repeating: 0, count: 64)
        cbson_decimal128_to_text(low, high, &buffer)
        return buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }
}
