import System

/// A change to one session, with an id of its own by which a repetition is known for what it is.
package struct Operation: Sendable, Equatable {
    package enum Change: Sendable, Equatable {
        /// Appends messages in their order, all or none, and makes the session where there is none. The oldest
        /// messages over `maxMessages` or `maxSessionBytes` are dropped in the same step. With a key that was used
        /// on this session before, nothing is appended and the first answer is given again.
        case append([Message], key: IdempotencyKey?)
        /// Replaces all messages, or makes the session.
        case replace([Message], Condition)
        case delete
    }

    package let id: OperationID
    package let session: SessionID
    package let change: Change
    /// The time on the primary's clock when the operation was given, where it is known and counts: a deletion leaves a
    /// session alone that was updated later. Nil where a standby has taken other operations of the session before.
    package var takenAt: Timestamp?
    /// What the client was told when a standby took the append: it is what a later repetition with the same key is
    /// told, too.
    package var outcomeTold: Outcome?

    package init(
        _ id: OperationID = .random(), of session: SessionID, _ change: Change, takenAt: Timestamp? = nil,
        outcomeTold: Outcome? = nil
    ) {
        self.id = id
        self.session = session
        self.change = change
        self.takenAt = takenAt
        self.outcomeTold = outcomeTold
    }
}

/// 48 random bits: short enough to keep dozens of them with a session, long enough that two never meet there.
package struct OperationID: Sendable, Hashable {
    /// Eight characters of base64url.
    package let bytes: [UInt8]

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func random() -> OperationID {
        var generator = SystemRandomNumberGenerator()
        let bits = generator.next()
        return OperationID(bytes: (0..<8).map { alphabet[Int(bits >> (6 * $0) & 63)] })
    }
}

/// The state that a replacement asks of the session before it changes it (RFC 9110, section 13.1).
package enum Condition: Sendable, Equatable {
    case none
    /// There is no session: `If-None-Match: *`.
    case absent
    /// There is a session, in whatever state: `If-Match: *`.
    case present
    /// The session's entity tag is one of these: `If-Match`.
    case matching([String])

    /// Whether the session, nil where there is none, is in the state that is asked for.
    package func holds(for session: @autoclosure () -> Session?) -> Bool {
        switch self {
        case .none: true
        case .absent: session() == nil
        case .present: session() != nil
        case .matching(let tags): session().map { tags.contains($0.entityTag) } ?? false
        }
    }
}
