/// What `session-fcgi check` says of MongoDB.
package struct MongoDiagnosis: Sendable {
    /// "6.0.5".
    package var serverVersion: String?
    /// "standalone", "replica set rs0 (primary)", "sharded cluster".
    package var topology: String?
    /// The quickest of three empty commands.
    package var latencyMicroseconds: Int?
    /// The indexes of the collection, as they are.
    package var indexes: [String] = []
    /// What the worker will do to them when it starts.
    package var plan: [String] = []
    /// What is wrong, and which setting to change; nil where all is well.
    package var problem: String?
}

extension MongoStore {
    /// Connects, looks around, and changes nothing. Takes at most a few seconds.
    package func diagnose() -> MongoDiagnosis {
        var diagnosis = MongoDiagnosis()
        let (indexes, database) = (sessions.indexes, sessions.database)
        do {
            try MongoClient.withOwn(sessions.uri, timeout: 3000) { client throws(MongoError) in
                let hello = try client.command(MongoCommand.hello, on: database, .read)
                diagnosis.topology = Self.topology(hello)
                let build = try client.command(MongoCommand.buildInfo, on: database, .read)
                diagnosis.serverVersion = build.string("version").map { String(decoding: $0, as: UTF8.self) }
                diagnosis.latencyMicroseconds = try Self.latency(client, database)
                let present = try indexes.list(client)
                diagnosis.indexes = present.map(\.description)
                diagnosis.plan = indexes.plan(for: present).map(\.description)
                _ = try sessions.probe(client)
            }
        } catch {
            diagnosis.problem = error.advice(usesTLS: sessions.uri.usesTLS)
        }
        return diagnosis
    }

    private static func topology(_ hello: BSONDocument) -> String {
        if hello.string("msg")?.elementsEqual("isdbgrid".utf8) == true { return "sharded cluster" }
        guard let name = hello.string("setName") else { return "standalone" }
        let role = hello.boolean("isWritablePrimary") == true ? "primary" : "no primary"
        return "replica set \(String(decoding: name, as: UTF8.self)) (\(role))"
    }

    private static func latency(_ client: borrowing MongoClient, _ database: String) throws(MongoError) -> Int {
        var best = Duration.seconds(60)
        for _ in 0..<3 {
            let start = ContinuousClock.now
            _ = try client.command(MongoCommand.ping, on: database, .read)
            best = min(best, start.duration(to: .now))
        }
        return Int(best / .microseconds(1))
    }
}

extension MongoError {
    /// The error, and which setting to look at.
    func advice(usesTLS: Bool) -> String {
        "\(description). \(hint(usesTLS))"
    }

    private func hint(_ usesTLS: Bool) -> String {
        if domain == .authentication || (domain == .server && (code == 18 || code == 8000)) {
            return "The server does not take the user name or password in MONGO_URI "
                + "(or authSource names the wrong database)."
        }
        if domain == .server, code == 13 {
            return "The server asks for a user with the role readWrite on MONGO_DATABASE: "
                + "put its name and password into MONGO_URI."
        }
        var text = description.lowercased()
        // A server without TLS may hang up before libmongoc can say so.
        if usesTLS, text.contains("closed") { text += " tls" }
        let hint = Self.hints.first { $0.words.contains(where: text.contains) }?.hint
        return hint ?? "Check MONGO_URI."
    }

    /// By words of libmongoc's messages, in small letters.
    private static let hints: [(words: [String], hint: String)] = [
        (["not primary", "not the primary"],
            "The replica set has no primary, or MONGO_URI names one member only: name all members, "
                + "and the set as replicaSet=."),
        (["tls", "ssl", "certificate"],
            "The encrypted connection failed: check tls=, tlsCAFile= and tlsCertificateKeyFile= in MONGO_URI."),
        (["resolve", "resolution", "dns", "srv"],
            "The host name in MONGO_URI is not known: check its spelling and this machine's DNS."),
        (["refused"], "Nothing listens at the address in MONGO_URI: check host and port, and that mongod runs."),
        (["timeout", "timed out"],
            "The address in MONGO_URI does not answer: check the firewall (on Atlas: the IP access list)."),
        (["closed", "socket error", "reset"], "The server hung up: it may want TLS (tls=true in MONGO_URI)."),
    ]
}
