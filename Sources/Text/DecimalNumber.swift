/// The value of a JSON number's text, coefficient × 10^exponent, with no zero at either end of the
/// coefficient: two texts name the same number exactly when these are equal.
package struct DecimalNumber: Equatable {
    package private(set) var isNegative = false
    package private(set) var coefficient: [UInt8] = []
    package private(set) var exponent = 0

    /// - Parameter text: a number by RFC 8259's grammar.
    package init(_ text: some Collection<UInt8>) {
        var fractionDigits = 0
        var inFraction = false
        var explicitExponent = 0
        var exponentIsNegative = false
        var inExponent = false
        for byte in text {
            switch byte {
            case UInt8(ascii: "-") where inExponent: exponentIsNegative = true
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): inFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"): inExponent = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let digit = byte - UInt8(ascii: "0")
                if inExponent {
                    // Held to a size that no number which fits comes near, so that it cannot overflow.
                    explicitExponent = min(explicitExponent * 10 + Int(digit), 1_000_000_000)
                } else {
                    if inFraction { fractionDigits += 1 }
                    if !coefficient.isEmpty || digit != 0 { coefficient.append(digit) }
                }
            default: break
            }
        }
        exponent = (exponentIsNegative ? -explicitExponent : explicitExponent) - fractionDigits
        while coefficient.last == 0 {
            coefficient.removeLast()
            exponent += 1
        }
        if coefficient.isEmpty { exponent = 0 }
    }

    /// Whether IEEE 754 decimal128, BSON's widest number, holds the value exactly.
    package var fitsDecimal128: Bool {
        coefficient.count <= 34 && exponent >= -6176 && exponent + coefficient.count <= 6145
    }
}
