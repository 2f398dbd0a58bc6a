import Store
import Text

extension RouteFamily {
    /// What a question to the sessions is answered, with a store's refusals in HTTP's terms.
    func ask<Value>(_ question: @autoclosure () throws(StoreError) -> Value) throws(Problem) -> Value {
        do {
            return try question()
        } catch {
            throw Problem(error)
        }
    }
}

extension Response {
    init<Value>(_ status: Int, from answer: Answer<Value>, body: ByteBuffer = ByteBuffer()) {
        self.init(status: status, body: body, store: answer.source.rawValue)
    }
}

extension SessionID {
    /// An id that a client has sent. Throws 400 where it is none.
    init(admitting bytes: some Collection<UInt8>) throws(Problem) {
        guard let id = SessionID(bytes) else {
            throw Problem(
                400, "A session id is 1 to 256 bytes of valid UTF-8 without control characters.", field: "session_id",
                limit: SessionID.maximumBytes)
        }
        self = id
    }
}

extension Problem {
    static let noSession = Problem(404, "There is no session of this id.")

    init(_ error: StoreError) {
        switch error {
        case .exists: self.init(409, "There is a session of this id already.", field: "session_id")
        case .conditionFailed: self.init(412, "The session is not in the state that the condition names.")
        case .keyReused:
            self.init(422, "This Idempotency-Key was used on this session with another body.", field: "Idempotency-Key")
        case .tooLarge(let limit):
            self.init(413, "The messages are larger than a session may be (\(limit) bytes).", limit: limit)
        case .full:
            self.init(503, "The store has no room for more messages now.", retryAfter: 5)
        case .unavailable(let reason):
            self.init(503, "The session store cannot be reached. Try again.", retryAfter: 2)
            cause = reason
        case .failed(let reason):
            self.init(500, "The session store gave an unexpected answer. The log has it under this X-Request-ID.")
            cause = reason
        }
    }
}
