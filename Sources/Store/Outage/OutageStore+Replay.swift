/// Giving the primary what waits in the standby.
extension OutageStore {
    enum Replay: Equatable {
        case applied
        /// Nothing waits that could be replayed now.
        case nothing
        case failed
    }

    /// Takes charge of one session's oldest operations, and gives them to the primary in their order, up to the first
    /// that fails.
    func replayLease() -> Replay {
        guard isReachable, let standby else { return .nothing }
        do throws(StoreError) {
            guard let lease = try standby.lease() else { return .nothing }
            var applied = 0
            var failure: StoreError?
            for operation in lease.operations where failure == nil && !isClosing.load(ordering: .acquiring) {
                do throws(StoreError) {
                    try replay(operation)
                    applied += 1
                } catch {
                    failure = error
                }
            }
            let refusal = failure.flatMap { $0.isUnavailability ? nil : $0 }
            try standby.settle(lease, applied: applied, refusal: refusal)
            if let failure { throw failure }
            return .applied
        } catch {
            do throws(StoreError) {
                try noteFailure(error)
            } catch {
                report(.replayFailed(reason: error.reason))
            }
            return .failed
        }
    }

    private func replay(_ operation: Operation) throws(StoreError) {
        do {
            _ = try primary.apply(operation)
        } catch {
            // The key was used in the primary for another body, which nobody could know when this one was acknowledged:
            // its messages are kept all the same.
            guard error == .keyReused, case .append(let messages, _) = operation.change else { throw error }
            let append = Operation.Change.append(messages, key: nil)
            _ = try primary.apply(
                Operation(operation.id, of: operation.session, append, outcomeTold: operation.outcomeTold))
        }
    }
}
