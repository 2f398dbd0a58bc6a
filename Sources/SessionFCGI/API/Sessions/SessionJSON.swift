import Store
import Text

/// The contract's JSON.
extension JSONWriter {
    /// A session with its messages.
    static func session(_ session: Session, isPartial: Bool) -> ByteBuffer {
        object(capacity: session.messages.count + session.id.bytes.count + 192) { writer in
            writer.string("session_id", session.id.bytes)
            writer.array("messages", elements: session.messages)
            writer.integer("message_count", session.messageCount)
            writer.date("created_at", session.createdAt)
            writer.date("updated_at", session.updatedAt)
            if isPartial { writer.boolean("partial", true) }
        }
    }

    /// A session's messages alone.
    static func history(_ session: Session, isPartial: Bool) -> ByteBuffer {
        object(capacity: session.messages.count + session.id.bytes.count + 96) { writer in
            writer.string("session_id", session.id.bytes)
            writer.integer("message_count", session.messageCount)
            writer.array("messages", elements: session.messages)
            if isPartial { writer.boolean("partial", true) }
        }
    }

    /// What an append has done.
    static func append(_ outcome: Outcome, to id: SessionID) -> ByteBuffer {
        object { writer in
            writer.string("session_id", id.bytes)
            writer.integer("message_count", outcome.messageCount)
            writer.integer("appended", outcome.appended)
            writer.integer("dropped", outcome.dropped)
            writer.date("updated_at", outcome.updatedAt)
            if outcome.isPartial { writer.boolean("partial", true) }
        }
    }

    /// A session as a listing has it.
    mutating func members(of summary: SessionSummary) {
        string("session_id", summary.id.bytes)
        integer("message_count", summary.messageCount)
        date("created_at", summary.createdAt)
        date("updated_at", summary.updatedAt)
    }
}
