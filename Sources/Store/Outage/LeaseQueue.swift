import DequeModule

/// The operations that wait in a standby, by session, and who is in charge of them: a value without lock or thread.
/// A session's operations are leased to one at a time, in their order; sessions in the order in which they came.
struct LeaseQueue: Sendable {
    private var waiting: [SessionID: Deque<Operation>] = [:]
    private var leased: Set<SessionID> = []
    /// Sessions with waiting operations that are not leased.
    private var ready: Deque<SessionID> = []
    private(set) var count = 0
    /// About what the waiting operations take up.
    private(set) var bytes = 0

    mutating func append(_ operation: Operation) {
        bytes += operation.footprint
        count += 1
        let isFirst = waiting[operation.session] == nil
        waiting[operation.session, default: []].append(operation)
        if isFirst { ready.append(operation.session) }
    }

    func newest(of session: SessionID) -> Operation? { waiting[session]?.last }

    mutating func lease() -> Lease? {
        guard let session = ready.popFirst(), let operations = waiting[session] else { return nil }
        leased.insert(session)
        return Lease(session: session, operations: Array(operations.prefix(Lease.maximumOperations)))
    }

    /// Returns whether nothing of the session waits any more.
    mutating func settle(_ lease: Lease, applied: Int) -> Bool {
        precondition(leased.remove(lease.session) != nil && applied <= lease.operations.count)
        for operation in lease.operations.prefix(applied) { bytes -= operation.footprint }
        count -= applied
        waiting[lease.session]?.removeFirst(applied)
        if waiting[lease.session]?.isEmpty == false {
            ready.append(lease.session)
            return false
        }
        waiting[lease.session] = nil
        return true
    }
}

extension Operation {
    /// About what the operation takes up in memory.
    var footprint: Int {
        let fixed = 512 + session.bytes.count
        switch change {
        case .append(let messages, _), .replace(let messages, _):
            return messages.reduce(fixed) { $0 + $1.json.count + 64 }
        case .delete: return fixed
        }
    }
}
