import Logging
import Synchronization
import System

/// MongoDB as long as it can be reached, and this worker's memory while it cannot.
///
/// A session is served from one side at a time. While the database is away, and afterwards until all of a session's
/// recorded changes are written, the session is served from memory, and each change is recorded in the journal
/// under the session's gate; whoever writes the last of them lets the memory's copy go under the same gate. A change
/// that failed on its way to the database may have arrived there, so it is recorded under the name that it was sent
/// with, and the database applies it once.
package final class FallbackStore<Primary: ReplayTarget>: SessionStore {
    /// What keeps the site talking while the database is away.
    package struct Secondary: Sendable {
        /// What this worker knows of its sessions. It must refuse rather than forget.
        let view: MemoryStore
        let journal: any OperationJournal

        package init(view: MemoryStore, journal: any OperationJournal) {
            self.view = view
            self.journal = journal
        }
    }

    private final class Gate: Sendable {
        let lock = Mutex<Void>(())
    }

    let primary: Primary
    let secondary: Secondary?
    let logger: Logger
    let breaker = Breaker()
    /// Signalled when there is something for the background threads to do.
    let watchWakeup = Wakeup()
    let replayWakeup = Wakeup()
    let isClosing = Atomic<Bool>(false)
    private let lastComplaint = Mutex<ContinuousClock.Instant?>(nil)
    private let gates = (0..<64).map { _ in Gate() }

    /// - Parameter secondary: nil to refuse everything while the database is away.
    package init(primary: Primary, secondary: Secondary?, logger: Logger) {
        self.primary = primary
        self.secondary = secondary
        self.logger = logger
    }

    // MARK: Changes

    package func append(
        _ messages: [Message], to id: SessionID, key: IdempotencyKey?
    ) throws(StoreError) -> Stored<AppendResult> {
        let operation = Operation(id: .random(), session: id, change: .append(messages, key: key, answer: nil))
        if case .appended(let result) = try applyDirectly(operation) { return Stored(result, in: .mongodb) }
        return try changeMemory(of: id) { secondary throws(StoreError) in
            var result = try secondary.view.append(messages, to: id, key: key).value
            result.isPartial = true
            if !result.isReplay {
                let change = Operation.Change.append(messages, key: key, answer: result)
                try record(Operation(id: operation.id, session: id, change: change), in: secondary)
            }
            return result
        }
    }

    package func replace(
        _ id: SessionID, messages: [Message], condition: ReplaceCondition
    ) throws(StoreError) -> Stored<ReplaceResult> {
        guard condition == .none else {
            // What memory knows does not show whether the condition holds.
            return try askPrimary(about: id) { primary throws(StoreError) in
                try primary.replace(id, messages: messages, condition: condition)
            }
        }
        let operation = Operation(id: .random(), session: id, change: .replace(messages))
        if case .replaced(let result) = try applyDirectly(operation) { return Stored(result, in: .mongodb) }
        return try changeMemory(of: id) { secondary throws(StoreError) in
            let result = try secondary.view.replace(id, messages: messages, condition: .none).value
            try record(operation, in: secondary)
            var session = result.session
            session.isPartial = true
            return ReplaceResult(session: session, created: result.created)
        }
    }

    package func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Stored<Session> {
        try askPrimary(about: id) { primary throws(StoreError) in try primary.create(id, messages: messages) }
    }

    package func delete(_ id: SessionID) throws(StoreError) -> Stored<Bool> {
        let operation = Operation(id: .random(), session: id, change: .delete, takenAt: primary.serverTime)
        if case .deleted(let existed) = try applyDirectly(operation) { return Stored(existed, in: .mongodb) }
        return try changeMemory(of: id) { secondary throws(StoreError) in
            // Whether the database holds the session nobody knows; only a second deletion is known to be one.
            if secondary.journal.newest(of: id)?.change == .delete { return false }
            try secondary.journal.record(operation)
            _ = try secondary.view.delete(id)
            return true
        }
    }

    // MARK: Questions

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?> {
        let beginsInMemory = isServedFromMemory(id)
        if !beginsInMemory {
            do throws(StoreError) {
                return try primary.read(id, last: last)
            } catch {
                try noteFailure(error)
            }
        }
        if let known = try readMemory(id, last: last) { return known }
        // The last recorded change may have been written between the two looks.
        guard beginsInMemory else { throw away }
        return try askPrimary(about: id) { primary throws(StoreError) in try primary.read(id, last: last) }
    }

    /// What this worker knows of a session; nil where it knows nothing.
    private func readMemory(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?>? {
        guard let secondary else { return nil }
        return try gate(of: id).lock.withLock { _ throws(StoreError) in
            if var session = try secondary.view.read(id, last: last).value {
                session.isPartial = true
                return Stored(session, in: .memory)
            }
            return secondary.journal.newest(of: id)?.change == .delete ? Stored(nil, in: .memory) : nil
        }
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool) throws(StoreError) -> Stored<Int> {
        try askPrimary(about: nil) { primary throws(StoreError) in
            try primary.cleanup(olderThanDays: days, dryRun: dryRun)
        }
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> Stored<SessionPage> {
        try askPrimary(about: nil) { primary throws(StoreError) in try primary.list(limit: limit, after: cursor) }
    }

    package var status: StoreStatus {
        var status = primary.status
        status.pendingOperations = secondary?.journal.count
        guard breaker.isOpen else {
            // A connection that has just been lost may be back before a request has noticed.
            status.mongo = .connected
            return status
        }
        status.mongo = .disconnected
        status.isReady = secondary?.journal.hasRoom ?? false
        if let secondary {
            let view = secondary.view.status
            status.kind = .memory
            status.activeSessions = view.activeSessions
            status.isReady = status.isReady && view.isReady
        }
        return status
    }

    package var kind: StoreKind { breaker.isOpen && secondary != nil ? .memory : .mongodb }

    // MARK: One side or the other

    var away: StoreError { .unavailable(reason: "MongoDB is away") }

    /// Runs a change of what memory knows of a session, and of what is recorded for it, alone with the session.
    func atGate<Result: Sendable>(
        of id: SessionID, _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try gate(of: id).lock.withLock { _ throws(StoreError) in try body() }
    }

    private func changeMemory<Value: Sendable>(
        of id: SessionID, _ change: (Secondary) throws(StoreError) -> Value
    ) throws(StoreError) -> Stored<Value> {
        guard let secondary else { throw away }
        guard secondary.journal.hasRoom else { throw .full }
        let value = try atGate(of: id) { () throws(StoreError) in
            // Nobody would write it any more.
            guard !isClosing.load(ordering: .acquiring) else { throw away }
            return try change(secondary)
        }
        replayWakeup.signal()
        return Stored(value, in: .memory)
    }

    /// Records a change that memory's copy already has.
    private func record(_ operation: Operation, in secondary: Secondary) throws(StoreError) {
        do {
            try secondary.journal.record(operation)
        } catch {
            // A repetition with the key must not be answered from a copy of what will never be written.
            _ = try secondary.view.delete(operation.session)
            throw error
        }
    }

    /// Gives an operation to the database; nil where memory is to take it.
    private func applyDirectly(_ operation: Operation) throws(StoreError) -> OperationResult? {
        if isServedFromMemory(operation.session) { return nil }
        do {
            return try primary.apply(operation)
        } catch {
            try noteFailure(error)
            return nil
        }
    }

    /// Asks what only the database can answer.
    private func askPrimary<Value>(
        about id: SessionID?, _ question: (Primary) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        if id.map(isServedFromMemory) ?? breaker.isOpen { throw away }
        do {
            return try question(primary)
        } catch {
            try noteFailure(error)
            throw error
        }
    }

    private func isServedFromMemory(_ id: SessionID) -> Bool {
        if breaker.isOpen { return true }
        guard let journal = secondary?.journal, journal.count > 0 else { return false }
        return journal.newest(of: id) != nil
    }

    /// Notices a database that is away; throws on what any other error was.
    private func noteFailure(_ error: StoreError) throws(StoreError) {
        guard case .unavailable(let reason) = error else { throw error }
        noteUnavailability(reason)
    }

    /// A call has failed for reasons of the database: it is away, or it answers and refuses.
    func noteUnavailability(_ reason: String) {
        if breaker.recordFailure(databaseIsHeard: primary.status.isReady) { return announceLoss(reason) }
        guard !breaker.isOpen else { return }
        let isDue = lastComplaint.withLock { last in
            if let last, .now - last < Self.complaintInterval { return false }
            last = .now
            return true
        }
        if isDue {
            logger.warning("MongoDB answers, but a request to it has failed.", metadata: ["cause": "\(reason)"])
        }
    }

    private static var complaintInterval: Duration { .seconds(10) }

    private func gate(of id: SessionID) -> Gate {
        gates[Int(UInt(bitPattern: id.hashValue) % UInt(gates.count))]
    }
}
