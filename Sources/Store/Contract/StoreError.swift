/// Everything that a store can answer instead of a result.
package enum StoreError: Error, Equatable, Sendable {
    /// `create`: there is a session of that id.
    case exists
    /// A replacement: the session is not in the state that the condition names.
    case conditionFailed
    /// An append: the idempotency key was used on this session with another body.
    case keyReused
    /// The messages cannot be kept even in an empty session.
    case tooLarge(limit: Int)
    /// The store takes no new messages until it has given away what it holds.
    case full
    /// The store cannot be reached, or what it was asked cannot be known without it. `reason` is for the log.
    case unavailable(reason: String)
    /// The store answered what it never should; `reason` is for the log.
    case failed(reason: String)
}

extension StoreError {
    package var isUnavailability: Bool { if case .unavailable = self { true } else { false } }

    /// For the log.
    package var reason: String {
        switch self {
        case .unavailable(let reason), .failed(let reason): reason
        default: "\(self)"
        }
    }
}
