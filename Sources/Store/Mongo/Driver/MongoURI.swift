import CMongoC

/// The address is not one that libmongoc takes. The description names the fault and never the credentials.
package struct MongoURIError: Error, Equatable, CustomStringConvertible, Sendable {
    package let description: String
}

/// A checked connection string. It keeps what it says; what it leaves open is filled in when it is used.
package struct MongoURI: Sendable, Equatable {
    /// Settings in milliseconds or numbers, under the names that libmongoc has for them.
    typealias Options = [(name: String, value: Int32)]

    private let text: String
    /// Whether connections are to be encrypted.
    let usesTLS: Bool
    /// Whether the address says how durable a write is to be.
    let namesWriteConcern: Bool
    /// What the address says of how durable what is read is to be.
    let readConcern: String?

    package init(_ text: String) throws(MongoURIError) {
        // libmongoc reads up to the first NUL.
        guard !text.utf8.contains(0) else { throw MongoURIError(description: "it holds a NUL character") }
        var error = bson_error_t()
        guard let uri = mongoc_uri_new_with_error(text, &error) else {
            let message = withUnsafePointer(to: error) { String(cString: cmongoc_error_message($0)) }
            throw MongoURIError(description: Self.withoutValues(message))
        }
        let concern = mongoc_uri_get_write_concern(uri)
        namesWriteConcern = mongoc_write_concern_get_w(concern) != MONGOC_WRITE_CONCERN_W_DEFAULT
            || mongoc_write_concern_journal_is_set(concern)
        readConcern = mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri)).map { String(cString: $0) }
        usesTLS = mongoc_uri_get_tls(uri)
        mongoc_uri_destroy(uri)
        self.text = text
    }

    /// Lends the address to libmongoc.
    /// - Parameters:
    ///   - defaults: settings for what the address does not say.
    ///   - overriding: settings whatever the address says.
    func withHandle<Result>(
        defaults: Options = [], overriding: Options = [], _ body: (OpaquePointer) -> Result
    ) -> Result {
        guard let uri = mongoc_uri_new(text) else {
            preconditionFailure("An address that was taken once is taken again")
        }
        defer { mongoc_uri_destroy(uri) }
        for option in defaults where !mongoc_uri_has_option(uri, option.name) {
            mongoc_uri_set_option_as_int32(uri, option.name, option.value)
        }
        for option in overriding { mongoc_uri_set_option_as_int32(uri, option.name, option.value) }
        // Any worker is to read what another has just written, whatever the address says of reads.
        let primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY)
        defer { mongoc_read_prefs_destroy(primary) }
        mongoc_uri_set_read_prefs_t(uri, primary)
        // Commands such as hello take none; those that read sessions name it themselves.
        let none = mongoc_read_concern_new()
        defer { mongoc_read_concern_destroy(none) }
        mongoc_uri_set_read_concern(uri, none)
        if mongoc_uri_get_appname(uri) == nil { mongoc_uri_set_appname(uri, "session-fcgi") }
        return body(uri)
    }

    /// A connection string's scheme and hosts: all before them and behind them may hold credentials.
    package static func withoutSecrets(_ text: String) -> String {
        let scheme = text.hasPrefix("mongodb+srv://") ? "mongodb+srv://" : "mongodb://"
        let rest = text.dropFirst(scheme.count)
        // A password that is not percent-encoded as it should be may hold a slash or a question mark.
        guard let at = rest.lastIndex(of: "@") else { return scheme + rest.prefix { $0 != "/" && $0 != "?" } }
        return scheme + "(hidden)@" + rest[rest.index(after: at)...].prefix { $0 != "/" && $0 != "?" }
    }

    /// libmongoc repeats in its message the value that it did not take, a password for one.
    private static func withoutValues(_ message: String) -> String {
        if message.contains("sername") || message.contains("assword") {
            return "its user name or password holds characters that must be percent-encoded"
        }
        return String(message.prefix { $0 != ":" && $0 != "[" })
    }
}
