import Store
import Text

/// The contract's JSON, written straight into the answer.
extension ByteBuffer {
    mutating func append(_ session: Session) {
        bytes.reserveCapacity(session.messages.count + session.id.bytes.count + 192)
        append("{\"session_id\":")
        append(jsonString: session.id.bytes)
        append(",\"messages\":[")
        append(session.messages)
        append("],\"message_count\":")
        append(decimal: session.messageCount)
        append(",\"created_at\":\"")
        append(session.createdAt)
        append("\",\"updated_at\":\"")
        append(session.updatedAt)
        append("\"")
        closeObject(partial: session.isPartial)
    }

    mutating func append(history session: Session) {
        bytes.reserveCapacity(session.messages.count + session.id.bytes.count + 96)
        append("{\"session_id\":")
        append(jsonString: session.id.bytes)
        append(",\"message_count\":")
        append(decimal: session.messageCount)
        append(",\"messages\":[")
        append(session.messages)
        append("]")
        closeObject(partial: session.isPartial)
    }

    mutating func append(_ result: AppendResult, to id: SessionID) {
        append("{\"session_id\":")
        append(jsonString: id.bytes)
        append(",\"message_count\":")
        append(decimal: result.messageCount)
        append(",\"appended\":")
        append(decimal: result.appended)
        append(",\"dropped\":")
        append(decimal: result.dropped)
        append(",\"updated_at\":\"")
        append(result.updatedAt)
        append("\"")
        closeObject(partial: result.isPartial)
    }

    mutating func append(_ summary: SessionSummary) {
        append("{\"session_id\":")
        append(jsonString: summary.id.bytes)
        append(",\"message_count\":")
        append(decimal: summary.messageCount)
        append(",\"created_at\":\"")
        append(summary.createdAt)
        append("\",\"updated_at\":\"")
        append(summary.updatedAt)
        append("\"}")
    }

    private mutating func closeObject(partial: Bool) {
        append(partial ? ",\"partial\":true}" : "}")
    }
}
