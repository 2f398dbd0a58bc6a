/// The question whether sessions can be read and written now.
struct MongoProbe: Sendable {
    /// How long a probe over a connection of its own waits for each step.
    static let timeoutMilliseconds: Int32 = 1000

    let database: String
    let collection: [UInt8]

    /// How many sessions there are, as the collection's metadata has it. Throws where the server is no primary,
    /// or where it does not let us read.
    func countSessions(_ client: borrowing MongoClient) throws(MongoError) -> Int {
        let hello = try client.command(MongoCommand.hello, on: database, .read)
        guard hello.boolean("isWritablePrimary") == true || hello.boolean("ismaster") == true else {
            throw MongoError(domain: .network, description: "the server is not the primary")
        }
        let count = BSONWriter.document { $0.string("count", collection) }
        return Int(try client.command(count, on: database, .read).integer("n") ?? 0)
    }
}
