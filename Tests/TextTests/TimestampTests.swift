import Foundation
import System
import TestSupport
import Testing

@testable import Text

@Suite struct TimestampTests {
    private func text(_ milliseconds: Int64) -> String {
        var buffer = ByteBuffer()
        buffer.append(Timestamp(milliseconds: milliseconds))
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (1_705_312_800_000, "2024-01-15T10:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
    ] as [(Int64, String)])
    func `a date is RFC 3339 in UTC with milliseconds`(milliseconds: Int64, expected: String) {
        #expect(text(milliseconds) == expected)
    }

    @Test func `dates that RFC 3339 cannot say are held to its range`() {
        #expect(text(.max) == "9999-12-31T23:59:59.999Z")
        #expect(text(.min) == "0000-01-01T00:00:00.000Z")
    }

    @Test func `dates of a thousand years agree with Foundation's`() {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
        var generator = SeededGenerator(11)
        for _ in 0..<2000 {
            // From 1700 on, where the Gregorian calendar is Foundation's too.
            let seconds = Int64.random(in: -8_520_336_000...32_503_680_000, using: &generator)
            let expected = formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
            #expect(text(seconds * 1000) == expected)
        }
    }

    @Test func `seconds are added in milliseconds`() {
        #expect(Timestamp(milliseconds: 5).advanced(bySeconds: 2) == Timestamp(milliseconds: 2005))
        #expect(Timestamp(milliseconds: 5).advanced(bySeconds: -1) < Timestamp(milliseconds: 5))
    }

    @Test func `the system's clock gives milliseconds`() {
        let foundation = Int64(Date().timeIntervalSince1970 * 1000)
        #expect(abs(SystemClock().now.milliseconds - foundation) < 60_000)
    }
}
