/// What a store keeps of a session, and how long.
package struct StoreLimits: Sendable, Equatable {
    /// Only the newest messages are kept. The default is 30.
    package var maxMessages = 30
    /// The most bytes that a session's messages have together; the oldest go first. The default is 8 MiB.
    package var maxSessionBytes = 8 << 20
    /// A session that was not updated for this long is expired; 0 means never. The default is a week.
    package var ttlSeconds = 604_800

    /// At least this many idempotency keys of a session are remembered.
    package static let rememberedKeys = 64

    package init(maxMessages: Int = 30, maxSessionBytes: Int = 8 << 20, ttlSeconds: Int = 604_800) {
        self.maxMessages = maxMessages
        self.maxSessionBytes = maxSessionBytes
        self.ttlSeconds = ttlSeconds
    }
}
