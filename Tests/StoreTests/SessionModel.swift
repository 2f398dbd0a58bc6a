import TestSupport

@testable import Store

/// What is to become of a session in an outage's simulation.
final class SessionModel {
    struct Request {
        var change: Operation.Change
        var texts: [String] = []
        /// What the session held when the client has read the entity tag of the condition.
        var textsOfTag: [String]?
    }

    enum Use: Equatable {
        /// One client alone uses it.
        case owned(by: Int)
        /// All clients append to it.
        case appendedTo
        /// All clients do anything with it.
        case anything
    }

    /// What a store may hold of the session.
    struct State: Hashable {
        var texts: [String] = []
        var keys: [String: Int64] = [:]
    }

    enum Known: Equatable {
        case nothing, deleted
        case session(State)
    }

    let id: SessionID
    let use: Use
    private let viewBytes: Int
    /// What the standby is to know of the session; whoever replays says when it forgets.
    var known = Known.nothing
    /// What the session may hold once all that waits is written, of an owned one; more than one state where a client
    /// could not be told whether its change was made.
    private var possible: Set<State?> = [nil]
    /// The entity tag that was last read whole, and what the session held then.
    private(set) var lastTag: (tag: String, texts: [String]?)?
    /// The appends with keys that clients were answered.
    private(set) var answered: [Int: [(key: IdempotencyKey, texts: [String])]] = [:]
    private var acknowledged: [Int: [String]] = [:]
    private var refused: Set<String> = []
    /// What may have been taken, or may not.
    private var unanswered: Set<String> = []
    private var fingerprints: [String: Set<Int64>] = [:]

    init(_ id: String, _ use: Use, viewBytes: Int) {
        self.id = SessionID(id)!
        self.use = use
        self.viewBytes = viewBytes
    }

    private var isOwned: Bool {
        if case .owned = use { true } else { false }
    }

    // MARK: Changes

    /// Takes in that a change was acknowledged.
    func take(_ outcome: Outcome, to request: Request) throws {
        if outcome.isPartial {
            try takeInStandby(outcome, request)
        } else if isOwned {
            possible = possible.filter { Self.agrees(outcome, request, $0) }
            try hold(!possible.isEmpty, "\(outcome) to \(request) agrees with nothing that \(id) may hold")
        }
        if isOwned, !outcome.isReplay { possible = Set(possible.map { Self.made(request, of: $0) }) }
    }

    /// Takes in that a change was not acknowledged.
    func take(_ error: StoreError, to request: Request, isSmall: Bool) throws {
        switch error {
        case .unavailable: if isOwned { possible.formUnion(possible.map { Self.made(request, of: $0) }) }
        case .keyReused:
            guard case .append(_, let key?) = request.change else { throw Violation("\(error) to \(request)") }
            let isUsed = fingerprints[key.key]?.contains { $0 != key.fingerprint } ?? false
            try hold(isUsed, "\(key) was used with no other body")
        case .conditionFailed:
            guard case .replace(_, let condition) = request.change, condition != .none else {
                throw Violation("\(error) to \(request)")
            }
            if condition == .absent { possible.remove(nil) }
            if condition == .present { possible = possible.filter { $0 == nil } }
            try hold(!possible.isEmpty, "\(error) to \(request) agrees with nothing that \(id) may hold")
        case .full: try hold(isSmall, "a standby with much room is full")
        case .exists, .tooLarge, .failed: throw Violation("\(error) to \(request)")
        }
    }

    /// What the standby makes of a change is to be exactly this.
    private func takeInStandby(_ outcome: Outcome, _ request: Request) throws {
        var before: State?
        if case .session(let state) = known { before = state }
        switch request.change {
        case .append(_, let key):
            let isKnown = key.map { before?.keys[$0.key] == $0.fingerprint } ?? false
            try hold(outcome.isReplay == isKnown, "\(outcome) is a repetition or not")
            if isKnown { return }
            if let key { try hold(before?.keys[key.key] == nil, "\(key) is taken with two bodies") }
            try hold(outcome.existed == (before != nil), "\(outcome) had a session before or not")
            var after = Self.made(request, of: before) ?? State()
            let count = after.texts.count
            after.texts = cut(after.texts)
            try hold(outcome.messageCount == after.texts.count, "\(outcome) of \(after.texts.count) messages")
            try hold(outcome.appended == request.texts.count, "\(outcome) to \(request)")
            try hold(outcome.dropped == count - after.texts.count, "\(outcome) leaves \(after.texts.count) messages")
            known = .session(after)
        case .replace:
            var after = Self.made(request, of: before) ?? State()
            after.texts = cut(after.texts)
            known = .session(after)
        case .delete:
            try hold(outcome.existed == (known != .deleted), "\(outcome) of a deletion of \(known)")
            known = .deleted
        }
    }

    /// The newest texts that the standby's limit on a session leaves.
    private func cut(_ texts: [String]) -> [String] {
        // {"role":"user","content":"…"}
        var bytes = texts.reduce(0) { $0 + $1.utf8.count + 28 }
        var first = 0
        while bytes > viewBytes {
            bytes -= texts[first].utf8.count + 28
            first += 1
        }
        return Array(texts[first...])
    }

    /// The state that a change makes in the end, whoever makes it.
    private static func made(_ request: Request, of state: State?) -> State? {
        switch request.change {
        case .append(_, let key):
            var state = state ?? State()
            if let key {
                // A standby that does not know the key of another body takes the messages, and they are kept.
                if state.keys[key.key] == key.fingerprint { return state }
                if state.keys[key.key] == nil { state.keys[key.key] = key.fingerprint }
            }
            state.texts += request.texts
            return state
        case .replace: return State(texts: request.texts, keys: state?.keys ?? [:])
        case .delete: return nil
        }
    }

    /// Whether a primary that holds a state tells this of a change.
    private static func agrees(_ outcome: Outcome, _ request: Request, _ state: State?) -> Bool {
        guard outcome.existed == (state != nil) else { return false }
        switch request.change {
        case .append(_, let key):
            let fingerprint = key.flatMap { state?.keys[$0.key] }
            guard fingerprint == nil || fingerprint == key?.fingerprint else { return false }
            guard outcome.isReplay == (fingerprint != nil) else { return false }
            return outcome.isReplay || outcome.messageCount == made(request, of: state)?.texts.count
        case .replace(_, let condition):
            switch condition {
            case .none: return true
            case .absent: return state == nil
            case .present: return state != nil
            case .matching: return state != nil && state?.texts == request.textsOfTag
            }
        case .delete: return true
        }
    }


    // MARK: Reads

    func check(_ answer: Answer<Session?>) throws {
        let texts = answer.value?.texts
        guard !answer.isPartial else {
            switch known {
            case .nothing: throw Violation("\(id) is answered by a standby that is to know nothing of it")
            case .deleted: try hold(texts == nil, "\(texts!) is read of \(id), which was deleted")
            case .session(let state):
                try hold(texts == state.texts, "\(texts ?? []) is read of \(id), and \(state.texts) was acknowledged")
            }
            return
        }
        guard isOwned else { return }
        try hold(known == .nothing, "the primary is asked of \(id), of which \(known) is known")
        possible = possible.filter { $0?.texts == texts }
        try hold(!possible.isEmpty, "\(texts ?? ["nothing"]) is read of \(id)")
        lastTag = answer.value.map { ($0.entityTag, texts) }
    }

    // MARK: In the end

    func acknowledge(_ request: Request, of client: Int) {
        if case .append(_, let key?) = request.change {
            fingerprints[key.key, default: []].insert(key.fingerprint)
            if answered[client]?.contains(where: { $0.key == key }) ?? false { return }
            // A store knows a key for one body alone, and which of two that is nobody can say: none is repeated then.
            answered[client, default: []].removeAll { $0.key.key == key.key }
            if fingerprints[key.key]?.count == 1 { answered[client, default: []].append((key, request.texts)) }
        }
        acknowledged[client, default: []] += request.texts
    }

    func refuse(_ request: Request, of client: Int, _ error: StoreError) {
        guard !error.isUnavailability else { return unanswered.formUnion(request.texts) }
        // A repetition may be refused though what it repeats was taken.
        let taken = unanswered.union(acknowledged[client] ?? [])
        refused.formUnion(request.texts.filter { !taken.contains($0) })
    }

    /// Compares with what the primary holds after all is written.
    func check(stored: [String]?) throws {
        let texts = stored ?? []
        try hold(Set(texts).count == texts.count, "\(id) holds something twice: \(texts)")
        try hold(refused.isDisjoint(with: texts), "\(id) holds what was refused: \(refused.intersection(texts))")
        switch use {
        case .owned:
            try hold(
                possible.contains { $0?.texts == stored },
                "\(id) holds \(stored ?? ["nothing"]), not \(possible.map { $0?.texts ?? ["nothing"] })")
        case .appendedTo:
            for (client, told) in acknowledged {
                let known = Set(told)
                let own = texts.filter(known.contains)
                try hold(own == told, "\(id) holds \(own) of client \(client), not \(told)")
            }
        case .anything:
            for client in acknowledged.keys {
                let own = texts.filter { $0.hasPrefix("\(client).") }.map { Int($0.split(separator: ".")[1])! }
                try hold(own == own.sorted(), "\(id) holds \(own) of client \(client)")
            }
        }
    }
}
