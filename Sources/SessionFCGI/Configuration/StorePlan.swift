import Store

/// What is to be opened to keep sessions in.
enum StorePlan: Sendable, Equatable {
    /// This worker's memory.
    case memory(maxBytes: Int)
    /// A file of this host's.
    case sqlite(StateDirectory)
    case mongo(MongoPlan)

    struct MongoPlan: Sendable, Equatable {
        let uri: MongoURI
        let database: String
        let collection: String
        /// What stands by for a MongoDB that cannot be reached; nil refuses everything then.
        let standby: StandbyPlan?

        /// What a standby's operations are for.
        var target: String { "\(database).\(collection)" }
    }

    enum StandbyPlan: Sendable, Equatable {
        case memory(maxBytes: Int)
        case disk(StateDirectory, maxBytes: Int)
    }

    var kind: StoreKind {
        switch self {
        case .memory: .memory
        case .sqlite: .sqlite
        case .mongo: .mongodb
        }
    }

    /// How many requests are answered at once where nobody says otherwise.
    var defaultThreads: Int {
        switch self {
        case .memory: 8
        // Most of them wait for the disk or for the database.
        case .sqlite, .mongo: 64
        }
    }
}
