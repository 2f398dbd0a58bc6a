import System
import TestSupport
import Testing

@testable import Store

/// What MongoDB is asked, and what other writers leave in it.
@Suite struct MongoStoreTests {
    private let id = SessionID("s")!

    // MARK: One command each

    @Test func `a read and an append are one command each`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        _ = try store.append([.user("a")], to: id)
        try database.run("{\"profile\": 2}")
        _ = try store.append([.user("b")], to: id)
        _ = try store.append([.user("c"), .user("d")], to: id, key: IdempotencyKey(key: "k", fingerprint: 1))
        _ = try store.append([.user("c"), .user("d")], to: id, key: IdempotencyKey(key: "k", fingerprint: 1))
        _ = try store.read(id, last: nil)
        _ = try store.read(id, last: 1)
        _ = try store.read(SessionID("nobody")!, last: nil)
        let reply = try database.run(
            """
            {"find": "system.profile", "sort": {"ts": 1},
             "filter": {"ns": "\(database.name).\(MongoDatabase.collection)"}}
            """)
        let operations = try #require(reply.document("cursor")).documents("firstBatch")
        let names = operations.map { operation in
            String(decoding: operation.document("command")?["findAndModify"] != nil ? [102] : [114], as: UTF8.self)
        }
        #expect(names == ["f", "f", "f", "r", "r", "r"])
        // A read by _id alone looks at one document and no other index.
        #expect(operations.suffix(3).allSatisfy { ($0.integer("docsExamined") ?? 0) <= 1 })
        // The answer to an append does not carry the messages back.
        #expect(operations.prefix(3).allSatisfy { ($0.integer("responseLength") ?? 9999) < 600 })
    }

    @Test func `a second store sees what the first has written`() throws {
        let database = try MongoDatabase()
        let (one, other) = (try database.store(), try database.store())
        defer { one.close(); other.close() }
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        let first = try one.append([.user("a")], to: id, key: key).value
        #expect(try other.read(id, last: nil)?.contents == ["a"])
        let again = try other.append([.user("a")], to: id, key: key).value
        #expect(again.isReplay)
        #expect(again.updatedAt == first.updatedAt)
    }

    @Test func `a command that the driver repeats is done once and answered the same`() throws {
        let set = try ReplicaSet(size: 1, ["--setParameter", "enableTestCommands=1"])
        let database = try MongoDatabase(uri: set.uri)
        let admin = try MongoDatabase(uri: set.uri, name: "admin")
        let store = try database.store(StoreLimits(maxMessages: 3))
        let plain = try database.store(StoreLimits(maxMessages: 3))
        defer { store.close(); plain.close() }
        _ = try store.append(["a", "b", "c"].map(Message.user), to: id)

        /// The next findAndModify is done, and answered with an error that is worth another try.
        func breakTheNextAnswer() throws {
            try admin.run(
                """
                {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {
                    "failCommands": ["findAndModify"], "errorLabels": ["RetryableWriteError"],
                    "writeConcernError": {"code": 89, "codeName": "NetworkTimeout", "errmsg": "tested"}}}
                """)
        }
        func timesEntered() throws -> Int64 {
            let reply = try admin.run(#"{"getParameter": 1, "failpoint.failCommand": 1}"#)
            return reply.document("failpoint.failCommand")?.integer("timesEntered") ?? 0
        }
        for (number, store) in [plain, store].enumerated() {
            for key in [nil, IdempotencyKey(key: "k\(number)", fingerprint: 1)] {
                let entered = try timesEntered()
                try breakTheNextAnswer()
                let result = try store.append([.user("d"), .user("e")], to: id, key: key).value
                #expect(try timesEntered() > entered)
                #expect(result.messageCount == 3)
                #expect(result.appended == 2)
                #expect(result.dropped == 2)
                #expect(!result.isReplay)
                let session = try #require(try store.read(id, last: nil))
                #expect(session.updatedAt == result.updatedAt)
                #expect(session.contents.suffix(2) == ["d", "e"])
                #expect(session.contents != ["d", "e", "d"])
            }
        }
        try breakTheNextAnswer()
        #expect(throws: StoreError.exists) { try plain.create(id, messages: []) }
        try breakTheNextAnswer()
        let new = SessionID("new")!
        let created = try plain.create(new, messages: [.user("x")]).value
        #expect(created.session(new) == (try plain.read(new, last: nil)))
        try breakTheNextAnswer()
        let replaced = try plain.replace(new, messages: [.user("y")], condition: .present).value
        #expect(replaced.session(new) == (try plain.read(new, last: nil)))
        #expect(replaced.existed)
        try breakTheNextAnswer()
        #expect(try plain.delete(new).value.existed)
    }

    // MARK: The Python service beside this one

    @Test func `a writer as the Python service sees and is seen`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxMessages: 3))
        defer { store.close() }
        // insert_one
        try database.run(
            """
            {"insert": "sessions", "documents": [
                {"_id": "other", "messages": [], "created_at": 0, "updated_at": 0}]}
            """)
        try database.update(
            "s",
            #"[{"$set": {"messages": {"$literal": [{"role": "user", "content": "1"}]}, "created_at": "$$NOW", "updated_at": "$$NOW"}}]"#,
            upsert: true)
        let inserted = try #require(try store.read(id, last: nil))
        #expect(inserted.contents == ["1"])
        #expect(inserted.createdAt == inserted.updatedAt)
        #expect(inserted.version == 0)
        let tag = inserted.entityTag

        // update_one with $push, and a whole array set to trim
        let push = #"{"$push": {"messages": {"role": "assistant", "content": "2"}}, "$currentDate": {"updated_at": true}}"#
        try database.update("s", push)
        #expect(try store.read(id, last: nil)?.contents == ["1", "2"])
        #expect(try store.read(id, last: nil)?.entityTag != tag)
        let result = try store.append([.user("3"), .user("4")], to: id).value
        #expect(result.messageCount == 3)
        #expect(result.dropped == 1)
        try database.update("s", push)
        #expect(try store.read(id, last: nil)?.messageCount == 4)
        try database.update(
            "s", #"{"$set": {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}}"#)
        #expect(try store.append([.user("z")], to: id).value.messageCount == 3)
        #expect(try store.read(id, last: nil)?.contents == ["x", "y", "z"])

        // find_one
        let document = try #require(try database.document("s"))
        #expect(document.contains(#""messages":[{"role":"user","content":"x"},{"role":"user","content":"y"},{"role":"user","content":"z"}]"#))
        #expect(document.contains(#""created_at":"20"#))
    }

    @Test func `what other writers add stays`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        _ = try store.append([.user("a")], to: id)
        try database.update("s", #"{"$set": {"owner": {"name": "x"}, "n": 5, "expired": true, "e": 1, "o": 2}}"#)
        _ = try store.append([.user("b")], to: id)
        _ = try store.append([.user("c")], to: id, key: IdempotencyKey(key: "k", fingerprint: 1))
        let session = try #require(try store.read(id, last: 1))
        #expect(session.contents == ["c"])
        #expect(session.messageCount == 3)
        _ = try store.replace(id, messages: [.user("d")], condition: .matching([session.entityTag]))
        #expect(try store.read(id, last: nil)?.contents == ["d"])
        #expect(try database.document("s")?.contains(#""owner":{"name":"x"}"#) == true)
    }

    // MARK: Odd documents

    /// Documents that are not as this store leaves them: the members beside `_id`, and the messages that it reads.
    static let odd: [(members: String, contents: [String])] = [
        ("{}", []),
        (#"{"messages": null}"#, []),
        (#"{"messages": "text", "updated_at": "yesterday", "created_at": 5, "seq": "many"}"#, []),
        (#"{"messages": {"0": {"role": "user", "content": "a"}}}"#, []),
        (#"{"messages": [{"role": "user", "content": "a"}], "seq": 1.5, "updated_at": null}"#, ["a"]),
        (#"{"messages": [1, "b", null, [2]], "recent_keys": "none", "recent_ops": 7}"#, ["1", "\"b\"", "null", "[2]"]),
        (#"{"messages": [{}], "recent_keys": [1, {"k": 2}, {"h": 3}], "recent_ops": ["x"], "seq": 1e300}"#, ["{}"]),
        (#"{"messages": [], "recent_keys": {"k": ["a"]}, "seq": -9223372036854775808}"#, []),
    ]

    @Test(arguments: odd.indices)
    func `an odd document breaks nothing`(index: Int) throws {
        let (members, contents) = Self.odd[index]
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxMessages: 5))
        defer { store.close() }
        func reset() throws {
            let document = BSONWriter.document { writer in
                writer.string("_id", "s")
                writer.elements(of: JSONToBSON.document(members))
            }
            try database.run(
                BSONWriter.document { writer in
                    writer.string("update", "sessions")
                    writer.array("updates") { updates in
                        updates.document { writer in
                            writer.document("q") { $0.string("_id", "s") }
                            writer.raw("u", .document, document)
                            writer.boolean("upsert", true)
                        }
                    }
                })
        }
        try reset()
        let session = try #require(try store.read(id, last: nil))
        #expect(session.contents == contents)
        #expect(session.messageCount == contents.count)
        #expect(session.createdAt.milliseconds == 0)
        #expect(try store.read(id, last: 2)?.messageCount == contents.count)
        _ = try store.list(limit: 10, after: nil)

        let key = IdempotencyKey(key: "k", fingerprint: 1)
        for key in [nil, key] {
            try reset()
            let result = try store.append([.user("new")], to: id, key: key).value
            #expect(result.messageCount == contents.count + 1)
            #expect(result.dropped == 0)
            #expect(try store.read(id, last: nil)?.contents == contents + ["new"])
            #expect(try store.list(limit: 10, after: nil).sessions.map(\.messageCount) == [contents.count + 1])
            if key != nil { #expect(try store.append([.user("new")], to: id, key: key).value.isReplay) }
        }
        try reset()
        let small = try database.store(StoreLimits(maxMessages: 5, maxSessionBytes: 200))
        defer { small.close() }
        _ = try small.append([.user(String(repeating: "x", count: 150))], to: id)
        #expect(try small.read(id, last: 1)?.contents.first?.count == 150)

        try reset()
        #expect(try store.replace(id, messages: [.user("r")], condition: .present).value.existed)
        #expect(try store.read(id, last: nil)?.contents == ["r"])
        try reset()
        if members != "{}" {
            #expect(throws: StoreError.exists) { try store.create(id, messages: []) }
        }
        #expect(try store.delete(id).value.existed)
        #expect(try store.read(id, last: nil) == nil)
    }

    @Test(arguments: ["9223372036854775807", "-9223372036854775808"])
    func `a date far out of range is read and ends nothing`(milliseconds: String) throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        try store.probe()
        _ = try store.append([.user("a")], to: id)
        try database.update(
            "s", #"[{"$set": {"updated_at": {"$toDate": {"$toLong": "\#(milliseconds)"}}}}]"#)
        let isFuture = !milliseconds.hasPrefix("-")
        #expect((try store.read(id, last: nil) != nil) == isFuture)
        _ = try store.list(limit: 10, after: nil)
        _ = try store.append([.user("b")], to: id)
        #expect(try store.read(id, last: 1)?.contents == ["b"])
    }

    @Test func `an array of dates hides nothing and is not cleaned up`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(ttlSeconds: 0))
        defer { store.close() }
        for name in ["a", "b", "c", "odd"] { _ = try store.append([.user("x")], to: SessionID(name)!) }
        try database.update("odd", #"[{"$set": {"updated_at": ["$$NOW", {"$toDate": {"$toLong": 0}}]}}]"#)
        var names: [String] = []
        var cursor: SessionCursor?
        repeat {
            let page = try store.list(limit: 1, after: cursor)
            names += page.sessions.map(\.id.description)
            cursor = page.next
        } while cursor != nil
        #expect(names.sorted() == ["a", "b", "c"])
        #expect(try store.cleanup(olderThanDays: 1, dryRun: false) { _ in } == 0)
        #expect(try store.read(SessionID("odd")!, last: nil)?.messageCount == 1)
    }

    @Test func `a deletion that comes late leaves alone what was appended since`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        try store.probe()
        let now = try #require(store.serverTime)
        _ = try store.append([.user("a")], to: id)
        let late = Operation(of: id, .delete, takenAt: now.advanced(bySeconds: -10))
        #expect(try !store.apply(late).existed)
        #expect(try store.read(id, last: nil)?.contents == ["a"])
        let timely = Operation(of: id, .delete, takenAt: now)
        #expect(try store.apply(timely).existed)
    }

    @Test func `documents whose _id is no text are not listed`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(ttlSeconds: 0))
        defer { store.close() }
        for name in ["a", "b", "c"] { _ = try store.append([.user("x")], to: SessionID(name)!) }
        try database.run(
            #"{"insert": "sessions", "documents": [{"_id": 5}, {"_id": {"x": 1}}, {"_id": ""}, {"_id": "a\nb"}]}"#)
        try database.update(nil, #"[{"$set": {"updated_at": "$$NOW"}}]"#)
        for limit in [1, 2, 3, 10] {
            var names: [String] = []
            var cursor: SessionCursor?
            repeat {
                let page = try store.list(limit: limit, after: cursor)
                names += page.sessions.map(\.id.description)
                cursor = page.next
            } while cursor != nil
            #expect(names == ["c", "b", "a"])
        }
        try database.update(nil, #"[{"$set": {"updated_at": {"$toDate": {"$toLong": 0}}}}]"#)
        #expect(try store.cleanup(olderThanDays: 1, dryRun: true) { _ in } == 7)
        #expect(try store.cleanup(olderThanDays: 1, dryRun: false) { _ in } == 7)
    }

    // MARK: Listing and cleaning up at size

    @Test func `a thousand sessions with ties are listed once each in order`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        try store.start()
        try database.run(
            BSONWriter.document { writer in
                writer.string("insert", "sessions")
                writer.array("documents") { documents in
                    for number in 0..<1000 {
                        documents.document { writer in
                            writer.string("_id", "s\(number * 7919 % 1000)".utf8)
                            writer.array("messages") { _ in }
                            // Groups of one, of a few, and one of five hundred.
                            let moment = number < 500 ? 0 : number < 900 ? number / 7 : number
                            writer.date("updated_at", Timestamp(milliseconds: 4_000_000_000_000 + Int64(moment)))
                        }
                    }
                }
            })
        for limit in [1, 7, 100, 499, 500] {
            var listed: [SessionSummary] = []
            var cursor: SessionCursor?
            repeat {
                let page = try store.list(limit: limit, after: cursor)
                listed += page.sessions
                cursor = page.next
            } while cursor != nil
            #expect(listed.count == 1000)
            let inOrder = zip(listed, listed.dropFirst()).allSatisfy { left, right in
                left.updatedAt != right.updatedAt
                    ? left.updatedAt > right.updatedAt : right.id.bytes.lexicographicallyPrecedes(left.id.bytes)
            }
            #expect(inOrder)
        }
    }

    @Test func `cleanup goes in batches and tells how far it is`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(ttlSeconds: 0))
        defer { store.close() }
        try database.run(
            BSONWriter.document { writer in
                writer.string("insert", "sessions")
                writer.array("documents") { documents in
                    for number in 0..<2500 {
                        documents.document { writer in
                            writer.string("_id", "s\(number)".utf8)
                            writer.date("updated_at", Timestamp(milliseconds: 1_600_000_000_000 + Int64(number)))
                        }
                    }
                    documents.document { $0.string("_id", "no date") }
                }
            })
        _ = try store.append([.user("new")], to: id)
        var steps: [Int] = []
        #expect(try store.cleanup(olderThanDays: 7, dryRun: false) { steps.append($0) } == 2500)
        #expect(steps == [1000, 2000, 2500])
        #expect(try database.document("no date") != nil)
        #expect(try store.read(id, last: nil) != nil)
    }

    // MARK: Size

    @Test func `a session can hold as much as is allowed`() throws {
        let database = try MongoDatabase()
        let limits = StoreLimits(maxMessages: 10_000, maxSessionBytes: 14 << 20)
        let store = try database.store(limits)
        defer { store.close() }
        let megabyte = String(repeating: "x", count: 1 << 20)
        var result: Outcome?
        for _ in 0..<16 { result = try store.append([.user(megabyte)], to: id).value }
        #expect(result?.messageCount == 13)
        #expect(result?.dropped == 1)
        // Small elements take many times their JSON in BSON; the oldest give way.
        let blown = "[" + [String](repeating: "0", count: 400_000).joined(separator: ",") + "]"
        let message = try Message.json(#"{"role":"user","content":"blown","x":\#(blown)}"#)
        let last = try store.append([message], to: id, key: IdempotencyKey(key: "k", fingerprint: 1)).value
        #expect(last.dropped > 1)
        #expect(try store.read(id, last: 1)?.contents == ["blown"])
    }

    @Test func `what fits no document is too large`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxSessionBytes: 8 << 20))
        defer { store.close() }
        let blown = "[" + [String](repeating: "0", count: 2_000_000).joined(separator: ",") + "]"
        let message = try Message.json(#"{"role":"user","content":"blown","x":\#(blown)}"#)
        #expect(throws: StoreError.tooLarge(limit: 8 << 20)) { try store.append([message], to: id) }
        #expect(throws: StoreError.tooLarge(limit: 8 << 20)) { try store.create(id, messages: [message]) }
        #expect(try store.read(id, last: nil) == nil)
    }

    // MARK: Operations

    @Test func `an operation is applied once however often it is given`() throws {
        let database = try MongoDatabase()
        let store = try database.store(StoreLimits(maxMessages: 2))
        defer { store.close() }
        func append(_ text: String, _ operation: OperationID = .random()) throws -> Outcome {
            try store.apply(Operation(operation, of: id, .append([.user(text)], key: nil)))
        }
        let operation = OperationID.random()
        _ = try append("a")
        _ = try append("b")
        let first = try append("c", operation)
        #expect(try append("c", operation) == first)
        #expect(first.dropped == 1)
        for _ in 0..<60 { _ = try append("x") }
        _ = try append("c", operation)
        #expect(try store.read(id, last: nil)?.contents == ["x", "x"])

        let replacement = OperationID.random()
        for round in 0..<2 {
            let result = try store.apply(Operation(replacement, of: id, .replace([.user("r")], .none)))
            #expect(result.existed)
            #expect(result.session(id).contents == (round == 0 ? ["r"] : ["r", "after"]))
            if round == 0 { _ = try append("after") }
        }
        #expect(try store.apply(Operation(of: id, .delete)).existed)
        #expect(try !store.apply(Operation(of: id, .delete)).existed)
    }

    @Test func `an answer given elsewhere is given again`() throws {
        let database = try MongoDatabase()
        let store = try database.store()
        defer { store.close() }
        let key = IdempotencyKey(key: "k", fingerprint: 1)
        var told = Outcome(existed: true)
        (told.messageCount, told.appended, told.dropped) = (17, 1, 3)
        told.updatedAt = Timestamp(milliseconds: 1_700_000_000_000)
        told.isPartial = true
        let operation = Operation(of: id, .append([.user("a")], key: key), outcomeTold: told)
        func expectTold(_ outcome: Outcome, isReplay: Bool) {
            #expect(outcome.messageCount == told.messageCount)
            #expect(outcome.appended == told.appended)
            #expect(outcome.dropped == told.dropped)
            #expect(outcome.updatedAt == told.updatedAt)
            #expect(outcome.isPartial)
            #expect(outcome.isReplay == isReplay)
        }
        expectTold(try store.apply(operation), isReplay: false)
        expectTold(try store.apply(operation), isReplay: false)
        let answer = try store.append([.user("a")], to: id, key: key)
        expectTold(answer.value, isReplay: true)
        #expect(answer.isPartial)
        #expect(try store.read(id, last: nil)?.contents == ["a"])
    }
}
