import Store

/// One way of asking for something: all that is said of it stands in its declaration. (A class, like what hands it on:
/// copying their members would cost each request more than all the rest of routing.)
final class Route: Sendable {
    /// The methods that routes answer to. HEAD and OPTIONS are answered by the table.
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    let method: Method
    let path: PathTemplate
    let access: AccessControl.Level
    /// Whether answering may wait for a store.
    let asksStore: Bool
    let answer: @Sendable (Call) throws(Problem) -> Response

    init(
        _ method: Method, _ path: StaticString, _ access: AccessControl.Level, asksStore: Bool = true,
        answer: @escaping @Sendable (Call) throws(Problem) -> Response
    ) {
        self.method = method
        self.path = PathTemplate(path)
        self.access = access
        self.asksStore = asksStore
        self.answer = answer
    }

    /// A route whose path names a session.
    convenience init(
        _ method: Method, _ path: StaticString, _ access: AccessControl.Level,
        answer: @escaping @Sendable (Call, SessionID) throws(Problem) -> Response
    ) {
        self.init(method, path, access) { call throws(Problem) in
            guard let session = call.session else { preconditionFailure("\(path) has no \(PathTemplate.session)") }
            return try answer(call, session)
        }
    }
}

/// A request to a route.
final class Call: Sendable {
    let request: Request
    let target: RequestTarget
    /// The session that the path names.
    let session: SessionID?
    /// What stands in the path's other parameters, in their order.
    let parameters: [[UInt8]]

    /// Throws 400 where a parameter of the path is not what it should be.
    init(_ request: consuming Request, _ target: RequestTarget, at path: PathTemplate) throws(Problem) {
        var session: SessionID?
        var parameters: [[UInt8]] = []
        for (index, segment) in path.segments.enumerated() {
            switch segment {
            case .literal: break
            case .session: session = try SessionID(admitting: target.segments[index])
            case .parameter: parameters.append(target.segments[index])
            }
        }
        self.request = request
        self.target = target
        self.session = session
        self.parameters = parameters
    }
}

/// Routes that belong together, with their own way of showing a problem.
protocol RouteFamily: Sendable {
    var routes: [Route] { get }

    func response(to problem: Problem) -> Response
}

extension RouteFamily {
    func response(to problem: Problem) -> Response { problem.response }
}

/// A path with parameters in it, `/sessions/{id}/messages`: what routes match, and what logs say instead of a path, since
/// an id may say who somebody is.
struct PathTemplate: Sendable, Equatable, CustomStringConvertible {
    /// The parameter that is a session's id.
    static let session = "{id}"

    enum Segment: Sendable, Equatable {
        case literal([UInt8])
        case session
        case parameter
    }

    let text: StaticString
    let segments: [Segment]

    init(_ text: StaticString) {
        self.text = text
        precondition(text.description.hasPrefix("/"), "\(text) is no path")
        segments = text.description.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { segment in
            if segment == Self.session { return .session }
            return segment.hasPrefix("{") && segment.hasSuffix("}") ? .parameter : .literal(Array(segment.utf8))
        }
    }

    var description: String { text.description }

    static func == (left: PathTemplate, right: PathTemplate) -> Bool { left.segments == right.segments }

    /// Whether a path's segments are of this form. A parameter at the end is not empty: `/sessions/` names nothing.
    func matches(_ path: [[UInt8]]) -> Bool {
        guard path.count == segments.count else { return false }
        for index in 0..<path.count {
            if case .literal(let literal) = segments[index], literal != path[index] { return false }
        }
        if case .literal = segments[segments.count - 1] { return true }
        return !path[path.count - 1].isEmpty
    }

    /// Whether there is a path that both match.
    func overlaps(_ other: PathTemplate) -> Bool {
        segments.count == other.segments.count
            && zip(segments, other.segments).allSatisfy { own, others in
                guard case .literal = own, case .literal = others else { return true }
                return own == others
            }
    }
}
