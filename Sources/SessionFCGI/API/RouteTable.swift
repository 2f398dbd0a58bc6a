/// The routes of all families, by path.
struct RouteTable: Sendable {
    /// What is served at one path.
    final class Resource: Sendable {
        let path: PathTemplate
        let family: any RouteFamily
        let routes: [Route]
        /// The value of an `Allow` header.
        let allow: String

        fileprivate init(_ path: PathTemplate, _ family: any RouteFamily, _ routes: [Route]) {
            self.path = path
            self.family = family
            self.routes = routes
            let methods = routes.flatMap { $0.method == .get ? ["GET", "HEAD"] : [$0.method.rawValue] }
            allow = (methods + ["OPTIONS"]).joined(separator: ", ")
        }

        func route(for method: String) -> Route? {
            let method = method == "HEAD" ? "GET" : method
            return routes.first { $0.method.rawValue == method }
        }
    }

    /// Two routes that would answer to the same request.
    struct Collision: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    let resources: [Resource]

    /// Throws where two routes have one path and method, or two paths overlap: which of them answers would depend on
    /// their order.
    init(_ families: [any RouteFamily]) throws(Collision) {
        var resources: [Resource] = []
        for family in families {
            var paths: [(path: PathTemplate, routes: [Route])] = []
            for route in family.routes {
                if let other = resources.map(\.path).first(where: route.path.overlaps) {
                    throw Collision(description: "\(route.path) overlaps \(other) of another family")
                }
                guard let index = paths.firstIndex(where: { $0.path.overlaps(route.path) }) else {
                    paths.append((route.path, [route]))
                    continue
                }
                guard paths[index].path == route.path, !paths[index].routes.contains(where: { $0.method == route.method })
                else {
                    throw Collision(description: "\(route.method.rawValue) \(route.path) overlaps \(paths[index].path)")
                }
                paths[index].routes.append(route)
            }
            resources += paths.map { Resource($0.path, family, $0.routes) }
        }
        self.resources = resources
    }

    /// - Parameter path: the segments of a request's path.
    func resource(at path: [[UInt8]]) -> Resource? { resources.first { $0.path.matches(path) } }
}
