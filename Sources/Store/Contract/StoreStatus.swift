import System

/// Which kind of store answered.
package enum StoreKind: String, Sendable { case memory, sqlite, mongodb }

/// Whether a service's primary can be used: the one truth about it, which whoever watches over it decides.
package enum Reachability: Sendable {
    /// There is no primary that could be lost.
    case notConfigured
    case reachable, unreachable
}

/// A store's view of itself, for the health routes.
package struct StoreStatus: Sendable, Equatable {
    /// Which kind of store answers now.
    package var kind: StoreKind
    package var primary: Reachability
    package var activeSessions: Int
    /// The TTL in force, in seconds.
    package var ttlSeconds: Int
    /// Whether a session could be read and written now.
    package var isReady: Bool
    /// Operations that were acknowledged and wait until the primary has them; nil without a standby.
    package var pendingOperations: Int?
    /// About how many bytes they take up.
    package var pendingBytes = 0
    /// When the oldest of them was taken, where that is known.
    package var oldestPending: Timestamp?
    /// Whether a standby answers in an unreachable primary's place.
    package var isStandbyInCharge = false

    package init(
        kind: StoreKind, primary: Reachability, activeSessions: Int, ttlSeconds: Int, isReady: Bool,
        pendingOperations: Int? = nil
    ) {
        self.kind = kind
        self.primary = primary
        self.activeSessions = activeSessions
        self.ttlSeconds = ttlSeconds
        self.isReady = isReady
        self.pendingOperations = pendingOperations
    }
}
