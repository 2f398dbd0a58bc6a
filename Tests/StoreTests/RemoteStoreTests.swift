import Store
import TestSupport
import Testing

/// What a primary promises to whoever does not know whether an operation has arrived.
@Suite struct RemoteStoreTests {
    /// MongoDB, and what stands in for it where it is to be taken away.
    enum Kind: CaseIterable, Sendable {
        case mongo, faulty

        func withStore(_ body: (any RemoteStore) throws -> Void) throws {
            guard self == .mongo else { return try body(FaultyRemote()) }
            let database = try MongoDatabase()
            let store = try database.store()
            defer { store.close() }
            try body(store)
        }
    }

    @Test(arguments: Kind.allCases)
    func `an append that is given again is made once and tells the same`(_ kind: Kind) throws {
        try kind.withStore { store in
            for (id, key) in [("plain", nil), ("keyed", IdempotencyKey(key: "k", fingerprint: 1))] {
                let id = SessionID(id)!
                let append = Operation(of: id, .append([.user("a"), .user("b")], key: key))
                let first = try store.apply(append)
                #expect(try store.apply(append) == first)
                _ = try store.append([.user("c")], to: id)
                let again = try store.apply(append)
                #expect(again.messageCount == 2 && again.appended == 2 && again.dropped == 0)
                #expect(!again.existed && !again.isReplay)
                #expect(try store.read(id, last: nil)?.contents == ["a", "b", "c"])
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func `a replacement that is given again does not undo what has followed`(_ kind: Kind) throws {
        try kind.withStore { store in
            let id = SessionID("s")!
            for condition in [Condition.none, .absent] {
                _ = try store.delete(id)
                let replacement = Operation(of: id, .replace([.user("a")], condition))
                let first = try store.apply(replacement)
                #expect(try store.apply(replacement) == first)
                _ = try store.append([.user("b")], to: id)
                _ = try? store.apply(replacement)
                #expect(try store.read(id, last: nil)?.contents == ["a", "b"])
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func `of a session's last changes sixty-four are known again`(_ kind: Kind) throws {
        try kind.withStore { store in
            let id = SessionID("s")!
            let appends = (0..<64).map { Operation(of: id, .append([.user("\($0)")], key: nil)) }
            for append in appends + appends.reversed() { _ = try store.apply(append) }
            #expect(try store.read(id, last: 1)?.contents == ["63"])
            for append in appends.prefix(30) { _ = try store.apply(append) }
            #expect(try store.read(id, last: 1)?.contents == ["63"])
        }
    }

    @Test(arguments: Kind.allCases)
    func `a deletion leaves alone what was updated after it was taken`(_ kind: Kind) throws {
        try kind.withStore { store in
            let id = SessionID("s")!
            try store.probe()
            let now = try #require(store.serverTime)
            _ = try store.append([.user("a")], to: id)
            #expect(try !store.apply(Operation(of: id, .delete, takenAt: now.advanced(bySeconds: -10))).existed)
            #expect(try store.read(id, last: nil)?.contents == ["a"])
            #expect(try store.apply(Operation(of: id, .delete, takenAt: now.advanced(bySeconds: 10))).existed)
            #expect(try store.read(id, last: nil) == nil)
        }
    }
}
