import Text

/// The parts of a raw request target: the path's segments, each percent-decoded once, and the query.
struct RequestTarget {
    let segments: [[UInt8]]
    private let query: ArraySlice<UInt8>

    init(_ target: [UInt8]) throws(Problem) {
        let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.count
        query = target[min(end + 1, target.count)...]
        guard target.first == UInt8(ascii: "/") else { throw .noRoute }
        segments = try target[1..<end].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map(Self.percentDecoded)
    }

    /// A parameter's value; nil where it is absent, 400 where it stands more than once.
    func parameter(_ name: String) throws(Problem) -> String? {
        var found: [UInt8]?
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let nameEnd = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard try Self.percentDecoded(pair[..<nameEnd]).elementsEqual(name.utf8) else { continue }
            guard found == nil else { throw Problem(400, "The parameter \(name) stands more than once.", field: name) }
            found = try Self.percentDecoded(pair[min(nameEnd + 1, pair.endIndex)...])
        }
        return found.map { String(decoding: $0, as: UTF8.self) }
    }

    /// A parameter that is a decimal integer within a range.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = try parameter(name) else { return nil }
        guard let value = Int(decimal: text), range.contains(value) else {
            throw Problem(
                400, "\(name) must be a decimal integer from \(range.lowerBound) to \(range.upperBound).", field: name)
        }
        return value
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        switch try parameter(name) {
        case nil, "false": false
        case "true": true
        default: throw Problem(400, "\(name) must be true or false.", field: name)
        }
    }

    private static func percentDecoded(_ text: ArraySlice<UInt8>) throws(Problem) -> [UInt8] {
        guard text.contains(UInt8(ascii: "%")) else { return Array(text) }
        var decoded: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == UInt8(ascii: "%") {
                guard index + 2 < text.endIndex, let high = text[index + 1].hexDigit, let low = text[index + 2].hexDigit
                else { throw Problem(400, "The request target has a percent sign without two hexadecimal digits.") }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(text[index])
                index += 1
            }
        }
        return decoded
    }
}
