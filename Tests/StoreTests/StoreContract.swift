import System
import TestSupport
import Testing

@testable import Store

/// The ways of keeping sessions to which the contract applies, each as the routes have it.
enum ServiceUnderTest: String, CaseIterable, Sendable {
    case memory, sqlite, mongo
    /// MongoDB with memory as its standby, or with a file.
    case outage, outageOnDisk
    /// The same, where MongoDB cannot be reached and the standby answers for it.
    case outageWithoutPrimary, outageOnDiskWithoutPrimary

    /// For rules that hold always.
    static let all = allCases
    /// For rules of which a part can be decided only where all that there is of a session can be seen.
    static let whole: [ServiceUnderTest] = [.memory, .sqlite, .mongo, .outage, .outageOnDisk]
    /// For what is true instead where it cannot.
    static let partial: [ServiceUnderTest] = [.outageWithoutPrimary, .outageOnDiskWithoutPrimary]

    var isPartial: Bool { Self.partial.contains(self) }

    /// The kind of store that its answers are from.
    var source: StoreKind {
        switch self {
        case .memory, .outageWithoutPrimary: .memory
        case .sqlite, .outageOnDiskWithoutPrimary: .sqlite
        case .mongo, .outage, .outageOnDisk: .mongodb
        }
    }

    func make(_ limits: StoreLimits = StoreLimits()) throws -> ServiceFixture {
        switch self {
        case .memory:
            let clock = ManualClock()
            return ServiceFixture(
                MemoryStore(limits: limits, maxBytes: Self.maxBytes, clock: clock),
                letTimePass: { clock.advance(seconds: $0) })
        case .sqlite:
            let (clock, folder) = (ManualClock(), try StateFolder())
            let store = try SQLiteStore(in: try folder.directory(), limits: limits, clock: clock)
            try store.start()
            return ServiceFixture(
                store, letTimePass: { clock.advance(seconds: $0) },
                tearDown: { withExtendedLifetime(folder) { store.close() } })
        case .mongo:
            let database = try MongoDatabase()
            let store = try database.store(limits)
            try store.start()
            return ServiceFixture(
                store, letTimePass: { try database.letTimePass($0) }, alignDates: { try database.alignDates() },
                tearDown: { store.close() })
        case .outage: return try Self.outage(MemoryStandby(limits: limits, maxBytes: Self.maxBytes), limits)
        case .outageOnDisk:
            let folder = try StateFolder()
            let standby = try SQLiteStandby(
                in: try folder.directory(), target: "primary", limits: limits, maxBytes: Self.maxBytes)
            return try Self.outage(standby, in: folder, limits)
        case .outageWithoutPrimary:
            let clock = ManualClock()
            let standby = MemoryStandby(limits: limits, maxBytes: Self.maxBytes, clock: clock)
            return try Self.withoutPrimary(standby, clock, limits)
        case .outageOnDiskWithoutPrimary:
            let (clock, folder) = (ManualClock(), try StateFolder())
            let standby = try SQLiteStandby(
                in: try folder.directory(), target: "primary", limits: limits, maxBytes: Self.maxBytes, clock: clock)
            return try Self.withoutPrimary(standby, in: folder, clock, limits)
        }
    }

    private static func outage(
        _ standby: some Standby, in folder: StateFolder? = nil, _ limits: StoreLimits
    ) throws -> ServiceFixture {
        let database = try MongoDatabase()
        let primary = try database.store(limits)
        try primary.start()
        let service = OutageStore(primary: primary, standby: standby) { _ in }
        try service.start()
        try waitUntil("the primary is reachable") { service.status.primary == .reachable }
        return ServiceFixture(
            service, letTimePass: { try database.letTimePass($0) }, alignDates: { try database.alignDates() },
            tearDown: {
                withExtendedLifetime(folder) { _ = service.close(within: .zero) {} }
                primary.close()
            })
    }

    private static func withoutPrimary(
        _ standby: some Standby, in folder: StateFolder? = nil, _ clock: ManualClock, _ limits: StoreLimits
    ) throws -> ServiceFixture {
        let primary = FaultyRemote(.unreachable, limits: limits, clock: clock)
        let service = OutageStore(primary: primary, standby: standby) { _ in }
        try service.start()
        return ServiceFixture(
            service, letTimePass: { clock.advance(seconds: $0) },
            tearDown: { withExtendedLifetime(folder) { _ = service.close(within: .zero) {} } })
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
