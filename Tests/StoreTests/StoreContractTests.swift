import Testing

@testable import Store

/// What every store promises, whatever it keeps sessions in.
@Suite struct StoreContractTests {
    typealias Kind = StoreUnderTest

    // MARK: Append and read

    @Test(arguments: Kind.allCases)
    func anAppendMakesTheSession(_ kind: Kind) throws {
        let fixture = try kind.make()
        let result = try fixture.append("a", "b", to: "s")
        #expect(result.messageCount == 2)
        #expect(result.appended == 2)
        #expect(result.dropped == 0)
        #expect(!result.isReplay)
        let session = try #require(try fixture.store.read(SessionID("s")!, last: nil).value)
        #expect(session.contents == ["a", "b"])
        #expect(session.messageCount == 2)
        #expect(session.createdAt == result.updatedAt)
        #expect(session.updatedAt == result.updatedAt)
        #expect(!session.isPartial)
    }

    @Test(arguments: Kind.allCases)
    func messagesStayInTheOrderOfTheirAppends(_ kind: Kind) throws {
        let fixture = try kind.make()
        for number in 0..<10 { try fixture.append("\(number)", "\(number)+", to: "s") }
        #expect(try fixture.contents("s") == (0..<10).flatMap { ["\($0)", "\($0)+"] })
    }

    @Test(arguments: Kind.allCases)
    func whatIsNotThereReadsAsNil(_ kind: Kind) throws {
        let fixture = try kind.make()
        #expect(try fixture.contents("nobody") == nil)
    }

    @Test(arguments: Kind.allCases)
    func onlyTheNewestMessagesAreKept(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 3))
        try fixture.append("a", "b", to: "s")
        let second = try fixture.append("c", "d", to: "s")
        #expect(second.messageCount == 3)
        #expect(second.dropped == 1)
        #expect(try fixture.contents("s") == ["b", "c", "d"])
        let third = try fixture.append("e", to: "s")
        #expect(third.dropped == 1)
        #expect(try fixture.contents("s") == ["c", "d", "e"])
    }

    @Test(arguments: Kind.allCases)
    func ofABatchOverTheCapTheNewestAreKept(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 3))
        try fixture.append("old", to: "s")
        let result = try fixture.append("a", "b", "c", "d", "e", to: "s")
        #expect(result.messageCount == 3)
        #expect(result.appended == 5)
        #expect(result.dropped == 3)
        #expect(try fixture.contents("s") == ["c", "d", "e"])
    }

    @Test(arguments: Kind.allCases)
    func aCapOfOneKeepsTheLastMessage(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1))
        try fixture.append("a", to: "s")
        #expect(try fixture.append("b", to: "s").dropped == 1)
        #expect(try fixture.contents("s") == ["b"])
    }

    @Test(arguments: Kind.allCases)
    func aReadOfTheLastMessagesStillCountsAll(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", "b", "c", to: "s")
        for (last, contents) in [(2, ["b", "c"]), (1, ["c"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"]), (0, [])] {
            let session = try #require(try fixture.store.read(SessionID("s")!, last: last).value)
            #expect(session.contents == contents)
            #expect(session.messageCount == 3)
        }
    }

    @Test(arguments: Kind.allCases)
    func updatedAtGrowsAndCreatedAtStays(_ kind: Kind) throws {
        let fixture = try kind.make()
        let first = try fixture.append("a", to: "s")
        try fixture.letTimePass(60)
        let second = try fixture.append("b", to: "s")
        let session = try #require(try fixture.store.read(SessionID("s")!, last: nil).value)
        #expect(session.updatedAt == second.updatedAt)
        #expect(session.updatedAt.milliseconds - session.createdAt.milliseconds >= 60_000)
        #expect(second.updatedAt >= first.updatedAt)
    }

    @Test(arguments: Kind.allCases)
    func everyChangeMakesAnotherEntityTag(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let id = SessionID("s")!
        var tags: Set<String> = []
        func tag() throws -> String { try #require(try fixture.store.read(id, last: nil).value).entityTag }
        try fixture.append("a", "b", to: "s")
        tags.insert(try tag())
        #expect(try tags.contains(tag()))
        for text in ["c", "d"] {
            try fixture.append(text, to: "s")
            #expect(tags.insert(try tag()).inserted)
        }
        for contents in [["d"], [], []] {
            _ = try fixture.store.replace(id, messages: contents.map(Message.user), condition: .none)
            #expect(tags.insert(try tag()).inserted)
        }
    }

    @Test(arguments: Kind.allCases)
    func idsThatDifferInAnyByteAreDifferentSessions(_ kind: Kind) throws {
        let fixture = try kind.make()
        let ids = ["a", "A", "ä", "a\u{308}", "$a", "$$NOW", "a.b", "a/b", " ", "\"", "\\", "😀", "{\"$gt\":\"\"}"]
        for id in ids { try fixture.append("of \(id)", to: id) }
        for id in ids { #expect(try fixture.contents(id) == ["of \(id)"]) }
        let longest = String(repeating: "x", count: 256)
        try fixture.append("long", to: longest)
        #expect(try fixture.contents(longest) == ["long"])
    }

    // MARK: Many at once

    @Test(arguments: Kind.allCases)
    func appendsFromManyThreadsAreNeitherLostNorDoubledNorReordered(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1000))
        let store = fixture.store
        let counts = try onThreads(8) { thread in
            try (0..<25).map { number in
                try store.append([.user("\(thread)-\(number)")], to: SessionID("s")!, key: nil).value.messageCount
            }
        }
        let contents = try #require(try fixture.contents("s"))
        #expect(contents.count == 200)
        for thread in 0..<8 {
            #expect(contents.filter { $0.hasPrefix("\(thread)-") } == (0..<25).map { "\(thread)-\($0)" })
        }
        #expect(counts.flatMap(\.self).sorted() == Array(1...200))
    }

    @Test(arguments: Kind.allCases)
    func batchesFromManyThreadsStayWhole(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 20))
        let store = fixture.store
        let results = try onThreads(8) { thread in
            try (0..<10).map { number in
                let batch = (0..<5).map { Message.user("\(thread)-\(number)-\($0)") }
                return try store.append(batch, to: SessionID("s")!, key: nil).value
            }
        }.flatMap(\.self)
        let contents = try #require(try fixture.contents("s"))
        #expect(contents.count == 20)
        for start in stride(from: 0, to: 20, by: 5) {
            let name = contents[start].dropLast(2)
            let batch = (0..<5).map { "\(name)-\($0)" }
            #expect(Array(contents[start..<start + 5]) == batch)
        }
        let left = results.reduce(0) { $0 + $1.appended - $1.dropped }
        #expect(left == 20)
    }

    // MARK: Expiry

    @Test(arguments: Kind.allCases)
    func anExpiredSessionIsGone(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        try fixture.append("a", to: "s")
        try fixture.letTimePass(3540)
        #expect(try fixture.contents("s") == ["a"])
        try fixture.letTimePass(60)
        #expect(try fixture.contents("s") == nil)
        #expect(try fixture.contents("s", last: 1) == nil)
        #expect(try fixture.store.list(limit: 10, after: nil).value.sessions.isEmpty)
        #expect(try fixture.store.delete(SessionID("s")!).value == false)
    }

    @Test(arguments: Kind.allCases)
    func anAppendToAnExpiredSessionStartsAfresh(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        try fixture.append("a", "b", to: "s", key: key)
        let old = try #require(try fixture.store.read(SessionID("s")!, last: nil).value)
        try fixture.letTimePass(3600)
        let result = try fixture.append("c", to: "s", key: key)
        #expect(result.messageCount == 1)
        #expect(result.dropped == 0)
        #expect(!result.isReplay)
        let session = try #require(try fixture.store.read(SessionID("s")!, last: nil).value)
        #expect(session.contents == ["c"])
        #expect(session.createdAt == session.updatedAt)
        #expect(session.entityTag != old.entityTag)
    }

    @Test(arguments: Kind.allCases)
    func anExpiredSessionIsNoneToCreateAndReplace(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        for id in ["created", "replaced", "present", "tagged"] { try fixture.append("old", to: id) }
        let tag = try #require(try fixture.store.read(SessionID("tagged")!, last: nil).value).entityTag
        try fixture.letTimePass(3600)
        let created = try fixture.store.create(SessionID("created")!, messages: [.user("new")]).value
        #expect(created.contents == ["new"])
        #expect(created.createdAt == created.updatedAt)
        let replaced = try fixture.store.replace(SessionID("replaced")!, messages: [.user("new")], condition: .none)
        #expect(replaced.value.created)
        #expect(replaced.value.session.createdAt == replaced.value.session.updatedAt)
        for (id, condition) in [("present", ReplaceCondition.present), ("tagged", .matching([tag]))] {
            #expect(throws: StoreError.conditionFailed) {
                try fixture.store.replace(SessionID(id)!, messages: [], condition: condition)
            }
        }
    }

    @Test(arguments: Kind.allCases)
    func withoutATTLSessionsStay(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 0))
        try fixture.append("a", to: "s")
        try fixture.letTimePass(10 * 365 * 86_400)
        #expect(try fixture.contents("s") == ["a"])
        #expect(try fixture.append("b", to: "s").messageCount == 2)
        #expect(fixture.store.status.ttlSeconds == 0)
    }

    // MARK: Create, replace, delete

    @Test(arguments: Kind.allCases)
    func createMakesASessionOnce(_ kind: Kind) throws {
        let fixture = try kind.make()
        let session = try fixture.store.create(SessionID("s")!, messages: [.user("a")]).value
        #expect(session.contents == ["a"])
        #expect(session.messageCount == 1)
        #expect(try fixture.store.read(SessionID("s")!, last: nil).value == session)
        #expect(throws: StoreError.exists) {
            try fixture.store.create(SessionID("s")!, messages: [.user("b")])
        }
        #expect(try fixture.contents("s") == ["a"])
        let empty = try fixture.store.create(SessionID("empty")!, messages: []).value
        #expect(empty.messageCount == 0)
        #expect(try fixture.contents("empty") == [])
        #expect(throws: StoreError.exists) { try fixture.store.create(SessionID("empty")!, messages: []) }
    }

    @Test(arguments: Kind.allCases)
    func ofManyCreatorsOneWins(_ kind: Kind) throws {
        let store = try kind.make()
        let underTest = store.store
        let wins = try onThreads(12) { thread in
            do {
                _ = try underTest.create(SessionID("s")!, messages: [.user("\(thread)")])
                return 1
            } catch StoreError.exists {
                return 0
            }
        }
        #expect(wins.reduce(0, +) == 1)
        #expect(try store.contents("s") == [String(try #require(wins.firstIndex(of: 1)))])
    }

    @Test(arguments: Kind.allCases)
    func replaceKeepsCreatedAtAndTheNewestMessages(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let id = SessionID("s")!
        let made = try fixture.store.replace(id, messages: [.user("a")], condition: .none).value
        #expect(made.created)
        try fixture.letTimePass(60)
        let replaced = try fixture.store.replace(
            id, messages: ["b", "c", "d"].map(Message.user), condition: .none
        ).value
        #expect(!replaced.created)
        #expect(replaced.session.contents == ["c", "d"])
        #expect(replaced.session.messageCount == 2)
        #expect(replaced.session.updatedAt.milliseconds - replaced.session.createdAt.milliseconds >= 60_000)
        #expect(replaced.session.version > made.session.version)
        #expect(try fixture.store.read(id, last: nil).value == replaced.session)
    }

    @Test(arguments: Kind.allCases)
    func aReplacementAsksForTheStateItNames(_ kind: Kind) throws {
        let fixture = try kind.make()
        let store = fixture.store
        let id = SessionID("s")!
        for condition in [ReplaceCondition.present, .matching(["x"]), .matching([])] {
            #expect(throws: StoreError.conditionFailed) {
                try store.replace(id, messages: [.user("a")], condition: condition)
            }
        }
        #expect(try fixture.contents("s") == nil)
        let made = try store.replace(id, messages: [.user("a")], condition: .absent).value
        #expect(made.created)
        #expect(throws: StoreError.conditionFailed) {
            try store.replace(id, messages: [.user("b")], condition: .absent)
        }
        #expect(try !store.replace(id, messages: [.user("c")], condition: .present).value.created)
        #expect(throws: StoreError.conditionFailed) {
            try store.replace(id, messages: [], condition: .matching([made.session.entityTag]))
        }
        let tag = try #require(try store.read(id, last: 1).value).entityTag
        let last = try store.replace(id, messages: [.user("d")], condition: .matching(["other", tag])).value
        #expect(!last.created)
        #expect(try fixture.contents("s") == ["d"])
    }

    @Test(arguments: Kind.allCases)
    func ofManyReplacementsOfOneStateOneWins(_ kind: Kind) throws {
        let fixture = try kind.make()
        let store = fixture.store
        try fixture.append("a", to: "s")
        let tag = try #require(try store.read(SessionID("s")!, last: nil).value).entityTag
        let wins = try onThreads(8) { thread in
            do {
                _ = try store.replace(SessionID("s")!, messages: [.user("\(thread)")], condition: .matching([tag]))
                return 1
            } catch StoreError.conditionFailed {
                return 0
            }
        }
        #expect(wins.reduce(0, +) == 1)
        #expect(try fixture.contents("s") == [String(try #require(wins.firstIndex(of: 1)))])
    }

    @Test(arguments: Kind.allCases)
    func deleteTellsWhetherThereWasASession(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", to: "s")
        #expect(try fixture.store.delete(SessionID("s")!).value)
        #expect(try fixture.contents("s") == nil)
        #expect(try !fixture.store.delete(SessionID("s")!).value)
        #expect(try fixture.append("b", to: "s").messageCount == 1)
    }

    // MARK: Listing, counting, cleaning up

    @Test(arguments: Kind.allCases)
    func aListingGoesFromNewToOldPageByPage(_ kind: Kind) throws {
        let fixture = try kind.make()
        for number in 0..<7 {
            try fixture.append(to: "s\(number)", number)
            try fixture.letTimePass(1)
        }
        var listed: [SessionSummary] = []
        var cursor: SessionCursor?
        var pages = 0
        repeat {
            let page = try fixture.store.list(limit: 3, after: cursor).value
            listed += page.sessions
            cursor = page.next
            pages += 1
        } while cursor != nil
        #expect(pages == 3)
        #expect(listed.map(\.id.description) == (0..<7).reversed().map { "s\($0)" })
        #expect(listed.map(\.messageCount) == (1...7).reversed())
        let first = try #require(try fixture.store.read(SessionID("s6")!, last: nil).value)
        #expect(listed.first?.createdAt == first.createdAt)
        #expect(listed.first?.updatedAt == first.updatedAt)
    }

    @Test(arguments: Kind.allCases)
    func sessionsOfOneMomentAreListedByTheirIds(_ kind: Kind) throws {
        let fixture = try kind.make()
        let names = (0..<20).map { "s\($0)" } + ["ä", "Z", "a", "😀"]
        for name in names { try fixture.append("x", to: name) }
        try fixture.alignDates()
        let expected = names.sorted { $1.utf8.lexicographicallyPrecedes($0.utf8) }
        for limit in [1, 5, 23, 24, 25, 500] {
            var listed: [String] = []
            var cursor: SessionCursor?
            repeat {
                let page = try fixture.store.list(limit: limit, after: cursor).value
                #expect(page.sessions.count <= limit)
                #expect(page.next == nil || page.sessions.count == limit)
                listed += page.sessions.map(\.id.description)
                cursor = page.next
            } while cursor != nil
            #expect(listed == expected)
        }
    }

    @Test(arguments: Kind.allCases)
    func theStatusCountsTheSessions(_ kind: Kind) throws {
        let fixture = try kind.make()
        for name in ["a", "b", "c"] { try fixture.append("x", "y", to: name) }
        _ = try fixture.store.delete(SessionID("b")!)
        try poll("two sessions are counted") { fixture.store.status.activeSessions == 2 }
        try poll("the store is ready") { fixture.store.status.isReady }
        #expect(fixture.store.status.ttlSeconds == 604_800)
    }

    @Test(arguments: Kind.allCases)
    func cleanupDeletesWhatIsOlder(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 0))
        for name in ["a", "b"] { try fixture.append("x", to: name) }
        try fixture.letTimePass(2 * 86_400)
        try fixture.append("x", to: "c")
        #expect(try fixture.store.cleanup(olderThanDays: 3, dryRun: false).value == 0)
        #expect(try fixture.store.cleanup(olderThanDays: 1, dryRun: true).value == 2)
        #expect(try fixture.contents("a") == ["x"])
        #expect(try fixture.store.cleanup(olderThanDays: 1, dryRun: false).value == 2)
        #expect(try fixture.contents("a") == nil)
        #expect(try fixture.contents("c") == ["x"])
    }

    // MARK: Size

    @Test(arguments: Kind.allCases)
    func overTheSizeTheOldestGoFirst(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 100, maxSessionBytes: 3000))
        for number in 0..<10 {
            let result = try fixture.append("\(number)" + String(repeating: "x", count: 799), to: "s")
            #expect(result.messageCount == min(number + 1, 3))
            #expect(result.dropped == (number < 3 ? 0 : 1))
        }
        #expect(try fixture.contents("s")?.map(\.first) == ["7", "8", "9"])
        let large = try fixture.append("L" + String(repeating: "x", count: 1999), to: "s")
        #expect(large.dropped == 2)
        #expect(try fixture.contents("s")?.map(\.first) == ["9", "L"])
    }

    @Test(arguments: Kind.allCases)
    func aMessageLargerThanASessionIsRefused(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 100, maxSessionBytes: 1000))
        try fixture.append("a", to: "s")
        for batch in [["b", String(repeating: "x", count: 1000)], [String(repeating: "x", count: 1000), "b"]] {
            #expect(throws: StoreError.tooLarge(limit: 1000)) {
                try fixture.store.append(batch.map(Message.user), to: SessionID("s")!, key: nil)
            }
            #expect(throws: StoreError.tooLarge(limit: 1000)) {
                try fixture.store.replace(SessionID("s")!, messages: batch.map(Message.user), condition: .none)
            }
        }
        #expect(try fixture.contents("s") == ["a"])
    }

    @Test(arguments: Kind.allCases)
    func aMessageThatFillsASessionPushesOutTheOthers(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 100, maxSessionBytes: 1000))
        try fixture.append("a", "b", to: "s")
        let filling = String(repeating: "x", count: 1000 - 28)
        let result = try fixture.append("c", filling, to: "s")
        #expect(result.messageCount == 1)
        #expect(result.appended == 2)
        #expect(result.dropped == 3)
        #expect(try fixture.contents("s") == [filling])
        let next = try fixture.append("d", to: "s")
        #expect(next.messageCount == 1)
        #expect(next.dropped == 1)
    }

    // MARK: Idempotency

    @Test(arguments: Kind.allCases)
    func aRepeatedKeyGivesTheFirstAnswerAndStoresNothing(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let key = IdempotencyKey(key: "k", fingerprint: -5)
        try fixture.append("a", to: "s")
        let first = try fixture.append("b", "c", to: "s", key: key)
        #expect(first.dropped == 1)
        #expect(!first.isReplay)
        try fixture.letTimePass(60)
        try fixture.append("d", to: "s")
        let before = try fixture.store.read(SessionID("s")!, last: nil).value
        var again = try fixture.append("b", "c", to: "s", key: key)
        #expect(again.isReplay)
        again.isReplay = false
        #expect(again == first)
        #expect(try fixture.store.read(SessionID("s")!, last: nil).value == before)
    }

    @Test(arguments: Kind.allCases)
    func aKeyWithAnotherBodyIsRefused(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", to: "s", key: IdempotencyKey(key: "k", fingerprint: 1))
        #expect(throws: StoreError.keyReused) {
            try fixture.append("b", to: "s", key: IdempotencyKey(key: "k", fingerprint: 2))
        }
        #expect(try fixture.contents("s") == ["a"])
        #expect(try !fixture.append("b", to: "other", key: IdempotencyKey(key: "k", fingerprint: 2)).isReplay)
    }

    @Test(arguments: Kind.allCases)
    func twelveEqualRequestsAtOnceStoreOneMessageAndGetOneAnswer(_ kind: Kind) throws {
        let fixture = try kind.make()
        let store = fixture.store
        for round in 0..<5 {
            let id = SessionID("s\(round)")!
            let results = try onThreads(12) { _ in
                let key = IdempotencyKey(key: "once", fingerprint: 7)
                return try store.append([.user("a")], to: id, key: key).value
            }
            #expect(results.filter { !$0.isReplay }.count == 1)
            #expect(Set(results.map(\.updatedAt)).count == 1)
            #expect(results.allSatisfy { $0.messageCount == 1 && $0.appended == 1 && $0.dropped == 0 })
            #expect(try fixture.contents(id.description) == ["a"])
        }
    }

    @Test(arguments: Kind.allCases)
    func atLeastSixtyFourKeysAreRemembered(_ kind: Kind) throws {
        let fixture = try kind.make()
        for number in 0..<64 {
            try fixture.append("\(number)", to: "s", key: IdempotencyKey(key: "k\(number)", fingerprint: 1))
        }
        for number in [0, 31, 63] {
            let key = IdempotencyKey(key: "k\(number)", fingerprint: 1)
            let again = try fixture.append("\(number)", to: "s", key: key)
            #expect(again.isReplay)
            #expect(again.messageCount == min(30, number + 1))
        }
    }

    @Test(arguments: Kind.allCases)
    func aKeyIsNothingButAName(_ kind: Kind) throws {
        let fixture = try kind.make()
        for key in ["$$NOW", "$_id", "a.b", "{\"$gt\":\"\"}", "\"", "\\", " ", String(repeating: "~", count: 128)] {
            let key = IdempotencyKey(key: key, fingerprint: 1)
            #expect(try !fixture.append("a", to: "s", key: key).isReplay)
            #expect(try fixture.append("a", to: "s", key: key).isReplay)
        }
    }

    // MARK: Content

    @Test(arguments: Kind.allCases)
    func messagesComeBackAsTheyWentIn(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1000))
        let store = fixture.store
        let id = SessionID("s")!
        for text in ContentSamples.messages {
            _ = try store.append([try .json(text)], to: id, key: nil)
        }
        let read = try #require(try store.read(id, last: nil).value).messageTexts
        #expect(read.count == ContentSamples.messages.count)
        for (sent, got) in zip(ContentSamples.messages, read) {
            #expect(try CanonicalJSON(got) == CanonicalJSON(sent))
        }
        let replaced = try store.replace(id, messages: read.map(Message.json), condition: .none).value.session
        #expect(replaced.messageTexts == read)
        #expect(try store.read(id, last: nil).value == replaced)
    }
}

extension StoreFixture {
    /// Appends as many messages as `number` says, and one more.
    fileprivate func append(to id: String, _ number: Int) throws {
        _ = try store.append((0...number).map { .user("\($0)") }, to: SessionID(id)!, key: nil)
    }
}
