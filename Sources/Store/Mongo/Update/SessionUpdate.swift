import System

/// One change to a session's messages: the update that the server is to make of it, apart from how it is sent.
///
/// The stored document has, beside the Python service's own `_id`, `messages`, `created_at` and `updated_at`:
/// - `seq`: how many messages were ever appended; grows with every change.
/// - `recent_keys`: the last idempotency keys, each with what its first use was told: `k` the key, `h` the fingerprint,
///   `w` the id of the operation, `n` how many messages there were then, `a` how many were appended, `d` how many
///   dropped, `t` when, and `p`, true where a standby told it.
/// - `recent_ops`: the last operations, as `OperationRecord` has them. A repeated operation is known by it, and so is
///   what each of several that came together has dropped.
///
/// (A class, since the closures that write its parts would each copy its members.)
final class SessionUpdate: Sendable {
    enum Kind: Sendable {
        case append(key: IdempotencyKey?)
        /// Does nothing where there is a session.
        case create
        case replace
    }

    let session: SessionID
    let operation: OperationID
    let kind: Kind
    let batch: MessageBatch
    let outcomeTold: Outcome?
    let limits: StoreLimits

    /// Throws `.tooLarge`.
    init(_ operation: Operation, _ kind: Kind, _ messages: [Message], limits: StoreLimits) throws(StoreError) {
        session = operation.session
        self.operation = operation.id
        self.kind = kind
        batch = try MessageBatch(messages, limits: limits)
        outcomeTold = operation.outcomeTold
        self.limits = limits
    }

    /// Writes the stage that changes the document, unless it has the operation already.
    func stage(_ writer: inout BSONWriter) {
        writer.expression("$replaceWith", "$cond") { arguments in
            arguments.document { condition(&$0) }
            arguments.string("$$ROOT")
            arguments.document { changed(&$0) }
        }
    }

    /// Writes what the answers to updates need of the documents that they leave: never the messages.
    static func projection(_ writer: inout BSONWriter, for updates: some Collection<SessionUpdate>) {
        writer.raw("n", .document, SessionExpressions.messageCount)
        writer.int32("created_at", 1)
        writer.int32("updated_at", 1)
        writer.int32("seq", 1)
        writer.raw("o", .document, SessionExpressions.newestOperations)
        let keys = updates.compactMap(\.key)
        guard !keys.isEmpty else { return }
        writer.document("e") { writer in
            writer.document("$filter") { writer in
                writer.raw("input", .document, SessionExpressions.recentKeys)
                writer.expression("cond", "$in") { arguments in
                    arguments.string("$$this.k")
                    arguments.array { names in
                        for key in keys { names.document { $0.literal(key.key.utf8) } }
                    }
                }
            }
        }
    }

    /// The idempotency key, where there is one.
    var key: IdempotencyKey? { if case .append(let key) = kind { key } else { nil } }

    // MARK: The condition

    /// Whether the document is to stay as it is.
    private func condition(_ writer: inout BSONWriter) {
        if case .create = kind { return writer.elements(of: SessionExpressions.exists) }
        writer.array("$or") { alternatives in
            alternatives.expression("$gte") { arguments in
                arguments.expression("$indexOfBytes") { arguments in
                    arguments.raw(.document, SessionExpressions.recentOperations)
                    arguments.string(operation.bytes)
                }
                arguments.int32(0)
            }
            guard let key else { return }
            alternatives.expression("$in") { arguments in
                arguments.document { $0.literal(key.key.utf8) }
                arguments.raw(.document, SessionExpressions.keyNames)
            }
        }
    }

    // MARK: The change

    private func changed(_ writer: inout BSONWriter) {
        guard key != nil else { return merged(&writer) }
        // The key's entry tells how many messages there are then.
        writer.document("$let") { writer in
            writer.document("vars") { $0.document("all") { messages(&$0) } }
            writer.document("in") { merged(&$0) }
        }
    }

    /// The document as it is, with members put into it.
    private func merged(_ writer: inout BSONWriter) {
        writer.array("$mergeObjects") { parts in
            parts.string("$$ROOT")
            parts.document { members(&$0) }
        }
    }

    private func members(_ writer: inout BSONWriter) {
        if key != nil {
            writer.string("messages", "$$all")
        } else {
            writer.document("messages") { messages(&$0) }
        }
        writer.elements(of: SessionExpressions.dates)
        writer.expression("seq", "$add") { terms in
            terms.raw(.document, SessionExpressions.sequence)
            terms.int64(Int64(sequenceStep))
        }
        recentOperations(&writer)
        if let key { recentKeys(&writer, adding: key) }
    }

    private var isAppend: Bool { if case .append = kind { true } else { false } }

    /// A replacement by nothing is a change, too.
    private var sequenceStep: Int { isAppend ? batch.given : max(1, batch.given) }

    private func messages(_ writer: inout BSONWriter) {
        let places = limits.maxMessages - batch.count
        let room = limits.maxSessionBytes - batch.byteCount
        guard isAppend, places > 0, room > 0 else { return writer.raw("$literal", .array, batch.array) }
        writer.array("$concatArrays") { parts in
            parts.document { writer in
                writer.document("$let") { writer in
                    writer.document("vars") { writer in
                        writer.int64("room", Int64(room))
                        writer.document("old") { newestMessages(&$0, atMost: places) }
                    }
                    writer.raw("in", .document, SessionExpressions.messagesThatFit)
                }
            }
            parts.document { $0.raw("$literal", .array, batch.array) }
        }
    }

    private func newestMessages(_ writer: inout BSONWriter, atMost count: Int) {
        writer.array("$cond") { arguments in
            arguments.document { $0.string("$isArray", "$messages") }
            arguments.expression("$slice") { arguments in
                arguments.string("$messages")
                arguments.int32(-Int32(count))
            }
            arguments.array { _ in }
        }
    }

    private func recentOperations(_ writer: inout BSONWriter) {
        writer.expression("recent_ops", "$substrBytes") { arguments in
            arguments.expression("$concat") { parts in
                parts.string(operation.bytes)
                parts.raw(.document, SessionExpressions.prior)
                parts.raw(.document, SessionExpressions.recentOperations)
            }
            arguments.int32(0)
            arguments.int32(Int32(OperationRecord.remembered * OperationRecord.length))
        }
    }

    private func recentKeys(_ writer: inout BSONWriter, adding key: IdempotencyKey) {
        writer.expression("recent_keys", "$slice") { arguments in
            arguments.expression("$concatArrays") { parts in
                parts.raw(.document, SessionExpressions.recentKeys)
                parts.array { $0.document { entry(&$0, for: key) } }
            }
            arguments.int32(-Int32(StoreLimits.rememberedKeys))
        }
    }

    private func entry(_ writer: inout BSONWriter, for key: IdempotencyKey) {
        writer.document("k") { $0.literal(key.key.utf8) }
        writer.int64("h", key.fingerprint)
        writer.string("w", operation.bytes)
        if let told = outcomeTold {
            writer.int64("n", Int64(told.messageCount))
            writer.int64("a", Int64(told.appended))
            writer.int64("d", Int64(told.dropped))
            writer.date("t", told.updatedAt)
            if told.isPartial { writer.boolean("p", true) }
            return
        }
        writer.document("n") { $0.string("$size", "$$all") }
        writer.int64("a", Int64(batch.given))
        writer.expression("d", "$subtract") { terms in
            terms.expression("$add") { terms in
                terms.raw(.document, SessionExpressions.messageCount)
                terms.int64(Int64(batch.given))
            }
            terms.document { $0.string("$size", "$$all") }
        }
        writer.string("t", "$$NOW")
    }
}

/// Appends of one session follow each other; those of others share commands.
extension SessionUpdate: CommitItem {
    var commitKey: SessionID? { session }
    var byteCount: Int { batch.byteCount }
}
