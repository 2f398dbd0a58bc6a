import CMongoC
import Synchronization

/// The connections that requests share. Safe for concurrent use.
///
/// The driver's own defaults would hold a thread for half a minute to five; those here are short, unless the
/// address sets them.
final class MongoConnectionPool: Sendable {
    private enum State {
        case opening
        /// The address could not be resolved; it is tried again when somebody asks, but not at once.
        case failed(MongoError, at: ContinuousClock.Instant)
        case closed
    }

    private static let pauseAfterFailure = Duration.seconds(1)

    private let uri: MongoURI
    private let defaults: MongoURI.Options
    private let state = Mutex(State.opening)
    /// The open pool and whether it was closed, beside the lock, since every call asks.
    private let opened = AtomicLazyReference<Handle>()
    private let isClosed = Atomic(false)

    /// Does no I/O: the pool is made when it is first needed.
    init(uri: MongoURI, maxConnections: Int) {
        self.uri = uri
        defaults = [
            ("serverselectiontimeoutms", 4000), ("sockettimeoutms", 3000), ("connecttimeoutms", 2000),
            ("waitqueuetimeoutms", 2000), ("heartbeatfrequencyms", 5000),
            ("maxpoolsize", Int32(clamping: max(1, maxConnections))),
        ]
    }

    /// How many connections there may be, the address's own word included.
    var maxConnections: Int {
        uri.withHandle(defaults: defaults) { Int(mongoc_uri_get_option_as_int32($0, "maxpoolsize", 100)) }
    }

    /// The one way to MongoDB: takes a client, lends it, and puts it back.
    func withClient<Result>(_ body: (borrowing MongoClient) throws(MongoError) -> Result) throws(MongoError) -> Result {
        // The handle outlives the call even when the pool is closed meanwhile.
        let handle = try openHandle()
        guard let client = mongoc_client_pool_pop(handle.pool) else {
            throw MongoError(domain: .pool, description: "no connection of the pool became free in time")
        }
        defer { mongoc_client_pool_push(handle.pool, client) }
        return try body(MongoClient(client))
    }

    /// Refuses new calls. The connections go with this object.
    func close() {
        isClosed.store(true, ordering: .releasing)
        state.withLock { $0 = .closed }
    }

    private func openHandle() throws(MongoError) -> Handle {
        if !isClosed.load(ordering: .acquiring), let handle = opened.load() { return handle }
        return try state.withLock { state throws(MongoError) in
            switch state {
            case .closed: throw MongoError(domain: .pool, description: "the connections are closed")
            case .failed(let error, let time) where time.duration(to: .now) < Self.pauseAfterFailure: throw error
            case .opening, .failed:
                if let handle = opened.load() { return handle }
                do throws(MongoError) {
                    // Only mongodb+srv:// does I/O here; nobody could go on without its answer.
                    return opened.storeIfNil(try Handle(uri: uri, defaults: defaults))
                } catch {
                    state = .failed(error, at: .now)
                    throw error
                }
            }
        }
    }

    /// Owns libmongoc's pool.
    private final class Handle: @unchecked Sendable {
        // libmongoc's pool locks itself; destroying it, which is not safe, waits for the last reference.
        let pool: OpaquePointer

        init(uri: MongoURI, defaults: MongoURI.Options) throws(MongoError) {
            var error = bson_error_t()
            let pool = uri.withHandle(defaults: defaults) { mongoc_client_pool_new_with_error($0, &error) }
            guard let pool else { throw MongoError(error, reply: nil) }
            mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2)
            self.pool = pool
        }

        deinit { mongoc_client_pool_destroy(pool) }
    }
}
