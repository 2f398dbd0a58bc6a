import Store
import TestSupport
import Testing

/// What every service promises, whatever it keeps sessions in. What a rule runs over is `Kind.all`, or `Kind.whole`
/// where no standby can keep it.
@Suite struct StoreContractTests {
    typealias Kind = ServiceUnderTest

    // MARK: Append and read

    @Test(arguments: Kind.all)
    func `an append makes the session`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let answer = try fixture.service.append([.user("a"), .user("b")], to: SessionID("s")!)
        #expect(answer.source == kind.source)
        #expect(answer.isPartial == kind.isPartial)
        let result = answer.value
        #expect(!result.existed)
        #expect(result.messageCount == 2)
        #expect(result.appended == 2)
        #expect(result.dropped == 0)
        #expect(!result.isReplay)
        #expect(result.isPartial == kind.isPartial)
        let session = try fixture.session("s")
        #expect(session.contents == ["a", "b"])
        #expect(session.messageCount == 2)
        #expect(session.createdAt == result.updatedAt)
        #expect(session.updatedAt == result.updatedAt)
        #expect(session.version == result.version)
        let read = try fixture.service.answer(toReading: SessionID("s")!, last: nil)
        #expect(read == Answer(session, from: kind.source, isPartial: kind.isPartial))
        #expect(try fixture.append("c", to: "s").existed)
    }

    @Test(arguments: Kind.all)
    func `messages stay in the order of their appends`(_ kind: Kind) throws {
        let fixture = try kind.make()
        for number in 0..<10 { try fixture.append("\(number)", "\(number)+", to: "s") }
        #expect(try fixture.contents("s") == (0..<10).flatMap { ["\($0)", "\($0)+"] })
    }

    @Test(arguments: Kind.whole)
    func `what is not there reads as nil`(_ kind: Kind) throws {
        let fixture = try kind.make()
        #expect(try fixture.contents("nobody") == nil)
    }

    @Test(arguments: Kind.all)
    func `only the newest messages are kept`(_ kind: Kind) throws {
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

    @Test(arguments: Kind.all)
    func `of a batch over the cap the newest are kept`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 3))
        try fixture.append("old", to: "s")
        let result = try fixture.append("a", "b", "c", "d", "e", to: "s")
        #expect(result.messageCount == 3)
        #expect(result.appended == 5)
        #expect(result.dropped == 3)
        #expect(try fixture.contents("s") == ["c", "d", "e"])
    }

    @Test(arguments: Kind.all)
    func `a cap of one keeps the last message`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1))
        try fixture.append("a", to: "s")
        #expect(try fixture.append("b", to: "s").dropped == 1)
        #expect(try fixture.contents("s") == ["b"])
    }

    @Test(arguments: Kind.all)
    func `a read of the last messages still counts all`(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", "b", "c", to: "s")
        for (last, contents) in [(2, ["b", "c"]), (1, ["c"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"]), (0, [])] {
            let session = try fixture.session("s", last: last)
            #expect(session.contents == contents)
            #expect(session.messageCount == 3)
        }
    }

    @Test(arguments: Kind.all)
    func `updated_at grows and created_at stays`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let first = try fixture.append("a", to: "s")
        try fixture.letTimePass(60)
        let second = try fixture.append("b", to: "s")
        let session = try fixture.session("s")
        #expect(session.updatedAt == second.updatedAt)
        #expect(session.updatedAt.milliseconds - session.createdAt.milliseconds >= 60_000)
        #expect(second.updatedAt >= first.updatedAt)
    }

    @Test(arguments: Kind.all)
    func `every change makes another entity tag`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let id = SessionID("s")!
        var tags: Set<String> = []
        func tag() throws -> String { try fixture.session("s").entityTag }
        try fixture.append("a", "b", to: "s")
        tags.insert(try tag())
        #expect(try tags.contains(tag()))
        for text in ["c", "d"] {
            try fixture.append(text, to: "s")
            #expect(tags.insert(try tag()).inserted)
        }
        for contents in [["d"], [], []] {
            _ = try fixture.service.replace(id, messages: contents.map(Message.user))
            #expect(tags.insert(try tag()).inserted)
        }
    }

    @Test(arguments: Kind.all)
    func `ids that differ in any byte are different sessions`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let ids = ["a", "A", "ä", "a\u{308}", "$a", "$$NOW", "a.b", "a/b", " ", "\"", "\\", "😀", "{\"$gt\":\"\"}"]
        for id in ids { try fixture.append("of \(id)", to: id) }
        for id in ids { #expect(try fixture.contents(id) == ["of \(id)"]) }
        let longest = String(repeating: "x", count: 256)
        try fixture.append("long", to: longest)
        #expect(try fixture.contents(longest) == ["long"])
    }

    // MARK: Many at once

    @Test(arguments: Kind.all)
    func `appends from many threads are neither lost nor doubled nor reordered`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1000))
        let service = fixture.service
        let counts = try onThreads(8) { thread in
            try (0..<25).map { number in
                try service.append([.user("\(thread)-\(number)")], to: SessionID("s")!).value.messageCount
            }
        }
        let contents = try #require(try fixture.contents("s"))
        #expect(contents.count == 200)
        for thread in 0..<8 {
            #expect(contents.filter { $0.hasPrefix("\(thread)-") } == (0..<25).map { "\(thread)-\($0)" })
        }
        #expect(counts.flatMap(\.self).sorted() == Array(1...200))
    }

    @Test(arguments: Kind.all)
    func `batches from many threads stay whole`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 20))
        let service = fixture.service
        let results = try onThreads(8) { thread in
            try (0..<10).map { number in
                let batch = (0..<5).map { Message.user("\(thread)-\(number)-\($0)") }
                return try service.append(batch, to: SessionID("s")!).value
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

    @Test(arguments: Kind.whole)
    func `an expired session is gone`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        try fixture.append("a", to: "s")
        try fixture.letTimePass(3540)
        #expect(try fixture.contents("s") == ["a"])
        try fixture.letTimePass(60)
        #expect(try fixture.contents("s") == nil)
        #expect(try fixture.contents("s", last: 1) == nil)
        #expect(try fixture.service.list(limit: 10, after: nil).sessions.isEmpty)
        #expect(try !fixture.service.delete(SessionID("s")!).value.existed)
    }

    @Test(arguments: Kind.all)
    func `an append to an expired session starts afresh`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        try fixture.append("a", "b", to: "s", key: key)
        let old = try fixture.session("s")
        try fixture.letTimePass(3600)
        let result = try fixture.append("c", to: "s", key: key)
        #expect(result.messageCount == 1)
        #expect(result.dropped == 0)
        #expect(!result.isReplay)
        let session = try fixture.session("s")
        #expect(session.contents == ["c"])
        #expect(session.createdAt == session.updatedAt)
        #expect(session.entityTag != old.entityTag)
    }

    @Test(arguments: Kind.whole)
    func `an expired session is none to create and to a condition`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        for id in ["created", "present", "tagged"] { try fixture.append("old", to: id) }
        let tag = try fixture.session("tagged").entityTag
        try fixture.letTimePass(3600)
        let created = try fixture.service.create(SessionID("created")!, messages: [.user("new")]).value
        #expect(!created.existed)
        #expect(created.createdAt == created.updatedAt)
        #expect(try fixture.contents("created") == ["new"])
        for (id, condition) in [("present", Condition.present), ("tagged", .matching([tag]))] {
            #expect(throws: StoreError.conditionFailed) {
                try fixture.service.replace(SessionID(id)!, messages: [], condition: condition)
            }
        }
    }

    @Test(arguments: Kind.all)
    func `a replacement of an expired session makes it anew`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        try fixture.append("old", to: "s")
        try fixture.letTimePass(3600)
        let replaced = try fixture.service.replace(SessionID("s")!, messages: [.user("new")]).value
        #expect(!replaced.existed)
        #expect(replaced.createdAt == replaced.updatedAt)
        #expect(try fixture.contents("s") == ["new"])
    }

    @Test(arguments: Kind.all)
    func `without a TTL sessions stay`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 0))
        try fixture.append("a", to: "s")
        try fixture.letTimePass(10 * 365 * 86_400)
        #expect(try fixture.contents("s") == ["a"])
        #expect(try fixture.append("b", to: "s").messageCount == 2)
        #expect(fixture.service.status.ttlSeconds == 0)
    }

    // MARK: Create, replace, delete

    @Test(arguments: Kind.whole)
    func `create makes a session once`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let made = try fixture.service.create(SessionID("s")!, messages: [.user("a")]).value
        #expect(!made.existed)
        let session = made.session(SessionID("s")!)
        #expect(session.contents == ["a"])
        #expect(session.messageCount == 1)
        #expect(try fixture.session("s") == session)
        #expect(throws: StoreError.exists) {
            try fixture.service.create(SessionID("s")!, messages: [.user("b")])
        }
        #expect(try fixture.contents("s") == ["a"])
        let empty = try fixture.service.create(SessionID("empty")!, messages: []).value
        #expect(empty.messageCount == 0)
        #expect(try fixture.contents("empty") == [])
        #expect(throws: StoreError.exists) { try fixture.service.create(SessionID("empty")!, messages: []) }
    }

    @Test(arguments: Kind.whole)
    func `of many creators one wins`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let service = fixture.service
        let wins = try onThreads(12) { thread in
            do {
                _ = try service.create(SessionID("s")!, messages: [.user("\(thread)")])
                return 1
            } catch StoreError.exists {
                return 0
            }
        }
        #expect(wins.reduce(0, +) == 1)
        #expect(try fixture.contents("s") == [String(try #require(wins.firstIndex(of: 1)))])
    }

    @Test(arguments: Kind.all)
    func `replace keeps created_at and the newest messages`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let id = SessionID("s")!
        let made = try fixture.service.replace(id, messages: [.user("a")]).value
        #expect(!made.existed)
        try fixture.letTimePass(60)
        let replaced = try fixture.service.replace(id, messages: ["b", "c", "d"].map(Message.user)).value
        #expect(replaced.existed)
        let session = replaced.session(id)
        #expect(session.contents == ["c", "d"])
        #expect(session.messageCount == 2)
        #expect(session.updatedAt.milliseconds - session.createdAt.milliseconds >= 60_000)
        #expect(session.version > made.version)
        #expect(try fixture.session("s") == session)
    }

    @Test(arguments: Kind.whole)
    func `a replacement asks for the state it names`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let service = fixture.service
        let id = SessionID("s")!
        for condition in [Condition.present, .matching(["x"]), .matching([])] {
            #expect(throws: StoreError.conditionFailed) {
                try service.replace(id, messages: [.user("a")], condition: condition)
            }
        }
        #expect(try fixture.contents("s") == nil)
        let made = try service.replace(id, messages: [.user("a")], condition: .absent).value
        #expect(!made.existed)
        #expect(throws: StoreError.conditionFailed) {
            try service.replace(id, messages: [.user("b")], condition: .absent)
        }
        #expect(try service.replace(id, messages: [.user("c")], condition: .present).value.existed)
        #expect(throws: StoreError.conditionFailed) {
            try service.replace(id, messages: [], condition: .matching([made.session(id).entityTag]))
        }
        let tag = try fixture.session("s", last: 1).entityTag
        let last = try service.replace(id, messages: [.user("d")], condition: .matching(["other", tag])).value
        #expect(last.existed)
        #expect(try fixture.contents("s") == ["d"])
    }

    @Test(arguments: Kind.whole)
    func `of many replacements of one state one wins`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let service = fixture.service
        try fixture.append("a", to: "s")
        let tag = try fixture.session("s").entityTag
        let wins = try onThreads(8) { thread in
            do {
                _ = try service.replace(SessionID("s")!, messages: [.user("\(thread)")], condition: .matching([tag]))
                return 1
            } catch StoreError.conditionFailed {
                return 0
            }
        }
        #expect(wins.reduce(0, +) == 1)
        #expect(try fixture.contents("s") == [String(try #require(wins.firstIndex(of: 1)))])
    }

    @Test(arguments: Kind.all)
    func `delete tells whether there was a session`(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", to: "s")
        let deleted = try fixture.service.delete(SessionID("s")!)
        #expect(deleted.value.existed)
        #expect(deleted.source == kind.source)
        #expect(deleted.isPartial == kind.isPartial && deleted.value.isPartial == kind.isPartial)
        #expect(try fixture.contents("s") == nil)
        #expect(try !fixture.service.delete(SessionID("s")!).value.existed)
        #expect(try fixture.append("b", to: "s").messageCount == 1)
        #expect(try fixture.contents("s") == ["b"])
    }

    // MARK: Listing, counting, cleaning up

    @Test(arguments: Kind.whole)
    func `a listing goes from new to old page by page`(_ kind: Kind) throws {
        let fixture = try kind.make()
        for number in 0..<7 {
            try fixture.append(to: "s\(number)", number)
            try fixture.letTimePass(1)
        }
        var listed: [SessionSummary] = []
        var cursor: SessionCursor?
        var pages = 0
        repeat {
            let page = try fixture.service.list(limit: 3, after: cursor)
            listed += page.sessions
            cursor = page.next
            pages += 1
        } while cursor != nil
        #expect(pages == 3)
        #expect(listed.map(\.id.description) == (0..<7).reversed().map { "s\($0)" })
        #expect(listed.map(\.messageCount) == (1...7).reversed())
        let first = try fixture.session("s6")
        #expect(listed.first?.createdAt == first.createdAt)
        #expect(listed.first?.updatedAt == first.updatedAt)
    }

    @Test(arguments: Kind.whole)
    func `sessions of one moment are listed by their ids`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let names = (0..<20).map { "s\($0)" } + ["ä", "Z", "a", "😀"]
        for name in names { try fixture.append("x", to: name) }
        try fixture.alignDates()
        let expected = names.sorted { $1.utf8.lexicographicallyPrecedes($0.utf8) }
        for limit in [1, 5, 23, 24, 25, 500] {
            var listed: [String] = []
            var cursor: SessionCursor?
            repeat {
                let page = try fixture.service.list(limit: limit, after: cursor)
                #expect(page.sessions.count <= limit)
                #expect(page.next == nil || page.sessions.count == limit)
                listed += page.sessions.map(\.id.description)
                cursor = page.next
            } while cursor != nil
            #expect(listed == expected)
        }
    }

    @Test(arguments: Kind.all)
    func `the status counts the sessions`(_ kind: Kind) throws {
        let fixture = try kind.make()
        for name in ["a", "b", "c"] { try fixture.append("x", "y", to: name) }
        _ = try fixture.service.delete(SessionID("b")!)
        try waitUntil("two sessions are counted") { fixture.service.status.activeSessions == 2 }
        try waitUntil("the store is ready") { fixture.service.status.isReady }
        #expect(fixture.service.status.kind == kind.source)
        #expect(fixture.service.kind == kind.source)
        #expect(fixture.service.status.ttlSeconds == 604_800)
    }

    @Test(arguments: Kind.whole)
    func `cleanup deletes what is older`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 0))
        for name in ["a", "b"] { try fixture.append("x", to: name) }
        try fixture.letTimePass(2 * 86_400)
        try fixture.append("x", to: "c")
        #expect(try fixture.cleanup(olderThanDays: 3) == 0)
        #expect(try fixture.cleanup(olderThanDays: 1, dryRun: true) == 2)
        #expect(try fixture.contents("a") == ["x"])
        #expect(try fixture.cleanup(olderThanDays: 1) == 2)
        #expect(try fixture.contents("a") == nil)
        #expect(try fixture.contents("c") == ["x"])
    }

    // MARK: Size

    @Test(arguments: Kind.all)
    func `over the size the oldest go first`(_ kind: Kind) throws {
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

    @Test(arguments: Kind.all)
    func `a message larger than a session is refused`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 100, maxSessionBytes: 1000))
        try fixture.append("a", to: "s")
        for batch in [["b", String(repeating: "x", count: 1000)], [String(repeating: "x", count: 1000), "b"]] {
            #expect(throws: StoreError.tooLarge(limit: 1000)) {
                try fixture.service.append(batch.map(Message.user), to: SessionID("s")!)
            }
            #expect(throws: StoreError.tooLarge(limit: 1000)) {
                try fixture.service.replace(SessionID("s")!, messages: batch.map(Message.user))
            }
        }
        #expect(try fixture.contents("s") == ["a"])
    }

    @Test(arguments: Kind.all)
    func `a message that fills a session pushes out the others`(_ kind: Kind) throws {
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

    @Test(arguments: Kind.all)
    func `a repeated key gives the first answer and stores nothing`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 2))
        let key = IdempotencyKey(key: "k", fingerprint: -5)
        try fixture.append("a", to: "s")
        let first = try fixture.append("b", "c", to: "s", key: key)
        #expect(first.dropped == 1)
        #expect(!first.isReplay)
        try fixture.letTimePass(60)
        try fixture.append("d", to: "s")
        let before = try fixture.session("s")
        let again = try fixture.append("b", "c", to: "s", key: key)
        #expect(again.isReplay)
        #expect(again.messageCount == first.messageCount)
        #expect(again.appended == first.appended)
        #expect(again.dropped == first.dropped)
        #expect(again.updatedAt == first.updatedAt)
        #expect(again.isPartial == first.isPartial)
        #expect(try fixture.session("s") == before)
    }

    @Test(arguments: Kind.all)
    func `a repetition tells beside the first counts how the session is now`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        let first = try fixture.append("a", to: "s", key: key)
        #expect(!first.existed)
        try fixture.append("b", to: "s")
        let session = try fixture.session("s")
        let again = try fixture.append("a", to: "s", key: key)
        #expect(again.isReplay && again.messageCount == 1 && again.updatedAt == first.updatedAt)
        #expect(again.existed)
        #expect(again.version == session.version)
        #expect(again.createdAt == session.createdAt)
    }

    @Test(arguments: Kind.all)
    func `a key with another body is refused`(_ kind: Kind) throws {
        let fixture = try kind.make()
        try fixture.append("a", to: "s", key: IdempotencyKey(key: "k", fingerprint: 1))
        #expect(throws: StoreError.keyReused) {
            try fixture.append("b", to: "s", key: IdempotencyKey(key: "k", fingerprint: 2))
        }
        #expect(try fixture.contents("s") == ["a"])
        #expect(try !fixture.append("b", to: "other", key: IdempotencyKey(key: "k", fingerprint: 2)).isReplay)
    }

    @Test(arguments: Kind.all)
    func `twelve equal requests at once store one message and get one answer`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let service = fixture.service
        for round in 0..<5 {
            let id = SessionID("s\(round)")!
            let results = try onThreads(12) { _ in
                let key = IdempotencyKey(key: "once", fingerprint: 7)
                return try service.append([.user("a")], to: id, key: key).value
            }
            #expect(results.filter { !$0.isReplay }.count == 1)
            #expect(Set(results.map(\.updatedAt)).count == 1)
            #expect(results.allSatisfy { $0.messageCount == 1 && $0.appended == 1 && $0.dropped == 0 })
            #expect(try fixture.contents(id.description) == ["a"])
        }
    }

    @Test(arguments: Kind.all)
    func `at least sixty-four keys are remembered`(_ kind: Kind) throws {
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

    @Test(arguments: Kind.all)
    func `a key is nothing but a name`(_ kind: Kind) throws {
        let fixture = try kind.make()
        for key in ["$$NOW", "$_id", "a.b", "{\"$gt\":\"\"}", "\"", "\\", " ", String(repeating: "~", count: 128)] {
            let key = IdempotencyKey(key: key, fingerprint: 1)
            #expect(try !fixture.append("a", to: "s", key: key).isReplay)
            #expect(try fixture.append("a", to: "s", key: key).isReplay)
        }
    }

    // MARK: Content

    @Test(arguments: Kind.all)
    func `messages come back as they went in`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(maxMessages: 1000))
        let service = fixture.service
        let id = SessionID("s")!
        for text in ContentSamples.messages {
            _ = try service.append([try .json(text)], to: id)
        }
        let read = try fixture.session("s").messageTexts
        #expect(read.count == ContentSamples.messages.count)
        for (sent, got) in zip(ContentSamples.messages, read) {
            #expect(try CanonicalJSON(got) == CanonicalJSON(sent))
        }
        let replaced = try service.replace(id, messages: read.map(Message.json)).value.session(id)
        #expect(replaced.messageTexts == read)
        #expect(try fixture.session("s") == replaced)
    }

    // MARK: Where only the primary knows

    @Test(arguments: Kind.partial)
    func `without the primary what only it can know is refused and changes nothing`(_ kind: Kind) throws {
        let fixture = try kind.make()
        let service = fixture.service
        try fixture.append("a", to: "known")
        let tag = try fixture.session("known").entityTag
        for id in [SessionID("known")!, SessionID("unknown")!] {
            expectUnavailable { _ = try service.create(id, messages: [.user("b")]) }
            for condition in [Condition.absent, .present, .matching([tag]), .matching([])] {
                expectUnavailable { _ = try service.replace(id, messages: [.user("b")], condition: condition) }
            }
        }
        expectUnavailable { _ = try fixture.contents("unknown") }
        expectUnavailable { _ = try service.list(limit: 10, after: nil) }
        for dryRun in [true, false] { expectUnavailable { _ = try fixture.cleanup(olderThanDays: 0, dryRun: dryRun) } }
        #expect(try fixture.contents("known") == ["a"])
        #expect(service.status.pendingOperations == 1)
    }

    @Test(arguments: Kind.partial)
    func `without the primary an expired session is one that only it can know`(_ kind: Kind) throws {
        let fixture = try kind.make(StoreLimits(ttlSeconds: 3600))
        try fixture.append("a", to: "s")
        try fixture.letTimePass(3540)
        #expect(try fixture.contents("s") == ["a"])
        try fixture.letTimePass(60)
        expectUnavailable { _ = try fixture.contents("s") }
        expectUnavailable { _ = try fixture.contents("s", last: 1) }
    }
}

extension ServiceFixture {
    fileprivate func cleanup(olderThanDays days: Int, dryRun: Bool = false) throws -> Int {
        try service.cleanup(olderThanDays: days, dryRun: dryRun) { _ in }
    }

    /// Appends as many messages as `number` says, and one more.
    fileprivate func append(to id: String, _ number: Int) throws {
        _ = try service.append((0...number).map { .user("\($0)") }, to: SessionID(id)!)
    }
}
