import Foundation
import TestSupport
import Testing

@testable import System

@Suite struct SharedNumbersTests {
    private let file = TemporaryFile()

    @Test func `new numbers are zero, and all who share them see the same`() throws {
        let one = try SharedNumbers(file.path, count: 3)
        let other = try SharedNumbers(file.path, count: 3)
        #expect((0..<3).allSatisfy { one[$0] == 0 && other[$0] == 0 })
        one[0] = .max
        other[2] = .min
        for numbers in [one, other] {
            #expect(numbers[0] == .max && numbers[1] == 0 && numbers[2] == .min)
        }
    }

    @Test func `numbers outlive those who share them, also where there are more of them later`() throws {
        try SharedNumbers(file.path, count: 2)[1] = -5
        let numbers = try SharedNumbers(file.path, count: 600)
        #expect(numbers[0] == 0 && numbers[1] == -5 && numbers[599] == 0)
    }

    @Test func `no number is ever seen half written`() throws {
        let path = file.path
        let values = [0, -1]
        let seen = try onThreads(4) { thread in
            let numbers = try SharedNumbers(path, count: 1)
            return (0..<20_000).allSatisfy { turn in
                if thread < 2 { numbers[0] = values[turn % 2] }
                return values.contains(numbers[0])
            }
        }
        #expect(!seen.contains(false))
    }

    @Test func `the file is its owner's alone, and is made only where there is a folder`() throws {
        let path = file.path + ".numbers"
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try SharedNumbers(path, count: 1)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let error = #expect(throws: SystemCallError.self) { try SharedNumbers(path + "/missing", count: 1) }
        #expect(error?.code == ENOTDIR)
    }
}
