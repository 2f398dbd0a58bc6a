import Foundation
import TestSupport
import Testing

@testable import Text

/// The reader against Foundation's, on inputs that are mutated at random from a fixed seed.
@Suite struct JSONReaderComparisonTests {
    private static let seeds = [
        #"{"role":"user","content":"hello","n":[1,-2.5,3e2,0.001],"t":true,"f":false,"z":null}"#,
        #"[{"a":"\u00e4\n\"\\"},{"b":["\ud83c\udf89","ä€🎉"]},[[]],{},"",0]"#,
        #"{"tool_calls":[{"id":"x","function":{"arguments":"{\"q\":1}"}}],"content":null}"#,
        #"  [ 1 , 2.25 , { "k" : "v" } , -0 , 1E5 ] "#,
    ]
    private static let dictionary = [
        "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "\\ud800", "\\udc00", "0", "-", "+", ".", "e", "1e9999",
        "true", "false", "null", " ", "\n", "\u{0}",
        "ä", "\"a\":1,", "[[[[[[[[", "12345678901234567890123456789012345678",
    ].map { Array($0.utf8) } + [[0xFF], [0xC0, 0x80], [0xEF, 0xBB, 0xBF], [0xED, 0xA0, 0x80]]

    /// What this project refuses though it may be JSON.
    private static let stricter: Set<JSONError.Reason> = [
        .tooDeep, .duplicateMember, .inexactNumber, .nulInName, .byteOrderMark,
    ]

    @Test func `what the reader takes Foundation takes, with equal values, and the other way round`() throws {
        var generator = SeededGenerator(20_240_115)
        var taken = 0
        for _ in 0..<40_000 {
            let input = Self.mutated(using: &generator)
            let ours = Self.ours(input)
            let theirs = try? JSONSerialization.jsonObject(with: Data(input), options: .fragmentsAllowed)
            switch ours {
            case .success(let value):
                taken += 1
                let expected = try #require(theirs as? NSObject, "Foundation refuses \(Self.shown(input))")
                // Foundation's strings lose a byte order mark at their beginning.
                if !input.contains(0xEF) { #expect(value.isEqual(expected), "\(Self.shown(input))") }
            case .failure(let error) where !Self.stricter.contains(error.reason):
                if theirs != nil { #expect(Self.isFoundationsOwn(input, error), "\(error) in \(Self.shown(input))") }
            case .failure: break
            }
        }
        #expect(taken > 2_000)
    }

    private static func mutated(using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(seeds.randomElement(using: &generator)!.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let position = Int.random(in: 0..<max(1, bytes.count), using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0 where !bytes.isEmpty: bytes[position] = UInt8.random(in: 0...255, using: &generator)
            case 1 where !bytes.isEmpty: bytes.remove(at: position)
            case 2: bytes.insert(contentsOf: dictionary.randomElement(using: &generator)!, at: position)
            case 3 where !bytes.isEmpty:
                let end = Int.random(in: position..<bytes.count, using: &generator)
                bytes.insert(contentsOf: bytes[position...end], at: position)
            case 4 where !bytes.isEmpty: bytes.removeLast(Int.random(in: 0..<min(8, bytes.count), using: &generator))
            default: break
            }
        }
        return bytes
    }

    private static func ours(_ input: [UInt8]) -> Result<NSObject, JSONError> {
        var reader = JSONReader(input)
        do throws(JSONError) {
            let value = try reader.readDocument()
            return .success(object(value, reader))
        } catch {
            return .failure(error)
        }
    }

    private static func object(_ value: JSONValue, _ reader: JSONReader) -> NSObject {
        let text = String(decoding: reader.bytes[value.range], as: UTF8.self)
        switch value.kind {
        case .null: return NSNull()
        case .boolean: return NSNumber(value: text == "true")
        case .number: return number(text)
        case .string: return NSString(string: String(decoding: reader.text(of: value), as: UTF8.self))
        case .array: return NSArray(array: reader.elements(of: value).map { object($0, reader) })
        case .object:
            let dictionary = NSMutableDictionary()
            for member in reader.members(of: value) {
                let name = NSString(string: String(decoding: reader.name(of: member), as: UTF8.self))
                dictionary[name] = object(member.value, reader)
            }
            return dictionary
        }
    }

    /// Foundation's own view of one number, since it is the place of numbers that is compared here.
    private static func number(_ text: String) -> NSObject {
        let parsed = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        return parsed as? NSNumber ?? NSNumber(value: Double(text) ?? .nan)
    }

    /// What Foundation takes though RFC 8259 does not: JSON in UTF-16 or UTF-32, which it detects by zero bytes,
    /// and a comma behind the last element.
    private static func isFoundationsOwn(_ input: [UInt8], _ error: JSONError) -> Bool {
        let isCommaBeforeEnd =
            error.reason == .unexpectedByte && [UInt8(ascii: "]"), UInt8(ascii: "}")].contains(input[error.offset])
        return input.contains(0) || isCommaBeforeEnd
    }

    private static func shown(_ input: [UInt8]) -> String {
        String(decoding: input, as: UTF8.self).debugDescription
    }
}
