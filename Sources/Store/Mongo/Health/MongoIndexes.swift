/// The one index that sessions need beside `_id`'s: on `updated_at`, and with an end where sessions have one.
///
/// For MongoDB an index with and one without `expireAfterSeconds` are the same index under two names, so that
/// only one of them can be there (error 85).
struct MongoIndexes: Sendable {
    let database: String
    let collection: [UInt8]
    let ttlSeconds: Int

    /// An index as it is or as it should be.
    struct Index: Equatable, CustomStringConvertible {
        let name: String
        /// Whether its key is `{updated_at: 1}`.
        let isOnUpdatedAt: Bool
        let expireAfterSeconds: Int?
        /// Whether it covers every document, in the plain order of values.
        let isPlain: Bool

        var description: String {
            guard let expireAfterSeconds else { return name }
            return "\(name) (expires after \(expireAfterSeconds) s)"
        }
    }

    /// One command on the way from the indexes as they are to those that are wanted.
    enum Step: Equatable, CustomStringConvertible {
        case drop(Index)
        case changeExpiry(Index, seconds: Int)
        case create(Index)

        var description: String {
            switch self {
            case .drop(let index): "drop \(index)"
            case .changeExpiry(let index, let seconds): "change \(index) to \(seconds) s"
            case .create(let index): "create \(index)"
            }
        }
    }

    struct Outcome {
        var steps: [Step] = []
        /// The time after which sessions go, whoever has set it: the server's index or this store.
        var ttlSeconds: Int
        /// Whether the server does not let us change what should be changed.
        var isRefused = false
    }

    var wanted: Index {
        ttlSeconds > 0
            ? Index(name: "session_ttl", isOnUpdatedAt: true, expireAfterSeconds: ttlSeconds, isPlain: true)
            : Index(name: "updated_at_1", isOnUpdatedAt: true, expireAfterSeconds: nil, isPlain: true)
    }

    /// What would have to be done.
    func plan(for present: [Index]) -> [Step] {
        let wanted = wanted
        // An index of the project's own name on something else is in the way, or ends sessions by another date.
        let related = present.filter { $0.isOnUpdatedAt || Self.names.contains($0.name) }
        let kept = related.first { index in
            index.name == wanted.name && index.isOnUpdatedAt && index.isPlain
                && (index.expireAfterSeconds == nil) == (wanted.expireAfterSeconds == nil)
        }
        guard let kept else { return related.map(Step.drop) + [.create(wanted)] }
        var steps = related.filter { $0 != kept }.map(Step.drop)
        if kept != wanted { steps.append(.changeExpiry(kept, seconds: ttlSeconds)) }
        return steps
    }

    /// Brings the indexes into the wanted state, whoever else is doing the same.
    func reconcile(_ client: borrowing MongoClient) throws(MongoError) -> Outcome {
        var outcome = Outcome(ttlSeconds: ttlSeconds)
        var present: [Index] = []
        var lastError: MongoError?
        for _ in 0..<32 {
            do {
                present = try list(client)
                let steps = plan(for: present)
                if steps.isEmpty { return outcome }
                for step in steps {
                    try perform(step, client)
                    outcome.steps.append(step)
                }
            } catch where error.domain == .server && Self.refusals.contains(error.code) {
                outcome.isRefused = true
                outcome.ttlSeconds = effectiveTTL(with: present)
                return outcome
            } catch where error.domain == .server && Self.races.contains(error.code) {
                // Another worker came first, or is at work: what there is now is looked at anew.
                lastError = error
            }
        }
        throw lastError ?? MongoError(domain: .reply, description: "the indexes do not stay as they were set")
    }

    func list(_ client: borrowing MongoClient) throws(MongoError) -> [Index] {
        let command = BSONWriter.document { writer in
            writer.string("listIndexes", collection)
            writer.document("cursor") { $0.int32("batchSize", 1000) }
        }
        do {
            let reply = try client.command(command, on: database, .read)
            return reply.firstBatch.map(Index.init)
        } catch where error.domain == .server && error.code == 26 {
            // There is no collection yet.
            return []
        }
    }

    /// The shorter of two times: what the server's own index does and what this store's reads say.
    private func effectiveTTL(with present: [Index]) -> Int {
        let served = present.filter { $0.isOnUpdatedAt }.compactMap(\.expireAfterSeconds)
        return (served + (ttlSeconds > 0 ? [ttlSeconds] : [])).min() ?? 0
    }

    private func perform(_ step: Step, _ client: borrowing MongoClient) throws(MongoError) {
        let command = BSONWriter.document { writer in
            switch step {
            case .drop(let index):
                writer.string("dropIndexes", collection)
                writer.string("index", index.name.utf8)
            case .changeExpiry(let index, let seconds):
                writer.string("collMod", collection)
                writer.document("index") { writer in
                    writer.string("name", index.name.utf8)
                    writer.int32("expireAfterSeconds", Int32(clamping: seconds))
                }
            case .create(let index):
                writer.string("createIndexes", collection)
                writer.array("indexes") { indexes in
                    indexes.document { writer in
                        writer.document("key") { $0.int32("updated_at", 1) }
                        writer.string("name", index.name.utf8)
                        if let seconds = index.expireAfterSeconds {
                            writer.int32("expireAfterSeconds", Int32(clamping: seconds))
                        }
                    }
                }
            }
        }
        _ = try client.command(command, on: database, .write(.standard))
    }

    private static let names: Set<String> = ["session_ttl", "updated_at_1"]

    /// Unauthorized, and Atlas's word for it.
    private static let refusals: Set<Int> = [13, 8000]

    /// NamespaceNotFound, IndexNotFound, NamespaceExists, IndexOptionsConflict, IndexKeySpecsConflict,
    /// WriteConflict, ConflictingOperationInProgress, IndexBuildAborted, BackgroundOperationInProgress.
    private static let races: Set<Int> = [26, 27, 48, 85, 86, 112, 117, 276, 12586, 12587]
}

extension MongoIndexes.Index {
    fileprivate init(_ document: BSONDocument) {
        name = String(decoding: document.string("name") ?? [], as: UTF8.self)
        let key = document.document("key")
        var names = 0
        try? key?.forEach { _ throws(BSONError) in names += 1 }
        isOnUpdatedAt = names == 1 && key?["updated_at"] != nil
        expireAfterSeconds = document["expireAfterSeconds"].map { Int(document.integer(of: $0) ?? -1) }
        isPlain = key?.integer("updated_at") == 1
            && document["partialFilterExpression"] == nil && document["collation"] == nil
            && document.boolean("sparse") != true && document.boolean("unique") != true
            && document.boolean("hidden") != true
    }
}
