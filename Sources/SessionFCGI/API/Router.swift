import Store

/// What a request's body and its messages are held to.
struct RequestLimits: Sendable, Equatable {
    var maxMessageBytes = 262_144
    var maxBodyBytes = 1_048_576
}

/// Answers requests. A function of the request and of what the store holds: it knows no socket and no thread.
struct Router: Sendable {
    /// Where a request goes, or why it goes nowhere.
    struct Destination: Sendable {
        fileprivate enum Place: Sendable {
            case route(Route, Call)
            case answer(Response)
        }

        fileprivate let place: Place
        fileprivate let resource: RouteTable.Resource?

        /// Whether answering may make the thread wait for a store.
        var asksStore: Bool { if case .route(let route, _) = place { route.asksStore } else { false } }

        /// The path's template, for the log.
        var template: StaticString { resource?.path.text ?? "-" }
    }

    let table: RouteTable
    private let access: AccessControl
    private let sessions: any SessionService

    init(_ sessions: any SessionService, families: [any RouteFamily], access: AccessControl) throws(RouteTable.Collision) {
        table = try RouteTable(families)
        self.access = access
        self.sessions = sessions
    }

    /// A router with the service's own families.
    init(
        _ sessions: any SessionService, limits: RequestLimits = RequestLimits(), testRoutesEnabled: Bool = false,
        access: AccessControl = AccessControl()
    ) {
        let families: [any RouteFamily] = [
            HealthAPI(sessions: sessions), SessionsAPI(sessions: sessions, limits: limits),
            AdminAPI(sessions: sessions),
            PythonServiceAPI(sessions: sessions, limits: limits, testRoutesEnabled: testRoutesEnabled),
        ]
        do throws(RouteTable.Collision) {
            try self.init(sessions, families: families, access: access)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func destination(of request: consuming Request) -> Destination {
        var resource: RouteTable.Resource?
        do throws(Problem) {
            let target = try RequestTarget(request.target)
            resource = table.resource(at: target.segments)
            guard let resource else { throw .noRoute }
            let call = try Call(request, target, at: resource.path)
            if let route = resource.route(for: call.request.method) {
                return Destination(place: .route(route, call), resource: resource)
            }
            guard call.request.method == "OPTIONS" else {
                var problem = Problem(405, "This route answers to \(resource.allow).")
                problem.allow = resource.allow
                throw problem
            }
            let response = Response(status: 204, contentType: nil, headers: [("Allow", resource.allow)])
            return Destination(place: .answer(response), resource: resource)
        } catch {
            let response = resource?.family.response(to: error) ?? error.response
            return Destination(place: .answer(response), resource: resource)
        }
    }

    func respond(to request: Request) -> Response { respond(at: destination(of: request)) }

    func respond(at destination: Destination) -> Response {
        var response: Response
        switch destination.place {
        case .answer(let ready): response = ready
        case .route(let route, let call):
            do throws(Problem) {
                try access.check(call.request, for: route.access)
                response = try route.answer(call)
            } catch {
                response = destination.resource?.family.response(to: error) ?? error.response
            }
        }
        if response.store == nil { response.store = sessions.kind.rawValue }
        return response
    }

    /// The answer to what is no request to any route.
    func refusal(_ problem: Problem) -> Response {
        respond(at: Destination(place: .answer(problem.response), resource: nil))
    }
}
