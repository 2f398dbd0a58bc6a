import System

/// A session as a store holds it at one moment.
package struct Session: Sendable, Equatable {
    package let id: SessionID
    /// The messages asked for, each its JSON text, joined by commas and without the array's brackets.
    package let messages: [UInt8]
    /// How many messages the session holds, whether asked for or not.
    package let messageCount: Int
    package let createdAt: Timestamp
    package let updatedAt: Timestamp
    /// Grows with every change; with the dates and the count it tells one state of a session from another.
    package let version: Int64

    /// A strong entity tag (RFC 9110, section 8.8.3) of the session's state, without its quotes.
    package var entityTag: String {
        [updatedAt.milliseconds, createdAt.milliseconds &- updatedAt.milliseconds, version, Int64(messageCount)]
            .map { String($0, radix: 36) }.joined(separator: ".")
    }
}
