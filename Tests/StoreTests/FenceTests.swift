import Foundation
import Testing

/// Which parts of the sources know of which modules, as their import lines say.
@Suite struct FenceTests {
    /// A module that only the files below these folders import.
    struct Preserve: Sendable, CustomTestStringConvertible {
        let module: String
        let folders: [String]

        var testDescription: String { module }
    }

    static let preserves = [
        Preserve(module: "CLinux", folders: ["System/"]),
        Preserve(module: "CFCGI", folders: ["SessionFCGI/FastCGI/"]),
        Preserve(module: "CBSON", folders: ["Store/BSON/"]),
        Preserve(module: "CMongoC", folders: ["Store/Mongo/"]),
        Preserve(module: "CSQLite", folders: ["Store/SQLite/"]),
        Preserve(module: "Store", folders: ["SessionFCGI/"]),
        Preserve(module: "Logging", folders: ["SessionFCGI/", "Store/Mongo/"]),
        Preserve(module: "Foundation", folders: []),
        Preserve(module: "FoundationEssentials", folders: []),
    ]

    /// A folder below which no file imports these modules.
    struct Ban: Sendable, CustomTestStringConvertible {
        let folder: String
        let modules: Set<String>

        var testDescription: String { folder }
    }

    static let bans = [
        Ban(folder: "System/", modules: ["Text", "Store"]),
        Ban(folder: "SessionFCGI/HTTP/", modules: ["Store", "Glibc"]),
        Ban(folder: "SessionFCGI/FastCGI/", modules: ["Store"]),
        Ban(folder: "SessionFCGI/Logging/", modules: ["Store"]),
        Ban(folder: "Store/Model/", modules: ["Glibc"]),
        Ban(folder: "Store/Contract/", modules: ["Glibc"]),
        Ban(folder: "Store/GroupCommit", modules: ["Glibc"]),
        Ban(folder: "Store/Outage/", modules: ["Glibc"]),
    ]

    /// A folder below which no file imports any other modules than these.
    struct Allowance: Sendable, CustomTestStringConvertible {
        let folder: String
        let modules: Set<String>

        var testDescription: String { folder }
    }

    static let allowances = [
        Allowance(folder: "Text/", modules: ["System"]),
        Allowance(folder: "Store/BSON/", modules: ["CBSON", "System", "Text"]),
    ]

    @Test(arguments: preserves)
    func `a module is imported in its own folders only`(_ preserve: Preserve) {
        for file in Self.files where file.imports.contains(preserve.module) {
            #expect(preserve.folders.contains { file.path.hasPrefix($0) }, "\(file.path) imports \(preserve.module)")
        }
    }

    @Test(arguments: bans)
    func `a folder does not import what it is not to know`(_ ban: Ban) {
        for file in Self.files where file.path.hasPrefix(ban.folder) {
            let banned = file.imports.intersection(ban.modules)
            #expect(banned.isEmpty, "\(file.path) imports \(banned.sorted())")
        }
    }

    @Test(arguments: allowances)
    func `a folder imports nothing but what it may`(_ allowance: Allowance) {
        for file in Self.files where file.path.hasPrefix(allowance.folder) {
            let others = file.imports.subtracting(allowance.modules)
            #expect(others.isEmpty, "\(file.path) imports \(others.sorted())")
        }
    }

    @Test func `the fences stand around folders that there are`() {
        for folder in Self.bans.map(\.folder) + Self.allowances.map(\.folder) {
            #expect(Self.files.contains { $0.path.hasPrefix(folder) }, "there are no files in \(folder)")
        }
    }

    @Test(arguments: [
        ("import Store", "Store"), ("@testable import Store", "Store"), ("  public import Text // why", "Text"),
        ("@preconcurrency internal import System", "System"), ("import struct Foundation.Data", "Foundation"),
        ("@_spi(Tests) import Store", "Store"), ("// import Store", nil), ("let important = Store.self", nil),
    ])
    func `an import is known in whatever form`(line: String, module: String?) {
        #expect(Self.imports(of: line) == Set([module].compactMap(\.self)))
    }

    // MARK: The sources

    private struct File {
        /// From Sources/ on.
        let path: String
        let imports: Set<String>
    }

    private static let files: [File] = {
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Sources")
        let paths = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        return paths.filter { $0.hasSuffix(".swift") }.map { path in
            let text = try? String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8)
            return File(path: path, imports: imports(of: text ?? ""))
        }
    }()

    private static func imports(of text: String) -> Set<String> {
        let form = /\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:\w+\s+)?import\s+(?:\w+\s+)?(\w+).*/
        return Set(text.split(separator: "\n").compactMap { $0.wholeMatch(of: form).map { String($0.output.1) } })
    }
}
