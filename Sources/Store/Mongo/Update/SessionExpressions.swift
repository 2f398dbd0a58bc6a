/// The parts of a session's update that are the same for every session of a store, made once.
///
/// All are aggregation expressions (MongoDB manual, "Updates with Aggregation Pipeline"), evaluated within the
/// one command that changes the document, by the server's clock. In them a string that starts with `$` is a
/// field's path: what a client sent stands inside `$literal` only.
struct SessionExpressions: Sendable {
    /// Whether the session's time is over; nil where sessions stay for ever. A document whose `updated_at` is
    /// no date does not expire, as with the server's own TTL index.
    let expired: [UInt8]?
    /// The opposite, as the elements of a filter.
    let isAlive: [UInt8]?
    /// The stage that empties an expired session, so that what follows starts afresh.
    private let expiryStage: [UInt8]?

    init(limits: StoreLimits) {
        let expired = limits.ttlSeconds <= 0 ? nil : """
            {"$and": [{"$lte": ["$updated_at", {"$subtract": ["$$NOW", \(limits.ttlSeconds * 1000)]}]},
                      {"$eq": [{"$type": "$updated_at"}, "date"]}]}
            """
        self.expired = expired.map { JSONToBSON.document($0) }
        isAlive = expired.map { JSONToBSON.document("{\"$not\": [\($0)]}") }
        expiryStage = expired.map {
            JSONToBSON.document("{\"$replaceWith\": {\"$cond\": [\($0), {\"_id\": \"$_id\"}, \"$$ROOT\"]}}")
        }
    }

    /// Writes the stages of an update: an expired session is emptied, and then changed as a new one is.
    func pipeline(_ writer: inout BSONWriter, named name: StaticString, _ stage: (inout BSONWriter) -> Void) {
        writer.array(name) { stages in
            if let expiryStage { stages.raw(.document, expiryStage) }
            stages.document(stage)
        }
    }

    // MARK: Of any store

    /// How many messages the session has, as `messages` is or is not an array.
    static let messageCount = JSONToBSON.document(#"{"$cond": [{"$isArray": "$messages"}, {"$size": "$messages"}, 0]}"#)

    /// Whether there was a session before: MongoDB hands an upsert a document that has only an `_id`.
    static let exists = JSONToBSON.document(#"{"$ne": ["$$ROOT", {"_id": "$_id"}]}"#)

    /// The remembered idempotency keys.
    static let recentKeys = JSONToBSON.document(#"{"$cond": [{"$isArray": "$recent_keys"}, "$recent_keys", []]}"#)

    /// The names of the remembered idempotency keys.
    static let keyNames = JSONToBSON.document(#"{"$cond": [{"$isArray": "$recent_keys.k"}, "$recent_keys.k", []]}"#)

    /// The last operations, newest first, as `OperationRecord` reads them.
    static let recentOperations = JSONToBSON.document(
        #"{"$cond": [{"$eq": [{"$type": "$recent_ops"}, "string"]}, "$recent_ops", ""]}"#)

    /// As many of them as come together within the moment between a change and the look at what it left.
    static let newestOperations = BSONWriter.document { writer in
        writer.array("$substrBytes") { arguments in
            arguments.raw(.document, recentOperations)
            arguments.int32(0)
            arguments.int32(Int32(8 * OperationRecord.length))
        }
    }

    /// How many messages there are before the change, -1 where there is no session, as `OperationRecord` has it.
    static let prior = JSONToBSON.document(
        """
        {"$toString": {"$add": [\(OperationRecord.priorOffset), {"$cond": [
            {"$eq": ["$$ROOT", {"_id": "$_id"}]}, -1,
            {"$cond": [{"$isArray": "$messages"},
                       {"$min": [{"$size": "$messages"}, \(OperationRecord.greatestPrior)]}, 0]}]}]}}
        """)

    /// The members that every change sets in the same way, as a document.
    static let dates = JSONToBSON.document(
        """
        {"created_at": {"$ifNull": ["$created_at", {"$ifNull": ["$updated_at", "$$NOW"]}]},
         "updated_at": "$$NOW"}
        """)

    /// The session's dates, as a read sees them where another writer left them out.
    static let updatedAt = date("updated_at", else: "created_at")
    static let createdAt = date("created_at", else: "updated_at")

    private static func date(_ name: String, else other: String) -> [UInt8] {
        JSONToBSON.document(
            """
            {"$switch": {
                "branches": [
                    {"case": {"$eq": [{"$type": "$\(name)"}, "date"]}, "then": "$\(name)"},
                    {"case": {"$eq": [{"$type": "$\(other)"}, "date"]}, "then": "$\(other)"}],
                "default": {"$toDate": {"$toLong": 0}}
            }}
            """)
    }

    /// The session's `seq` as an integer, whatever another writer made of it.
    static let sequence = JSONToBSON.document(
        """
        {"$cond": [{"$in": [{"$type": "$seq"}, ["int", "long", "double"]]},
                   {"$convert": {"input": "$seq", "to": "long", "onError": 0}}, 0]}
        """)

    /// The old messages that stay beside new ones, of `$$old`, which holds no more than the number allowed, in
    /// the `$$room` bytes that are left. Counting pays only in a session that might be over: one whose whole
    /// document is smaller is not, and the server knows that size.
    static let messagesThatFit = JSONToBSON.document(
        #"""
        {"$cond": [
            {"$lte": [{"$bsonSize": "$$ROOT"}, "$$room"]},
            "$$old",
            {"$let": {
                "vars": {"fit": {"$reduce": {
                    "input": {"$reverseArray": "$$old"},
                    "initialValue": {"room": "$$room", "n": 0},
                    "in": {"$let": {
                        "vars": {"left": {"$subtract": [
                            "$$value.room", {"$subtract": [{"$bsonSize": {"m": "$$this"}}, 8]}]}},
                        "in": {"room": "$$left", "n": {"$cond": [
                            {"$gte": ["$$left", 0]}, {"$subtract": ["$$value.n", 1]}, "$$value.n"]}}
                    }}
                }}},
                "in": {"$slice": ["$$old", "$$fit.n"]}
            }}
        ]}
        """#)
}

extension BSONWriter {
    /// A member that is an expression: one operator and its arguments.
    mutating func expression(_ name: StaticString, _ function: StaticString, _ write: (inout BSONArrayWriter) -> Void) {
        document(name) { $0.array(function, write) }
    }

    /// Text that is no expression, whatever it begins with.
    mutating func literal(_ text: some Collection<UInt8>) { string("$literal", text) }
}

extension BSONArrayWriter {
    /// An argument that is an expression: one operator and its arguments.
    mutating func expression(_ function: StaticString, _ write: (inout BSONArrayWriter) -> Void) {
        document { $0.array(function, write) }
    }
}
