import CMongoC
import Synchronization

/// A connection to MongoDB, lent to one thread at a time.
struct MongoClient: ~Copyable {
    /// How the driver treats a command that fails for reasons of the network: both kinds are sent once more.
    enum Kind {
        case read
        /// A read that sees what has this level of durability (MongoDB manual, "Read Concern").
        case readAt(level: String)
        case write(WriteConcern)
    }

    /// What a write waits for (MongoDB manual, "Write Concern").
    enum WriteConcern: UInt8, AtomicRepresentable {
        /// What the address says, or else the server's own default.
        case standard
        /// The journal of a server that stands alone, whose default would lose what it acknowledged in the last tenth
        /// of a second before a crash.
        case journal
        /// A majority of a replica set, which is the default since MongoDB 5.0.
        case majority
    }

    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    /// Runs one command. A findAndModify is sent again under the same transaction number after a
    /// lost connection or primary, so that the server does it once; other writes are sent once only.
    borrowing func command(_ command: [UInt8], on database: String, _ kind: Kind) throws(MongoError) -> BSONDocument {
        var error = bson_error_t()
        var length: UInt32 = 0
        var succeeded = false
        let (concern, level): (WriteConcern?, String?) = switch kind {
        case .read: (nil, nil)
        case .readAt(let level): (nil, level)
        case .write(let concern): (concern, nil)
        }
        let reply = cmongoc_command(
            handle, database, command, command.count, concern != nil, concern == .journal, concern == .majority, level,
            &length, &succeeded, &error)
        defer { bson_free(reply) }
        let document = BSONDocument(Array(UnsafeBufferPointer(start: reply, count: Int(length))))
        guard succeeded else { throw MongoError(error, reply: document) }
        guard (try? BSONReader(document.bytes, in: document.range)) != nil else {
            throw MongoError(domain: .reply, description: "MongoDB's reply is not BSON")
        }
        return document
    }

    /// A client that belongs to nobody else, with a topology of its own: it looks for the server anew.
    static func withOwn<Result>(
        _ uri: MongoURI, timeout milliseconds: Int32,
        _ body: (borrowing MongoClient) throws(MongoError) -> Result
    ) throws(MongoError) -> Result {
        var error = bson_error_t()
        let options: MongoURI.Options = [
            ("serverselectiontimeoutms", milliseconds), ("connecttimeoutms", milliseconds),
            ("sockettimeoutms", milliseconds),
        ]
        let handle = uri.withHandle(overriding: options) { mongoc_client_new_from_uri_with_error($0, &error) }
        guard let handle else { throw MongoError(error, reply: nil) }
        defer { mongoc_client_destroy(handle) }
        mongoc_client_set_error_api(handle, MONGOC_ERROR_API_VERSION_2)
        return try body(MongoClient(handle))
    }
}
