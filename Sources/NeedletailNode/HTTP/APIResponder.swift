// The front door of every HTTP port: routing, who may ask, whose data it is, and what a request that fails is
// answered. What a resource does is the business of its own file.

import HTTPTypes
import HummingbirdCore
import Logging
import NeedletailEnvironment
import NeedletailTelemetry

/// Answers requests on one HTTP port.
struct APIResponder: Sendable {
  let node: NodeState
  let token: TokenCheck?
  /// Whether the port serves OTLP and health only.
  let isOTLPOnly: Bool
  let counters: RequestCounters
  let clock: any WallClock
  let logger: Logger

  func respond(to request: Request, context: ConnectionContext) async -> Response {
    let started = clock.monotonicNanoseconds()
    let response =
      GRPCResponder.isCall(request)
      ? await GRPCResponder(node: node, token: token, counters: counters, clock: clock)
        .respond(to: request)
      : await respond(to: request, context, started: started)
    // Neither the query nor a body: what is asked and stored is not the operator's to read.
    logger.debug(
      "request",
      metadata: [
        "method": "\(request.method.rawValue)", "path": "\(Self.path(of: request) ?? "")",
        "status": "\(response.status.code)",
        "milliseconds":
          "\(NumberText.text((Double(clock.monotonicNanoseconds() - started) / 1_000).rounded() / 1_000))",
      ])
    return response
  }

  private func respond(to request: Request, _ context: ConnectionContext, started: Int64) async -> Response {
    let route = Self.path(of: request).flatMap { Route(path: $0) }
    var response: Response
    do {
      response = try await answer(route, request, context)
      if let services = node.services, route?.isIngest != true {
        response = try await response.compressed(for: request, on: services.queries.executor)
      }
      response = context.holdingPlaces(response)
    } catch let failure as RequestFailure {
      response = Response(failure.status, text: failure.message + "\n", headers: failure.headers)
    } catch is CancellationError {
      response = Response(.serviceUnavailable, text: "the server is stopping\n", headers: [.retryAfter: "1"])
    } catch {
      logger.error("a request failed", metadata: ["path": "\(request.uri.path)", "reason": "\(error)"])
      response = Response(.internalServerError, text: "internal error; the server's log tells more\n")
    }
    if [401, 408, 413].contains(response.status.code) {
      // The rest of the body was not read: the connection cannot be used for another request.
      response.headers[.connection] = "close"
    }
    counters.finished(
      route: route?.family ?? "unknown", status: response.status.code,
      nanoseconds: clock.monotonicNanoseconds() - started)
    return request.method == .head ? response.createHeadResponse() : response
  }

  private static func path(of request: Request) -> Substring? {
    request.head.path.map { path in
      path[..<(path.utf8.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? path.endIndex)]
    }
  }

  private func answer(_ route: Route?, _ request: Request, _ context: ConnectionContext) async throws -> Response {
    guard let route, !isOTLPOnly || route.isServedBesideOTLP else {
      throw RequestFailure(.notFound, "there is nothing at this path")
    }
    guard route.methods.contains(request.method.rawValue) else {
      throw RequestFailure(
        .methodNotAllowed, "this path knows \(route.methods.joined(separator: " and ")) only",
        headers: [.allow: route.methods.joined(separator: ", ")])
    }
    if route == .healthy { return Response(.ok, text: "Needletail is healthy.\n") }
    if route == .ready {
      return node.services == nil ? Self.notReady : Response(.ok, text: "Needletail is ready.\n")
    }
    if let token, !token.accepts(request.headers[.authorization]) {
      throw RequestFailure(
        .unauthorized, "a bearer token is needed: send the header Authorization: Bearer TOKEN",
        headers: [.wwwAuthenticate: "Bearer"])
    }
    let tenant = try request.tenant()
    guard let services = node.services else {
      // Prometheus' page asks for this, and nothing else, while it waits.
      return route == .prometheus(.status(.replay)) ? PrometheusStatus.replay : Self.notReady
    }
    switch route {
    case .otlp(let signal): return try await services.ingest.otlp(signal, request, tenant: tenant)
    case .remoteWrite: return try await services.ingest.remoteWrite(request, tenant: tenant)
    case .remoteRead:
      return try await RemoteReadAPI(queries: services.queries).respond(to: request, context, tenant: tenant)
    case .prometheus(let route):
      return try await services.prometheus.respond(to: route, request, context, tenant: tenant)
    case .loki(let route):
      return try await LokiAPI(queries: services.queries).respond(to: route, request, context, tenant: tenant)
    case .tempo(let route):
      return try await TempoAPI(queries: services.queries).respond(to: route, request, context, tenant: tenant)
    case .needletail(.query), .needletail(.queryRange), .needletail(.explain):
      let route: PrometheusRoute =
        switch route {
        case .needletail(.query): .query
        case .needletail(.queryRange): .queryRange
        default: .explain
        }
      return try await services.own.respond(to: route, request, context, tenant: tenant)
    case .needletail(.flush): return try await services.settling.flush()
    case .needletail(.snapshot):
      return try await services.settling.snapshot(try await request.parameters())
    case .needletail(.deleteSeries):
      return try await services.deletion.delete(try await request.parameters(), tenant: tenant)
    case .needletail(.cleanTombstones): return try await services.deletion.clean()
    case .needletail(.ledger): return try await LedgerAPI(ledger: services.ledger).respond(to: request)
    case .needletail(.cluster(let route)):
      return try await ClusterAPI(cluster: services.cluster).respond(to: route, request)
    case .ownMetrics:
      return Response(.ok, ExpositionText.contentType, ExpositionText.write(await services.metrics.collect()))
    case .healthy, .ready: return Self.notReady
    }
  }

  private static var notReady: Response {
    Response(
      .serviceUnavailable, text: "starting: the log is being read back; try again in a moment\n",
      headers: [.retryAfter: "1"])
  }
}

extension Route {
  /// The label under which requests are counted.
  var family: String {
    switch self {
    case .otlp(let signal): "otlp_\(signal.name)"
    case .remoteWrite: "remote_write"
    case .remoteRead: "remote_read"
    case .prometheus: "prometheus"
    case .loki: "loki"
    case .tempo: "tempo"
    case .needletail(.flush), .needletail(.snapshot), .needletail(.deleteSeries), .needletail(.cleanTombstones):
      "admin"
    case .needletail: "needletail"
    case .healthy, .ready: "health"
    case .ownMetrics: "metrics"
    }
  }

  fileprivate var isServedBesideOTLP: Bool {
    switch self {
    case .otlp, .healthy, .ready: true
    default: false
    }
  }
}
