import Store
import System
import TestSupport
import Testing
import Text

/// The ways of keeping sessions to which the contract applies, each as the routes have it.
enum ServiceUnderTest: String, CaseIterable, Sendable {
    case memory, mongo
    /// MongoDB with memory as its standby.
    case outage
    /// The same, where MongoDB cannot be reached and memory answers for it.
    case outageWithoutPrimary

    /// For rules that hold always.
    static let all = allCases
    /// For rules of which a part can be decided only where all that there is of a session can be seen.
    static let whole: [ServiceUnderTest] = [.memory, .mongo, .outage]
    /// For what is true instead where it cannot.
    static let partial: [ServiceUnderTest] = [.outageWithoutPrimary]

    var isPartial: Bool { Self.partial.contains(self) }

    /// The kind of store that its answers are from.
    var source: StoreKind { [.memory, .outageWithoutPrimary].contains(self) ? .memory : .mongodb }

    func make(_ limits: StoreLimits = StoreLimits()) throws -> ServiceFixture {
        switch self {
        case .memory:
            let clock = ManualClock()
            return ServiceFixture(
                MemoryStore(limits: limits, maxBytes: Self.maxBytes, clock: clock),
                letTimePass: { clock.advance(seconds: $0) })
        case .mongo:
            let database = try MongoDatabase()
            let store = try database.store(limits)
            try store.start()
            return ServiceFixture(
                store, letTimePass: { try database.letTimePass($0) }, alignDates: { try database.alignDates() },
                tearDown: { store.close() })
        case .outage:
            let database = try MongoDatabase()
            let primary = try database.store(limits)
            try primary.start()
            let standby = MemoryStandby(limits: limits, maxBytes: Self.maxBytes)
            let service = OutageStore(primary: primary, standby: standby) { _ in }
            try service.start()
            try waitUntil("the primary is reachable") { service.status.primary == .reachable }
            return ServiceFixture(
                service, letTimePass: { try database.letTimePass($0) }, alignDates: { try database.alignDates() },
                tearDown: {
                    _ = service.close(within: .zero) {}
                    primary.close()
                })
        case .outageWithoutPrimary:
            let clock = ManualClock()
            let service = OutageStore(
                primary: FaultyRemote(.unreachable, limits: limits, clock: clock),
                standby: MemoryStandby(limits: limits, maxBytes: Self.maxBytes, clock: clock)
            ) { _ in }
            try service.start()
            return ServiceFixture(
                service, letTimePass: { clock.advance(seconds: $0) }, tearDown: { _ = service.close(within: .zero) {} })
        }
    }

    private static let maxBytes = 256 << 20
}

/// A service, and the levers that a test of any needs.
final class ServiceFixture {
    let service: any SessionService
    let letTimePass: (_ seconds: Int) throws -> Void
    /// Gives every session the same `updated_at`.
    let alignDates: () throws -> Void
    private let tearDown: () -> Void

    init(
        _ service: any SessionService, letTimePass: @escaping (Int) throws -> Void,
        alignDates: @escaping () throws -> Void = {}, tearDown: @escaping () -> Void = {}
    ) {
        self.service = service
        self.letTimePass = letTimePass
        self.alignDates = alignDates
        self.tearDown = tearDown
    }

    deinit { tearDown() }

    @discardableResult
    func append(_ texts: String..., to id: String, key: IdempotencyKey? = nil) throws -> Outcome {
        try service.append(texts.map { .user($0) }, to: SessionID(id)!, key: key).value
    }

    /// A session that must be there.
    func session(_ id: String, last: Int? = nil) throws -> Session {
        try #require(try service.answer(toReading: SessionID(id)!, last: last).value)
    }

    /// The contents of a session's messages; nil where there is no session.
    func contents(_ id: String, last: Int? = nil) throws -> [String]? {
        try service.answer(toReading: SessionID(id)!, last: last).value.map { $0.contents }
    }
}

extension MongoDatabase {
    /// The server's clock cannot be set; what it has written can be moved into the past.
    fileprivate func letTimePass(_ seconds: Int) throws {
        try update(
            nil,
            """
            [{"$set": {"updated_at": {"$subtract": ["$updated_at", \(seconds * 1000)]},
                       "created_at": {"$subtract": ["$created_at", \(seconds * 1000)]}}}]
            """)
    }

    fileprivate func alignDates() throws {
        try update(nil, #"[{"$set": {"updated_at": "$$NOW"}}]"#)
    }
}

/// Expects that a body throws `.unavailable`, whose reason is fit for the log.
func expectUnavailable(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
    do {
        try body()
        Issue.record("it was available", sourceLocation: sourceLocation)
    } catch StoreError.unavailable(let reason) {
        #expect(!reason.contains("secret"), sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

extension Message {
    static func user(_ content: String) -> Message { Message(role: "user", content: content) }

    /// A message from its JSON.
    static func json(_ text: String) throws -> Message {
        var reader = JSONReader(Array(text.utf8))
        let value = try reader.readDocument()
        return Message(value, from: reader)
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
