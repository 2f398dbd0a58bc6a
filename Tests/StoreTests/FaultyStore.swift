import Synchronization
import System

@testable import Store

/// A database in this process that can be taken away, and that applies an operation once, as MongoStore does.
final class FaultyStore: ReplayTarget {
    enum Fault {
        case none
        /// Nothing arrives.
        case unreachable
        /// Changes arrive, but their answers are lost.
        case answersLost
    }

    private struct State {
        var fault = Fault.none
        var applied: [OperationID: OperationResult] = [:]
        var calls = 0
    }

    let memory = MemoryStore(limits: StoreLimits(maxMessages: 10_000), maxBytes: 1 << 28)
    private let state = Mutex(State())

    var fault: Fault {
        get { state.withLock(\.fault) }
        set { state.withLock { $0.fault = newValue } }
    }

    /// How often the database was called, pings apart.
    var calls: Int { state.withLock(\.calls) }

    func apply(_ operation: Operation) throws(StoreError) -> OperationResult {
        try state.withLock { state throws(StoreError) in
            state.calls += 1
            if state.fault == .unreachable { throw .unavailable(reason: "unreachable") }
            if state.applied[operation.id] == nil { state.applied[operation.id] = try perform(operation) }
            if state.fault == .answersLost { throw .unavailable(reason: "answer lost") }
            return state.applied[operation.id]!
        }
    }

    var serverTime: Timestamp? { SystemClock().now }

    func ping() throws(StoreError) {
        if fault != .none { throw .unavailable(reason: "no sign of life") }
    }

    func create(_ id: SessionID, messages: [Message]) throws(StoreError) -> Stored<Session> {
        try ask { memory throws(StoreError) in try memory.create(id, messages: messages) }
    }

    func read(_ id: SessionID, last: Int?) throws(StoreError) -> Stored<Session?> {
        try ask { memory throws(StoreError) in Stored(try memory.read(id, last: last).value, in: .mongodb) }
    }

    func replace(
        _ id: SessionID, messages: [Message], condition: ReplaceCondition
    ) throws(StoreError) -> Stored<ReplaceResult> {
        try ask { memory throws(StoreError) in try memory.replace(id, messages: messages, condition: condition) }
    }

    func append(_ messages: [Message], to id: SessionID, key: IdempotencyKey?) throws(StoreError) -> Stored<AppendResult> {
        try ask { memory throws(StoreError) in try memory.append(messages, to: id, key: key) }
    }

    func delete(_ id: SessionID) throws(StoreError) -> Stored<Bool> {
        try ask { memory throws(StoreError) in try memory.delete(id) }
    }

    func cleanup(olderThanDays days: Int, dryRun: Bool) throws(StoreError) -> Stored<Int> {
        try ask { memory throws(StoreError) in try memory.cleanup(olderThanDays: days, dryRun: dryRun) }
    }

    func list(limit: Int, after cursor: SessionCursor?) throws(StoreError) -> Stored<SessionPage> {
        try ask { memory throws(StoreError) in try memory.list(limit: limit, after: cursor) }
    }

    var kind: StoreKind { status.kind }

    var status: StoreStatus {
        var status = memory.status
        status.mongo = fault == .none ? .connected : .disconnected
        status.isReady = fault == .none
        status.kind = .mongodb
        return status
    }

    private func ask<Value>(_ question: (MemoryStore) throws(StoreError) -> Value) throws(StoreError) -> Value {
        let fault = state.withLock { state in
            state.calls += 1
            return state.fault
        }
        if fault == .unreachable { throw .unavailable(reason: "unreachable") }
        let value = try question(memory)
        if fault == .answersLost { throw .unavailable(reason: "answer lost") }
        return value
    }

    private func perform(_ operation: Operation) throws(StoreError) -> OperationResult {
        switch operation.change {
        case .append(let messages, let key, _):
            .appended(try memory.append(messages, to: operation.session, key: key).value)
        case .replace(let messages):
            .replaced(try memory.replace(operation.session, messages: messages, condition: .none).value)
        case .delete: .deleted(try memory.delete(operation.session).value)
        }
    }
}
