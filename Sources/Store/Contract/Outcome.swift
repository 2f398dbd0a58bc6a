import System

/// What an operation has done. Of a repetition that is known by its idempotency key, counts and `updatedAt` are those
/// that were told first; the rest is as it is now.
package struct Outcome: Sendable, Equatable {
    /// Whether there was a session before.
    package var existed: Bool
    /// What the session holds after the change.
    package var messageCount = 0
    package var appended = 0
    /// How many messages an append pushed out: what there was before and what was appended, less what there is now.
    package var dropped = 0
    package var createdAt = Timestamp(milliseconds: 0)
    package var updatedAt = Timestamp(milliseconds: 0)
    /// See `Session.version`.
    package var version: Int64 = 0
    /// What a replacement has left, as `Session.messages` has it.
    package var messages: [UInt8] = []
    /// Whether an append's key was known, and nothing was appended.
    package var isReplay = false
    /// See `Answer.isPartial`.
    package var isPartial = false

    package init(existed: Bool) { self.existed = existed }

    /// Of a replacement of all messages: the session as it is now.
    package init(replacementBy session: Session, existed: Bool) {
        self.existed = existed
        messageCount = session.messageCount
        createdAt = session.createdAt
        updatedAt = session.updatedAt
        version = session.version
        messages = session.messages
    }

    /// The session that a replacement has left.
    package func session(_ id: SessionID) -> Session {
        Session(
            id: id, messages: messages, messageCount: messageCount, createdAt: createdAt, updatedAt: updatedAt,
            version: version)
    }
}
