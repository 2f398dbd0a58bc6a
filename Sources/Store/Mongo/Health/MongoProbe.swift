import System

/// What a server says of itself when sessions can be read and written.
struct MongoProbe {
    /// How many sessions there are, as the collection's metadata has it.
    let sessions: Int
    let writeConcern: MongoClient.WriteConcern
    /// The server's clock.
    let time: Timestamp?

    /// How long a probe over a connection of its own waits for each step.
    static let timeoutMilliseconds: Int32 = 1000
}

extension SessionCollection {
    /// Throws where the server is no primary, or where it does not let us read.
    func probe(_ client: borrowing MongoClient) throws(MongoError) -> MongoProbe {
        let hello = try client.command(MongoCommand.hello, on: database, .read)
        guard hello.boolean("isWritablePrimary") == true || hello.boolean("ismaster") == true else {
            throw MongoError(domain: .network, description: "the server is not the primary")
        }
        let count = BSONWriter.document { $0.string("count", name) }
        return MongoProbe(
            sessions: try client.command(count, on: database, .read).count(of: "n"),
            writeConcern: Self.writeConcern(hello), time: hello.date("localTime"))
    }

    /// In a set with an arbiter a majority of those that keep data may be more than are left when one of them is
    /// lost; whether writes are to wait then is the operator's to say.
    private static func writeConcern(_ hello: BSONDocument) -> MongoClient.WriteConcern {
        if hello["setName"] == nil, hello["msg"] == nil { return .journal }
        return hello["arbiters"] == nil ? .majority : .standard
    }
}
