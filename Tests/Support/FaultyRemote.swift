import Store
import Synchronization
import System

/// A primary in this process that can be taken away, and that applies an operation once, as MongoStore does.
package final class FaultyRemote: RemoteStore {
    package enum Fault: Sendable, CaseIterable {
        case none
        /// Nothing arrives.
        case unreachable
        /// Changes are made, but their answers are lost.
        case answersLost
        /// Changes arrive and wait; they are made when the fault ends, though nobody has had an answer.
        case frozen
    }

    /// Where a call is when it is interrupted.
    package enum Moment: Sendable {
        case arriving, answering
    }

    private struct State {
        var fault = Fault.none
        var healthCheck: Bool?
        var calls = 0
        /// What the operations on each session have done, since it was made.
        var applied: [SessionID: [OperationID: Outcome]] = [:]
        var frozen: [Operation] = []
        var interruption: (@Sendable (Moment) -> Void)?
    }

    /// What it keeps.
    package let memory: MemoryStore
    private let clock: any WallClock
    private let state = Mutex(State())

    package init(
        _ fault: Fault = .none, limits: StoreLimits = StoreLimits(maxMessages: 10_000),
        clock: some WallClock = SystemClock()
    ) {
        memory = MemoryStore(limits: limits, maxBytes: 1 << 28, clock: clock)
        self.clock = clock
        self.fault = fault
    }

    package var fault: Fault {
        get { state.withLock(\.fault) }
        set {
            state.withLock { state in
                state.fault = newValue
                guard newValue != .frozen else { return }
                for operation in state.frozen { _ = perform(operation, &state) }
                state.frozen = []
            }
        }
    }

    /// What the health check says, whatever the fault; nil for the truth.
    package var healthCheck: Bool? {
        get { state.withLock(\.healthCheck) }
        set { state.withLock { $0.healthCheck = newValue } }
    }

    /// Is called in the middle of every call, on its thread, to let others come between.
    package var interruption: (@Sendable (Moment) -> Void)? {
        get { state.withLock(\.interruption) }
        set { state.withLock { $0.interruption = newValue } }
    }

    /// How often it was called, probes apart.
    package var calls: Int { state.withLock(\.calls) }

    // MARK: The contract

    package func apply(_ operation: Operation) throws(StoreError) -> Outcome {
        try answer { state throws(StoreError) in
            guard state.fault != .frozen else {
                state.frozen.append(operation)
                throw .unavailable(reason: "frozen")
            }
            return self.perform(operation, &state)
        }
    }

    package func read(_ id: SessionID, last: Int?) throws(StoreError) -> Session? {
        try ask { () throws(StoreError) in try memory.read(id, last: last) }
    }

    package func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> SessionPage {
        try ask { () throws(StoreError) in try memory.list(limit: limit, after: cursor) }
    }

    package func cleanup(olderThanDays days: Int, dryRun: Bool, progress: (Int) -> Void) throws(StoreError) -> Int {
        try ask { () throws(StoreError) in
            try memory.cleanup(olderThanDays: days, dryRun: dryRun, progress: progress)
        }
    }

    package func probe() throws(StoreError) {
        if fault != .none { throw .unavailable(reason: "no sign of life") }
    }

    package var kind: StoreKind { .mongodb }

    package var isHealthy: Bool { state.withLock { $0.healthCheck ?? ($0.fault == .none) } }

    package var serverTime: Timestamp? { clock.now }

    package var status: StoreStatus {
        var status = memory.status
        status.kind = kind
        status.primary = isHealthy ? .reachable : .unreachable
        status.isReady = isHealthy
        return status
    }

    // MARK: How calls fail

    private func ask<Value>(_ question: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        try answer { state throws(StoreError) in
            guard state.fault != .frozen else { throw .unavailable(reason: "frozen") }
            return Result(catching: question)
        }
    }

    /// Carries out a call between its arrival and its answer.
    private func answer<Value>(
        _ call: (inout State) throws(StoreError) -> Result<Value, StoreError>
    ) throws(StoreError) -> Value {
        interruption?(.arriving)
        let result = try state.withLock { state throws(StoreError) in
            state.calls += 1
            guard state.fault != .unreachable else { throw .unavailable(reason: "unreachable") }
            return try call(&state)
        }
        interruption?(.answering)
        // A refusal is an answer, too.
        guard fault == .none else { throw .unavailable(reason: "the answer is lost") }
        return try result.get()
    }

    private func perform(_ operation: Operation, _ state: inout State) -> Result<Outcome, StoreError> {
        Result { () throws(StoreError) in
            let id = operation.session
            if let known = state.applied[id]?[operation.id] { return known }
            guard operation.change == .delete else {
                let outcome = try memory.apply(operation)
                state.applied[id, default: [:]][operation.id] = outcome
                return outcome
            }
            let updatedAt = try memory.read(id, last: 0)?.updatedAt
            if let takenAt = operation.takenAt, let updatedAt, updatedAt > takenAt { return Outcome(existed: false) }
            state.applied[id] = nil
            return try memory.apply(operation)
        }
    }
}
