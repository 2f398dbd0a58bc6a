import DequeModule
import Glibc
import Synchronization

/// Lets appends that wait at the same moment share one command (group commit).
///
/// Most of what an append costs the server is the command and its wait for the journal, whatever is in it. So while
/// one is under way, those that come gather; when it is done, the first of them takes them along, each session at most
/// once. An append that comes while none is under way goes at once, by itself. No thread waits for company.
final class AppendQueue: Sendable {
    /// How many commands may be under way at once.
    private static let maxCommands = 2
    /// How many appends, and how many bytes of messages, share a command at most.
    private static let maxTogether = 64
    private static let maxBytesTogether = 4 << 20

    private struct State {
        var commands = 0
        var waiting: Deque<Waiter> = []
    }

    private let state = Mutex(State())

    /// Makes an append, alone or together with others that wait. Throws what `SessionStore.append` throws.
    func append(_ update: SessionUpdate, to id: SessionID, in store: MongoStore) throws(StoreError) -> AppendResult {
        let append = SessionAppend(update: update, id: id)
        let waiter = state.withLock { state -> Waiter? in
            guard state.commands == Self.maxCommands else {
                state.commands += 1
                return nil
            }
            let waiter = Waiter(append)
            state.waiting.append(waiter)
            return waiter
        }
        guard let waiter else { return try lead([append], others: [], in: store) }
        switch waiter.wait() {
        case .done(let result): return try result.get()
        case .lead(let others): return try lead([append] + others.map(\.append), others: others, in: store)
        }
    }

    /// Sends appends, the first of which is the caller's own, and hands over to those that wait.
    private func lead(
        _ appends: [SessionAppend], others: [Waiter], in store: MongoStore
    ) throws(StoreError) -> AppendResult {
        let results = send(appends, in: store)
        if let error = results[0].unavailability, results.allSatisfy({ $0.unavailability != nil }) {
            // The server is away: those that wait would find the same, one after another.
            for waiter in takeAll() { waiter.finish(.done(.failure(error))) }
        }
        handOver()
        for (waiter, result) in zip(others, results.dropFirst()) { waiter.finish(.done(result)) }
        return try results[0].get()
    }

    private func send(_ appends: [SessionAppend], in store: MongoStore) -> [Result<AppendResult, StoreError>] {
        do throws(StoreError) {
            if appends.count > 1 { return try store.appendTogether(appends) }
        } catch {
            if case .unavailable = error { return appends.map { _ in .failure(error) } }
            // One of them is at fault for the whole command; by itself each finds its own outcome.
        }
        var unavailability: StoreError?
        return appends.map { append in
            if let unavailability { return .failure(unavailability) }
            do throws(StoreError) {
                return .success(try store.appendAlone(append.update, to: append.id))
            } catch {
                if case .unavailable = error { unavailability = error }
                return .failure(error)
            }
        }
    }

    /// Lets the first of those that wait lead the next command, with others along whose sessions are all different.
    private func handOver() {
        let next = state.withLock { state -> (leader: Waiter, others: [Waiter])? in
            guard let leader = state.waiting.popFirst() else {
                state.commands -= 1
                return nil
            }
            var sessions: Set = [leader.append.id]
            var bytes = leader.append.update.batch.byteCount
            var others: [Waiter] = []
            var staying: Deque<Waiter> = []
            while let waiter = state.waiting.popFirst() {
                let hasRoom = others.count + 1 < Self.maxTogether
                    && bytes + waiter.append.update.batch.byteCount <= Self.maxBytesTogether
                // A session's appends go one after another.
                if hasRoom, sessions.insert(waiter.append.id).inserted {
                    bytes += waiter.append.update.batch.byteCount
                    others.append(waiter)
                } else {
                    staying.append(waiter)
                }
            }
            state.waiting = staying
            return (leader, others)
        }
        if let next { next.leader.finish(.lead(next.others)) }
    }

    private func takeAll() -> Deque<Waiter> {
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }
}

/// An append that waits for a command to go with, or for its outcome.
private final class Waiter: @unchecked Sendable {
    // `outcome` is written once before the semaphore is posted, and read once after it was waited for.

    enum Outcome {
        case done(Result<AppendResult, StoreError>)
        /// The append is to be sent by its own thread, together with these.
        case lead([Waiter])
    }

    let append: SessionAppend
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private var outcome: Outcome?

    init(_ append: SessionAppend) {
        self.append = append
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func finish(_ outcome: Outcome) {
        self.outcome = outcome
        sem_post(semaphore)
    }

    func wait() -> Outcome {
        while sem_wait(semaphore) != 0 {}
        guard let outcome else { preconditionFailure("a waiter was woken without an outcome") }
        return outcome
    }
}

extension Result<AppendResult, StoreError> {
    fileprivate var unavailability: StoreError? {
        if case .failure(let error) = self, case .unavailable = error { error } else { nil }
    }
}
