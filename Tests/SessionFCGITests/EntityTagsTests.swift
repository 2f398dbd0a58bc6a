import Testing

@testable import SessionFCGI

@Suite struct EntityTagsTests {
    private func read(_ header: String) -> EntityTags? { try? EntityTags(header, field: "If-Match") }

    private func tags(_ list: (Bool, String)...) -> EntityTags {
        .tags(list.map { EntityTags.Tag(isWeak: $0.0, opaque: $0.1) })
    }

    @Test func `a header is a star or a list of tags`() {
        #expect(read("*") == .any)
        #expect(read(" * ") == .any)
        #expect(read("\"a\"") == tags((false, "a")))
        #expect(read("W/\"a\"") == tags((true, "a")))
        #expect(read("\"\"") == tags((false, "")))
        #expect(read("\"a,b\" , W/\"c\",\"d e\"") == tags((false, "a,b"), (true, "c"), (false, "d e")))
    }

    @Test(arguments: ["", " ", "a", "\"", "\"a", "a\"", "\"a\" \"b\"", "w/\"a\"", "W/a", "W/ \"a\"", "*,*", "'a'"])
    func `anything else is refused with the header's name`(header: String) {
        let problem = #expect(throws: Problem.self) { try EntityTags(header, field: "If-Match") }
        #expect(problem?.status == 400 && problem?.field == "If-Match")
    }

    @Test func `the strong comparison knows no weak tags, the weak one does`() {
        let both = tags((true, "weak"), (false, "strong"))
        #expect(both.strong == ["strong"])
        #expect(both.weaklyMatches("weak") && both.weaklyMatches("strong") && !both.weaklyMatches("other"))
        #expect(EntityTags.any.weaklyMatches("x") && EntityTags.any.strong.isEmpty)
    }
}
