import System
import TestSupport

@testable import Store

/// Clients, faults and time around an `OutageStore`, as a seed has them, on one thread. In the middle of each call to
/// the primary others may come between: another client's call, a replay, a look at the primary, the next fault.
///
/// Each client has a session of its own, of which the model knows exactly what is to be in it. One that all append to
/// and one that all do anything with are held to what is true in whatever order things happen.
final class OutageSimulation: @unchecked Sendable {
    // It is used on one thread: what calls it back does so on the one that runs it.

    /// How often things have happened that a test of outages is about.
    struct Tally {
        var interruptions = 0
        var losses = 0
        var recoveries = 0
        var replays = 0
        var restarts = 0
        var failedReplays = 0
        var partialAnswers = 0
        var wholeAnswers = 0
        var refusals: [String: Int] = [:]
    }

    private struct Client {
        var isBusy = false
        var texts = 0
        /// What the client repeats until it is answered.
        var unanswered: (session: Int, request: Request)?
    }

    private typealias Request = SessionModel.Request

    private(set) var tally = Tally()
    private var generator: SeededGenerator
    private let clock = ManualClock()
    private let primary: FaultyRemote
    private let standby: any Standby
    private let restart: () throws -> Void
    private let store: OutageStore
    /// A standby that is often full. The primary does not freeze then: what it makes late of an operation that nobody
    /// has taken follows changes that were made after it.
    private let isSmall: Bool
    private var clients = [Client](repeating: Client(), count: 3)
    private var sessions: [SessionModel]
    private var depth = 0
    private var violation: Violation?
    /// What has happened, where one seed is run alone.
    private var trace: [String] = []

    /// - Parameter folder: where the standby keeps its file; nil for one in memory.
    init(_ seed: UInt64, in folder: StateFolder? = nil) throws {
        generator = SeededGenerator(seed)
        isSmall = Int.random(in: 0..<4, using: &generator) == 0
        let maxBytes = isSmall ? Int.random(in: 10_000...40_000, using: &generator) : 1 << 28
        primary = FaultyRemote(clock: clock)
        let limits = StoreLimits(maxMessages: 10_000)
        let viewBytes: Int
        if let folder {
            let standby = try RestartingStandby { [clock] in
                try SQLiteStandby(
                    in: try folder.directory(), target: "primary", limits: limits, maxBytes: maxBytes, clock: clock)
            }
            self.standby = standby
            restart = standby.restart
            viewBytes = limits.maxSessionBytes
        } else {
            standby = MemoryStandby(limits: limits, maxBytes: maxBytes, clock: clock)
            restart = {}
            viewBytes = maxBytes / 4
        }
        sessions = clients.indices.map { SessionModel("own-\($0)", .owned(by: $0), viewBytes: viewBytes) }
        sessions.append(SessionModel("shared", .appendedTo, viewBytes: viewBytes))
        sessions.append(SessionModel("wild", .anything, viewBytes: viewBytes))
        let (start, began) = (ContinuousClock.now, clock.now)
        store = OutageStore(
            primary: primary, standby: standby,
            now: { [clock] in start + .milliseconds(clock.now.milliseconds - began.milliseconds) }, report: { _ in })
    }

    /// Throws a `Violation` where what must hold does not.
    func run(steps: Int) throws {
        primary.interruption = { [unowned self] moment in interrupt(moment) }
        do {
            for _ in 0..<steps {
                step()
                if let violation { throw violation }
            }
            try heal()
            for session in sessions { try session.check(stored: try stored(session.id)) }
        } catch {
            primary.interruption = nil
            guard let violation = error as? Violation, isOneSeedAlone else { throw error }
            throw Violation("\(violation)\n\(trace.joined(separator: "\n"))")
        }
    }

    // MARK: What happens

    private func interrupt(_ moment: FaultyRemote.Moment) {
        guard depth < 3, Int.random(in: 0..<4, using: &generator) == 0 else { return }
        note("\(moment):")
        depth += 1
        tally.interruptions += 1
        step()
        depth -= 1
    }

    private func step() {
        guard violation == nil else { return }
        do {
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: clock.advance(milliseconds: .random(in: 0...3000, using: &generator))
            case 1: changeFault()
            case 2:
                primary.healthCheck = [nil, nil, nil, true, false].randomElement(using: &generator)!
                note("health check: \(primary.healthCheck, default: "true to the facts")")
            case 3...5: look()
            case 6...8: try replay()
            case 9 where standby.isDurable:
                note("restart")
                tally.restarts += 1
                try restart()
            default: try letClientAct()
            }
        } catch let violation as Violation {
            self.violation = violation
        } catch {
            violation = Violation("\(error)")
        }
    }

    private func changeFault() {
        var faults: [FaultyRemote.Fault] = [.none, .none, .unreachable, .answersLost]
        // A condition that waits in a frozen primary would be decided after what its client did next.
        if depth == 0, !isSmall { faults.append(.frozen) }
        primary.fault = faults.randomElement(using: &generator)!
        note("fault: \(primary.fault)")
    }

    private func look() {
        let wasReachable = store.isReachable
        store.look()
        note("look: reachable \(store.isReachable)")
        if wasReachable, !store.isReachable { tally.losses += 1 }
        if !wasReachable, store.isReachable { tally.recoveries += 1 }
    }

    private func replay() throws {
        let (wasReachable, calls) = (store.isReachable, primary.calls)
        let outcome = store.replayLease()
        note("replay: \(outcome)")
        try hold(wasReachable || primary.calls == calls, "an unreachable primary is given what waits")
        if wasReachable, !store.isReachable { tally.losses += 1 }
        switch outcome {
        case .applied: tally.replays += 1
        case .failed: tally.failedReplays += 1
        case .nothing: break
        }
        for session in sessions where try !standby.holds(session.id) { session.known = .nothing }
    }

    private func heal() throws {
        primary.interruption = nil
        primary.healthCheck = nil
        primary.fault = .none
        for _ in 0..<1000 {
            clock.advance(milliseconds: 500)
            look()
            try replay()
            if store.isReachable, standby.backlog.operations == 0 { break }
        }
        try hold(store.isReachable, "the primary is not found again")
        let left = store.close(within: .zero) {}
        try hold(left == 0 && store.status.pendingOperations == 0, "\(left) operations are never written")
    }

    private func stored(_ id: SessionID) throws -> [String]? {
        try primary.memory.read(id, last: nil)?.texts
    }

    // MARK: Clients

    private func letClientAct() throws {
        let idle = clients.indices.filter { !clients[$0].isBusy }
        guard let client = idle.randomElement(using: &generator) else { return }
        if let (session, request) = clients[client].unanswered { return try ask(client, session, request) }
        let session = [client, client, sessions.count - 2, sessions.count - 1].randomElement(using: &generator)!
        guard Int.random(in: 0..<4, using: &generator) > 0 else { return try read(client, session) }
        try ask(client, session, makeRequest(client, sessions[session]))
    }

    private func makeRequest(_ client: Int, _ session: SessionModel) -> Request {
        let texts = (0..<[1, 1, 1, 3].randomElement(using: &generator)!).map { _ in makeText(client) }
        let messages = texts.map(Message.user)
        switch (session.use, Int.random(in: 0..<16, using: &generator)) {
        case (.owned, 0), (.anything, 0...1): return Request(change: .replace(messages, .none), texts: texts)
        case (.owned, 1...2), (.anything, 2...3): return Request(change: .delete)
        case (.owned, 3...5) where primary.fault != .frozen:
            let (tag, textsOfTag) = session.lastTag ?? ("none", nil)
            let condition = [Condition.absent, .present, .matching([tag])].randomElement(using: &generator)!
            return Request(change: .replace(messages, condition), texts: texts, textsOfTag: textsOfTag)
        case (.owned, 6...7), (.appendedTo, 0...3):
            let key = IdempotencyKey(key: "\(client)-\(clients[client].texts)", fingerprint: 1)
            return Request(change: .append(messages, key: key), texts: texts)
        case (.owned, 8...9), (.appendedTo, 4...6):
            guard let (key, texts) = session.answered[client]?.randomElement(using: &generator) else { break }
            return Request(change: .append(texts.map(Message.user), key: key), texts: texts)
        case (.owned, 10), (.appendedTo, 7):
            guard let (key, _) = session.answered[client]?.randomElement(using: &generator) else { break }
            let other = IdempotencyKey(key: key.key, fingerprint: key.fingerprint + Int64(clients[client].texts))
            return Request(change: .append(messages, key: other), texts: texts)
        default: break
        }
        return Request(change: .append(messages, key: nil), texts: texts)
    }

    private func makeText(_ client: Int) -> String {
        clients[client].texts += 1
        let padding = isSmall ? Int.random(in: 0...900, using: &generator) : 0
        return "\(client).\(clients[client].texts)." + String(repeating: "x", count: padding)
    }

    private func ask(_ client: Int, _ index: Int, _ request: Request) throws {
        let session = sessions[index]
        clients[client].isBusy = true
        let (wasReachable, calls) = (store.isReachable, primary.calls)
        let pending = standby.backlog.operations
        let result = Result { () throws(StoreError) in try store.answer(to: Operation(of: session.id, request.change)) }
        clients[client].isBusy = false
        clients[client].unanswered = nil
        if wasReachable, !store.isReachable { tally.losses += 1 }
        note("\(client) asks \(session.id) for \(describe(request)): \(describe(result))")
        if !wasReachable {
            try hold(primary.calls == calls, "an unreachable primary is asked")
            let outcome = try? result.get().value
            let isRepetition = outcome.map { $0.isReplay || request.change == .delete && !$0.existed } ?? true
            let kept = standby.backlog.operations - pending
            try hold(kept == (isRepetition ? 0 : 1), "\(kept) operations are kept")
        }
        switch result {
        case .success(let answer):
            try hold(answer.isPartial == (answer.source == standby.kind), "what \(answer.source) says is partial or not")
            if answer.isPartial { tally.partialAnswers += 1 } else { tally.wholeAnswers += 1 }
            try session.take(answer.value, to: request)
            session.acknowledge(request, of: client)
        case .failure(let error):
            tally.refusals[error.isUnavailability ? "unavailable" : "\(error)", default: 0] += 1
            try session.take(error, to: request, isSmall: isSmall)
            session.refuse(request, of: client, error)
            if case .append(_, _?) = request.change, session.use == .appendedTo, error.isUnavailability {
                clients[client].unanswered = (index, request)
            }
        }
    }

    private func read(_ client: Int, _ index: Int) throws {
        let session = sessions[index]
        clients[client].isBusy = true
        let (wasReachable, calls) = (store.isReachable, primary.calls)
        let result = Result { () throws(StoreError) in try store.answer(toReading: session.id, last: nil) }
        clients[client].isBusy = false
        try hold(wasReachable || primary.calls == calls, "an unreachable primary is asked")
        note("\(client) reads \(session.id): \(result.map { "\($0.source) \($0.value?.texts ?? ["nothing"])" })")
        switch result {
        case .success(let answer): try session.check(answer)
        case .failure(let error):
            try hold(error.isUnavailability, "a read is answered by \(error)")
            try hold(session.known == .nothing, "a read is refused though \(session.known) is known")
        }
    }

    private func note(_ event: @autoclosure () -> String) {
        guard isOneSeedAlone else { return }
        trace.append(String(repeating: "  ", count: depth) + event().replacing(/x{2,}/, with: "…"))
    }

    private func describe(_ request: Request) -> String {
        switch request.change {
        case .append(_, let key): "append \(request.texts) \(key.map { "\($0.key)/\($0.fingerprint)" } ?? "")"
        case .replace(_, let condition): "replace \(request.texts) \(condition)"
        case .delete: "delete"
        }
    }

    private func describe(_ result: Result<Answer<Outcome>, StoreError>) -> String {
        switch result {
        case .success(let answer):
            "\(answer.source), existed \(answer.value.existed), replay \(answer.value.isReplay), "
                + "\(answer.value.messageCount) messages"
        case .failure(let error): "\(error)"
        }
    }
}
