import HTTPTypes
import HummingbirdCore

/// Finds the handler for a request by its method and path.
struct ShopRouter: Sendable {
  /// The values of a path's placeholders, by name.
  typealias Parameters = [String: String]
  typealias Handler = @Sendable (Parameters) async throws -> HTTPResponse.Status

  /// A handler that was found.
  struct Match: Sendable {
    /// The route as it was written: `/cart/:customer`, which telemetry shows instead of every path.
    let template: String
    let parameters: Parameters
    let handler: Handler
  }

  private struct Route: Sendable {
    let method: HTTPRequest.Method
    let template: String
    let parts: [Substring]
    let handler: Handler
  }

  private var routes: [Route] = []

  /// Adds a route; parts of the template that begin with a colon match anything.
  mutating func on(_ method: HTTPRequest.Method, _ template: String, _ handler: @escaping Handler) {
    routes.append(Route(method: method, template: template, parts: template.split(separator: "/"), handler: handler))
  }

  /// The first route that fits; nil where there is none.
  func match(_ method: HTTPRequest.Method, _ path: String) -> Match? {
    let parts = path.split(separator: "/")
    for route in routes where route.method == method && route.parts.count == parts.count {
      var parameters: Parameters = [:]
      let fits = zip(route.parts, parts).allSatisfy { pattern, part in
        guard pattern.hasPrefix(":") else { return pattern == part }
        parameters[String(pattern.dropFirst())] = String(part)
        return true
      }
      if fits { return Match(template: route.template, parameters: parameters, handler: route.handler) }
    }
    return nil
  }
}

/// Ends a request with a status.
struct ShopError: Error {
  let status: HTTPResponse.Status

  init(_ status: HTTPResponse.Status) { self.status = status }
}

extension ShopRouter.Parameters {
  /// The value of a placeholder, which the route must have.
  func require(_ name: String) throws -> String {
    guard let value = self[name] else { throw ShopError(.badRequest) }
    return value
  }
}
