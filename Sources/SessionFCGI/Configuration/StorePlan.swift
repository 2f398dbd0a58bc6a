import Store

/// What is to be opened to keep sessions in.
enum StorePlan: Sendable, Equatable {
    /// This worker's memory.
    case memory(maxBytes: Int)
    case mongo(MongoPlan)

    struct MongoPlan: Sendable, Equatable {
        let uri: MongoURI
        let database: String
        let collection: String
        /// How much memory stands by for a MongoDB that cannot be reached; nil refuses everything then.
        let standbyBytes: Int?
    }

    var kind: StoreKind {
        switch self {
        case .memory: .memory
        case .mongo: .mongodb
        }
    }

    /// How many requests are answered at once where nobody says otherwise.
    var defaultThreads: Int {
        switch self {
        case .memory: 8
        // Most of them wait for the database.
        case .mongo: 64
        }
    }
}
