import Foundation
import Synchronization
import System
import TestSupport
import Text

@testable import Store

/// The ways of keeping sessions to which the contract applies.
enum StoreUnderTest: String, CaseIterable, Sendable {
    case memory, mongo

    func make(_ limits: StoreLimits = StoreLimits()) throws -> StoreFixture {
        switch self {
        case .memory:
            let clock = ManualClock()
            let store = MemoryStore(
                limits: limits, maxBytes: 256 << 20, whenFull: .evictLeastRecentlyUpdated, clock: clock)
            return StoreFixture(
                store: store, letTimePass: { clock.advance(seconds: $0) }, alignDates: {}, tearDown: {})
        case .mongo:
            let database = try MongoDatabase()
            let store = try database.store(limits)
            store.start()
            return StoreFixture(
                store: store,
                letTimePass: { seconds in
                    // The server's clock cannot be set; what it has written can be moved into the past.
                    try database.update(
                        nil,
                        """
                        [{"$set": {"updated_at": {"$subtract": ["$updated_at", \(seconds * 1000)]},
                                   "created_at": {"$subtract": ["$created_at", \(seconds * 1000)]}}}]
                        """)
                },
                alignDates: { try database.update(nil, #"[{"$set": {"updated_at": "$$NOW"}}]"#) },
                tearDown: { store.close() })
        }
    }
}

/// A store, and the levers that a test of any store needs.
final class StoreFixture {
    let store: any SessionStore
    let letTimePass: (_ seconds: Int) throws -> Void
    /// Gives every session the same `updated_at`.
    let alignDates: () throws -> Void
    private let tearDown: () -> Void

    init(
        store: any SessionStore, letTimePass: @escaping (Int) throws -> Void, alignDates: @escaping () throws -> Void,
        tearDown: @escaping () -> Void
    ) {
        self.store = store
        self.letTimePass = letTimePass
        self.alignDates = alignDates
        self.tearDown = tearDown
    }

    deinit { tearDown() }

    @discardableResult
    func append(_ texts: String..., to id: String, key: IdempotencyKey? = nil) throws -> AppendResult {
        try store.append(texts.map { .user($0) }, to: SessionID(id)!, key: key).value
    }

    /// The contents of a session's messages; nil where there is no session.
    func contents(_ id: String, last: Int? = nil) throws -> [String]? {
        try store.read(SessionID(id)!, last: last).value.map { $0.contents }
    }
}

extension Message {
    static func user(_ content: String) -> Message { Message(role: "user", content: content) }

    /// A message from its JSON.
    static func json(_ text: String) throws -> Message {
        var reader = JSONReader(Array(text.utf8))
        let value = try reader.readDocument()
        return try Message(value, from: reader)
    }
}

extension Session {
    /// The messages as JSON, each by itself.
    var messageTexts: [String] {
        var texts: [String] = []
        var depth = 0
        var start = 0
        var (isInString, isEscaped) = (false, false)
        for (index, byte) in (messages + [UInt8(ascii: ",")]).enumerated() {
            if isInString {
                if !isEscaped, byte == UInt8(ascii: "\"") { isInString = false }
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0 && index > start:
                texts.append(String(decoding: messages[start..<index], as: UTF8.self))
                start = index + 1
            default: break
            }
        }
        return texts
    }

    var contents: [String] {
        messageTexts.map { text in
            var reader = JSONReader(Array(text.utf8))
            guard let value = try? reader.readDocument(), value.kind == .object,
                let content = reader.members(of: value).first(where: {
                    reader.name(of: $0).elementsEqual("content".utf8)
                })
            else { return text }
            return String(decoding: reader.text(of: content.value), as: UTF8.self)
        }
    }
}

/// Runs a body on threads of their own, all at once, and gives back what each made of it.
func onThreads<Result: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Result) throws -> [Result] {
    let results = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: count))
    let gate = DispatchSemaphore(value: 0)
    let done = DispatchGroup()
    for index in 0..<count {
        done.enter()
        let thread = Thread {
            gate.wait()
            let result = Swift.Result { try body(index) }
            results.withLock { $0[index] = result }
            done.leave()
        }
        thread.start()
    }
    for _ in 0..<count { gate.signal() }
    done.wait()
    return try results.withLock { try $0.map { try $0!.get() } }
}
