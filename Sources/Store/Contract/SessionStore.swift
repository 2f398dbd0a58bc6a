import System

/// A way of keeping sessions, used from many threads at once.
///
/// Calls block until what they did is as durable as the store makes it. Each is atomic: another caller sees
/// all of it or nothing. A session whose `updated_at` lies `ttlSeconds` or more in the past is gone, whether or
/// not it still takes up room: reads do not find it, and a write to one starts afresh.
package protocol SessionStore: Sendable {
    /// Makes a session that must not exist yet. Throws `.exists`, `.tooLarge`, `.full`, `.unavailable`, `.failed`.
    func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Stored<Session>

    /// A session with its newest `last` messages, or all of them where nil. Nil where there is none.
    /// Throws `.unavailable`, `.failed`.
    func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?>

    /// Replaces a session's messages, or makes the session.
    /// Throws `.conditionFailed`, `.tooLarge`, `.full`, `.unavailable`, `.failed`.
    func replace(_ id: SessionID, messages: [Message], condition: ReplaceCondition) throws(StoreError)
        -> Stored<ReplaceResult>

    /// Appends messages in their order, all or none, and makes the session where there is none. The oldest
    /// messages over `maxMessages` or `maxSessionBytes` are dropped in the same step. With a key that was used
    /// on this session before, nothing is appended and the first answer is given again.
    /// Throws `.keyReused`, `.tooLarge`, `.full`, `.unavailable`, `.failed`.
    func append(_ messages: [Message], to id: SessionID, key: IdempotencyKey?) throws(StoreError)
        -> Stored<AppendResult>

    /// Whether there was a session to delete. Throws `.unavailable`, `.failed`.
    func delete(_ id: SessionID) throws(StoreError) -> Stored<Bool>

    /// Deletes the sessions not updated within the last `days` days, or only counts them.
    /// Throws `.unavailable`, `.failed`.
    func cleanup(olderThanDays days: Int, dryRun: Bool) throws(StoreError) -> Stored<Int>

    /// Up to `limit` sessions behind `cursor`, newest first. Throws `.unavailable`, `.failed`.
    func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> Stored<SessionPage>

    /// What the store knows of itself without asking anybody: it costs the same whatever the store holds,
    /// and does not block.
    var status: StoreStatus { get }

    /// Which kind of store answers now: `status.kind`, for less.
    var kind: StoreKind { get }
}

/// Which kind of store answered.
package enum StoreKind: String, Sendable {
    case memory, mongodb
}

/// A result, with the kind of store that it came from.
package struct Stored<Value: Sendable>: Sendable {
    package let value: Value
    package let kind: StoreKind

    package init(_ value: Value, in kind: StoreKind) {
        self.value = value
        self.kind = kind
    }
}

extension Stored: Equatable where Value: Equatable {}

/// The state that `replace` asks of the session before it changes it (RFC 9110, section 13.1).
package enum ReplaceCondition: Sendable, Equatable {
    case none
    /// There is no session: `If-None-Match: *`.
    case absent
    /// There is a session, in whatever state: `If-Match: *`.
    case present
    /// The session's entity tag is one of these: `If-Match`.
    case matching([String])
}

package struct ReplaceResult: Sendable, Equatable {
    package let session: Session
    /// Whether there was no session before.
    package let created: Bool

    package init(session: Session, created: Bool) {
        self.session = session
        self.created = created
    }
}

/// A client's name for one append, so that a repetition is known for what it is.
package struct IdempotencyKey: Sendable, Hashable {
    package let key: String
    /// A hash of the request's body: the same key with another body is refused.
    package let fingerprint: Int64

    package init(key: String, fingerprint: Int64) {
        self.key = key
        self.fingerprint = fingerprint
    }
}

package struct AppendResult: Sendable, Equatable {
    /// What the session holds after the append.
    package var messageCount: Int
    package var appended: Int
    /// How many messages this append pushed out: what there was before and what was appended, less what there is now.
    package var dropped: Int
    package var updatedAt: Timestamp
    /// Whether the key was known, and nothing was appended.
    package var isReplay = false
    /// See `Session.isPartial`.
    package var isPartial = false

    package init(
        messageCount: Int, appended: Int, dropped: Int, updatedAt: Timestamp, isReplay: Bool = false,
        isPartial: Bool = false
    ) {
        self.messageCount = messageCount
        self.appended = appended
        self.dropped = dropped
        self.updatedAt = updatedAt
        self.isReplay = isReplay
        self.isPartial = isPartial
    }
}

package struct SessionPage: Sendable, Equatable {
    package let sessions: [SessionSummary]
    /// Where the next page begins; nil on the last.
    package let next: SessionCursor?

    package init(sessions: [SessionSummary], next: SessionCursor?) {
        self.sessions = sessions
        self.next = next
    }
}

/// A store's view of itself, for the health routes.
package struct StoreStatus: Sendable, Equatable {
    package enum Mongo: String, Sendable {
        case connected, disconnected
        case notConfigured = "not configured"
    }

    /// Which kind of store answers now.
    package var kind: StoreKind
    package var mongo: Mongo
    package var activeSessions: Int
    /// The TTL in force, in seconds.
    package var ttlSeconds: Int
    /// Whether a session could be read and written now.
    package var isReady: Bool
    /// Changes that were acknowledged and wait to be written to MongoDB.
    package var pendingOperations: Int?

    package init(
        kind: StoreKind, mongo: Mongo, activeSessions: Int, ttlSeconds: Int, isReady: Bool,
        pendingOperations: Int? = nil
    ) {
        self.kind = kind
        self.mongo = mongo
        self.activeSessions = activeSessions
        self.ttlSeconds = ttlSeconds
        self.isReady = isReady
        self.pendingOperations = pendingOperations
    }
}
