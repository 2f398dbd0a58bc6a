import System

/// What a listing says of a session.
package struct SessionSummary: Sendable, Equatable {
    package let id: SessionID
    package let messageCount: Int
    package let createdAt: Timestamp
    package let updatedAt: Timestamp

    package var cursor: SessionCursor { SessionCursor(updatedAt: updatedAt, id: id) }

    /// Whether a listing has the session behind the cursor.
    package func isBehind(_ cursor: SessionCursor) -> Bool {
        updatedAt != cursor.updatedAt
            ? updatedAt < cursor.updatedAt : id.bytes.lexicographicallyPrecedes(cursor.id.bytes)
    }
}

/// Where a listing goes on: behind this session, in the order newest first, then greatest id first.
package struct SessionCursor: Sendable, Equatable {
    package let updatedAt: Timestamp
    package let id: SessionID

    package init(updatedAt: Timestamp, id: SessionID) {
        self.updatedAt = updatedAt
        self.id = id
    }
}

package struct SessionPage: Sendable, Equatable {
    package let sessions: [SessionSummary]
    /// Where the next page begins; nil on the last.
    package let next: SessionCursor?
}
