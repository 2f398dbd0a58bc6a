import Testing

@testable import Text

@Suite struct DecimalNumberTests {
    @Test(arguments: [
        ("1", "1.0"), ("10", "1e1"), ("100e-2", "1"), ("0", "0e99"), ("0.00", "0"), ("1.50", "15E-1"),
        ("-2.5e+3", "-2500"), ("123456789012345678901234567890.10", "1234567890123456789012345678901e-1"),
    ])
    func `texts of one number are equal`(left: String, right: String) {
        #expect(DecimalNumber(left.utf8) == DecimalNumber(right.utf8))
    }

    @Test(arguments: [("1", "-1"), ("1", "1.0000000000000000000000000001"), ("1e1", "1e2"), ("0", "-0")])
    func `texts of different numbers are not`(left: String, right: String) {
        #expect(DecimalNumber(left.utf8) != DecimalNumber(right.utf8))
    }

    @Test(arguments: [
        "0", "1e6144", "9e6144", "1e-6176", "0e999999999", "9999999999999999999999999999999999e6111",
        "1234567890123456789012345678901234", "12345678901234567890123456789012340000", "1.0000e6144",
    ])
    func `what decimal128 holds exactly fits`(text: String) {
        #expect(DecimalNumber(text.utf8).fitsDecimal128)
    }

    @Test(arguments: [
        "1e6145", "1e9999", "1e-6177", "12345678901234567890123456789012345", "1.00000000000000000000000000000000001",
        "1e99999999999999999999", "1e-99999999999999999999", "99999999999999999999999999999999999e6110",
    ])
    func `what it does not hold does not`(text: String) {
        #expect(!DecimalNumber(text.utf8).fitsDecimal128)
    }
}
