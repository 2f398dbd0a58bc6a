import Store

/// Answers requests. A function of the request and of what the store holds: it knows no socket and no thread.
struct Router: Sendable {
    struct Options: Sendable {
        var maxMessageBytes = 262_144
        var maxBodyBytes = 1_048_576
        var testRoutesEnabled = false
    }

    /// Where a request goes, or why it goes nowhere.
    struct Destination: Sendable {
        fileprivate let found: Result<(route: Route, target: RequestTarget), Problem>

        /// Whether answering may make the thread wait for a database.
        var usesStore: Bool { (try? found.get().route.usesStore) ?? false }

        /// The path's template, for the log.
        var template: StaticString { (try? found.get().route.template) ?? "-" }
    }

    let store: any SessionStore
    let options: Options
    let adminTokens: TokenSet
    let apiTokens: TokenSet
    let startedAt = ContinuousClock.now

    init(
        store: any SessionStore, options: Options = Options(), adminTokens: TokenSet = TokenSet([]),
        apiTokens: TokenSet = TokenSet([])
    ) {
        self.store = store
        self.options = options
        self.adminTokens = adminTokens
        self.apiTokens = apiTokens
    }

    func destination(of request: Request) -> Destination {
        do throws(Problem) {
            let target = try RequestTarget(request.target)
            let route = try Route(target.segments, testRoutesEnabled: options.testRoutesEnabled)
            return Destination(found: .success((route, target)))
        } catch {
            return Destination(found: .failure(error))
        }
    }

    func respond(to request: Request) -> Response {
        respond(to: request, at: destination(of: request))
    }

    func respond(to request: Request, at destination: Destination) -> Response {
        var response: Response
        do throws(Problem) {
            let (route, target) = try destination.found.get()
            response = try answer(request, route, target)
        } catch {
            response = error.response
        }
        if response.store == nil { response.store = store.kind }
        return response
    }

    private func answer(_ request: Request, _ route: Route, _ target: RequestTarget) throws(Problem) -> Response {
        if request.method == "OPTIONS" {
            var response = Response.noContent()
            response.headers.append(("Allow", route.allow))
            return response
        }
        let method = request.method == "HEAD" ? "GET" : request.method
        guard route.methods.contains(method) else {
            var problem = Problem(405, "This route answers to \(route.allow).")
            problem.allow = route.allow
            throw problem
        }
        try authorize(request, for: route)
        switch (route, method) {
        case (.health, _): return health()
        case (.live, _): return live()
        case (.ready, _): return try ready()
        case (.sessions, _): return try createSession(request)
        case (.session(let id), "GET"): return try readSession(id, request, target)
        case (.session(let id), "PUT"): return try replaceSession(id, request)
        case (.session(let id), _): return try deleteSession(id)
        case (.messages(let id), "GET"): return try readMessages(id, target)
        case (.messages(let id), _): return try appendMessages(to: id, request)
        case (.cleanup, _): return try cleanUp(target)
        case (.sessionList, _): return try listSessions(target)
        case (.history(let id), _): return try readHistory(id)
        case (.legacySession(let id), _): return try clearSession(id)
        case (.echo, _): return try echo(request)
        }
    }

    private func authorize(_ request: Request, for route: Route) throws(Problem) {
        switch route {
        case .health, .live, .ready: return
        case .cleanup, .sessionList:
            if adminTokens.isEmpty {
                guard isLoopback(request.remoteAddress) else {
                    throw Problem(403, "Without an ADMIN_TOKEN the admin routes answer to the loopback address only.")
                }
            } else if !adminTokens.accept(request.authorization) {
                throw Problem(401, "The admin routes need the header Authorization: Bearer with the ADMIN_TOKEN.")
            }
        default:
            guard apiTokens.isEmpty || apiTokens.accept(request.authorization) else {
                throw Problem(401, "The session routes need the header Authorization: Bearer with one of the API_TOKENS.")
            }
        }
    }

    private func isLoopback(_ address: String?) -> Bool {
        guard let address else { return false }
        return address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }

    /// Asks the store, and puts its refusals into HTTP's terms.
    func ask<Value>(_ question: (any SessionStore) throws(StoreError) -> Value) throws(Problem) -> Value {
        do {
            return try question(store)
        } catch {
            throw Problem(error)
        }
    }
}
