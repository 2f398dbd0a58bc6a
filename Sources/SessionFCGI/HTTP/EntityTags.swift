import Text

/// The value of an `If-Match` or `If-None-Match` header (RFC 9110, section 13.1).
enum EntityTags: Equatable {
    struct Tag: Equatable {
        let isWeak: Bool
        let opaque: String
    }

    case any
    case tags([Tag])

    init(_ header: String, field: String) throws(Problem) {
        var rest = Substring(header).trimming(while: Self.isSpace)
        if rest == "*" {
            self = .any
            return
        }
        func refusal() -> Problem {
            Problem(400, "\(field) must be * or a list of entity tags in double quotes.", field: field)
        }
        var tags: [Tag] = []
        repeat {
            let isWeak = rest.hasPrefix("W/")
            if isWeak { rest = rest.dropFirst(2) }
            guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else { throw refusal() }
            tags.append(Tag(isWeak: isWeak, opaque: String(rest[rest.index(after: rest.startIndex)..<end])))
            rest = rest[rest.index(after: end)...].trimming(while: Self.isSpace)
            guard rest.isEmpty || rest.first == "," else { throw refusal() }
            // A list may hold empty elements (RFC 9110, section 5.6.1).
            while rest.first == "," { rest = rest.dropFirst().trimming(while: Self.isSpace) }
        } while !rest.isEmpty
        self = .tags(tags)
    }

    /// The tags that can match in the strong comparison, which `If-Match` asks for.
    var strong: [String] {
        guard case .tags(let tags) = self else { return [] }
        return tags.filter { !$0.isWeak }.map(\.opaque)
    }

    /// Whether a tag matches in the weak comparison, which `If-None-Match` asks for.
    func weaklyMatches(_ tag: String) -> Bool {
        guard case .tags(let tags) = self else { return true }
        return tags.contains { $0.opaque == tag }
    }

    /// Optional white space (RFC 9110, section 5.6.3).
    private static func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" }
}
