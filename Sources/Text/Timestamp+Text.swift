import System

extension ByteBuffer {
    /// Writes an RFC 3339 date in UTC with milliseconds, `2024-01-15T10:00:00.000Z`.
    /// Dates outside the years 0000 to 9999, which RFC 3339 cannot say, are held to that range.
    package mutating func append(_ timestamp: Timestamp) {
        let clamped = min(max(timestamp.milliseconds, -62_167_219_200_000), 253_402_300_799_999)
        let (days, milliseconds) = clamped.flooredQuotient(by: 86_400_000)
        // Days since 0000-03-01 in eras of 400 years: Howard Hinnant's civil_from_days.
        let (era, dayOfEra) = (days + 719_468).flooredQuotient(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

        let start = count
        append("0000-00-00T00:00:00.000Z")
        write(year, inDigitsBefore: start + 4)
        write(month, inDigitsBefore: start + 7)
        write(day, inDigitsBefore: start + 10)
        write(milliseconds / 3_600_000, inDigitsBefore: start + 13)
        write(milliseconds / 60_000 % 60, inDigitsBefore: start + 16)
        write(milliseconds / 1000 % 60, inDigitsBefore: start + 19)
        write(milliseconds % 1000, inDigitsBefore: start + 23)
    }

    /// Overwrites zeros with a number that ends before `end`.
    private mutating func write(_ value: Int64, inDigitsBefore end: Int) {
        var (rest, index) = (UInt32(value), end)
        while rest > 0 {
            index -= 1
            bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }
}

extension Int64 {
    fileprivate func flooredQuotient(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
