import DequeModule
import Synchronization

/// A journal in this process's memory: what is in it is lost with the process.
package final class MemoryJournal: OperationJournal {
    private struct State {
        var waiting: [SessionID: Deque<Operation>] = [:]
        var claimed: Set<SessionID> = []
        /// Sessions that wait and are not claimed, oldest first.
        var ready: Deque<SessionID> = []
        var count = 0
        var bytes = 0
    }

    private let maxBytes: Int
    private let state = Mutex(State())

    /// - Parameter maxBytes: the most bytes that the waiting changes take up together.
    package init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    package func record(_ operation: Operation) throws(StoreError) {
        let operation = operation.detached
        try state.withLock { state throws(StoreError) in
            guard state.bytes + operation.footprint <= maxBytes else { throw .full }
            state.bytes += operation.footprint
            state.count += 1
            let isFirst = state.waiting[operation.session] == nil
            state.waiting[operation.session, default: []].append(operation)
            if isFirst, !state.claimed.contains(operation.session) { state.ready.append(operation.session) }
        }
    }

    package var count: Int { state.withLock(\.count) }

    /// The last eighth is left for what was let in before it was reached.
    package var hasRoom: Bool { state.withLock { $0.bytes < maxBytes - maxBytes / 8 } }

    package func newest(of session: SessionID) -> Operation? { state.withLock { $0.waiting[session]?.last } }

    package func claim() -> SessionID? {
        state.withLock { state in
            let session = state.ready.popFirst()
            if let session { state.claimed.insert(session) }
            return session
        }
    }

    package func release(_ session: SessionID) {
        state.withLock { state in
            state.claimed.remove(session)
            if state.waiting[session] != nil { state.ready.append(session) }
        }
    }

    package func oldest(of session: SessionID) -> Operation? { state.withLock { $0.waiting[session]?.first } }

    package func removeOldest(of session: SessionID) -> Bool {
        state.withLock { state in
            guard let operation = state.waiting[session]?.removeFirst() else { return true }
            state.count -= 1
            state.bytes -= operation.footprint
            guard state.waiting[session]?.isEmpty == true else { return false }
            state.waiting[session] = nil
            return true
        }
    }
}

extension Operation {
    /// About what the change takes up in memory.
    fileprivate var footprint: Int {
        let fixed = 512 + session.bytes.count
        switch change {
        case .append(let messages, _, _), .replace(let messages):
            return messages.reduce(fixed) { $0 + $1.json.count + 64 }
        case .delete: return fixed
        }
    }
}
