/// A client's name for one append, so that a repetition is known for what it is.
package struct IdempotencyKey: Sendable, Hashable {
    package let key: String
    /// A hash of the request's body: the same key with another body is refused.
    package let fingerprint: Int64

    package init(key: String, fingerprint: Int64) {
        self.key = key
        self.fingerprint = fingerprint
    }

    /// - Parameter body: the request's, of which the fingerprint is FNV-1a with 64 bits: the same in every worker and
    ///   every release, since other workers compare it.
    package init(key: String, body: [UInt8]) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in body { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        self.init(key: key, fingerprint: Int64(bitPattern: hash))
    }
}
