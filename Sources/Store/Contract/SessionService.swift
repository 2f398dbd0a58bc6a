/// Sessions as the routes ask for them, whatever keeps them: of one store, or of a primary with its standby.
///
/// It is used from many threads at once, and its calls block.
package protocol SessionService: Sendable {
    /// Makes a change, and says who has made it. Throws what `SessionStore.apply` throws.
    func answer(to operation: Operation) throws(StoreError) -> Answer<Outcome>

    /// Looks for a session, and says who has found it or not. Throws what `SessionStore.read` throws.
    func answer(toReading id: SessionID, last: Int?) throws(StoreError) -> Answer<Session?>

    /// Up to `limit` sessions behind `cursor`, newest first. Throws `.unavailable`, `.failed`.
    func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage

    /// Deletes the sessions not updated within the last `days` days, or only counts them.
    /// Throws `.unavailable`, `.failed`.
    /// - Parameter progress: is told now and then how many sessions were deleted so far.
    func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int

    /// What the service knows of itself without asking anybody: it costs the same whatever there is in the store,
    /// and does not block.
    var status: StoreStatus { get }

    /// Which kind of store answers now: `status.kind`, for less.
    var kind: StoreKind { get }
}

extension SessionService {
    /// Makes a session that must not exist yet. Throws `.exists`, `.tooLarge`, `.full`, `.unavailable`, `.failed`.
    package func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Answer<Outcome> {
        do {
            return try replace(id, messages: messages, condition: .absent)
        } catch {
            throw error == .conditionFailed ? .exists : error
        }
    }

    /// Replaces a session's messages, or makes the session.
    package func replace(
        _ id: SessionID, messages: [Message], condition: Condition = .none
    ) throws(StoreError) -> Answer<Outcome> {
        try answer(to: Operation(of: id, .replace(messages, condition)))
    }

    package func append(
        _ messages: [Message], to id: SessionID, key: IdempotencyKey? = nil
    ) throws(StoreError) -> Answer<Outcome> {
        try answer(to: Operation(of: id, .append(messages, key: key)))
    }

    package func delete(_ id: SessionID) throws(StoreError) -> Answer<Outcome> {
        try answer(to: Operation(of: id, .delete))
    }
}

/// A result, and which of a service's stores it is from.
package struct Answer<Value: Sendable>: Sendable {
    package let value: Value
    package let source: StoreKind
    /// Whether the primary, which may hold more of the session, could not be asked.
    package let isPartial: Bool

    package init(_ value: Value, from source: StoreKind, isPartial: Bool) {
        self.value = value
        self.source = source
        self.isPartial = isPartial
    }
}

extension Answer: Equatable where Value: Equatable {}
