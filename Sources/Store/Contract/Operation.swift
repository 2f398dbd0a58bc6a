import System

/// A change to one session, with a name of its own. A store that is asked to apply the same operation again,
/// because nobody knows whether the first try arrived, applies it once.
package struct Operation: Sendable, Equatable {
    package enum Change: Sendable, Equatable {
        /// `answer` is what the client was told when another store took the append: it is what a later
        /// repetition with the same key is told, too.
        case append([Message], key: IdempotencyKey?, answer: AppendResult?)
        case replace([Message])
        case delete
    }

    package let id: OperationID
    package let session: SessionID
    package let change: Change
    /// The time on the database's clock when the operation was taken, where it is known. A deletion leaves a session
    /// alone that was updated later.
    package let takenAt: Timestamp?

    package init(id: OperationID, session: SessionID, change: Change, takenAt: Timestamp? = nil) {
        self.id = id
        self.session = session
        self.change = change
        self.takenAt = takenAt
    }

    /// The same operation with messages that do not hold on to the whole bodies that they came in.
    var detached: Operation {
        let change: Change = switch change {
        case .append(let messages, let key, let answer): .append(messages.map(\.detached), key: key, answer: answer)
        case .replace(let messages): .replace(messages.map(\.detached))
        case .delete: .delete
        }
        return Operation(id: id, session: session, change: change, takenAt: takenAt)
    }
}

/// 48 random bits: short enough to keep dozens of them with a session, long enough that two never meet there.
package struct OperationID: Sendable, Hashable {
    /// Eight characters of base64url.
    package let token: [UInt8]

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func random() -> OperationID {
        var generator = SystemRandomNumberGenerator()
        let bits = generator.next()
        return OperationID(token: (0..<8).map { alphabet[Int(bits >> (6 * $0) & 63)] })
    }
}

/// What an operation has done. An operation that is given again answers as its store can tell it then.
package enum OperationResult: Sendable, Equatable {
    case appended(AppendResult)
    case replaced(ReplaceResult)
    /// Whether there was a session to delete.
    case deleted(Bool)
}

/// A store to which operations can be given that another store has already acknowledged.
package protocol ReplayTarget: SessionStore {
    /// Applies an operation, and answers as `append`, `replace` without a condition and `delete` do. An append or a
    /// replacement is made at most once, however often it is given. Throws what they throw.
    func apply(_ operation: Operation) throws(StoreError) -> OperationResult

    /// Asks the database for a sign of life, within a few seconds at the worst. Throws `.unavailable`, `.failed`.
    func ping() throws(StoreError)

    /// About the time on the database's clock; nil before it was heard from.
    var serverTime: Timestamp? { get }
}
