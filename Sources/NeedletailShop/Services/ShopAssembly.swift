import AsyncHTTPClient
import HTTPTypes
import HummingbirdCore
import Logging
import NIOPosix
import ServiceLifecycle

/// Puts together what one process of the shop runs.
struct ShopAssembly {
  let options: ShopOptions

  /// The services of a role: its HTTP server, or the customers.
  func services(of role: ShopRole) throws -> [any Service] {
    let chance = Chance(seed: options.seed, role: role)
    let logger = Logger(label: "shop.\(role.rawValue)")
    var router = ShopRouter()
    switch role {
    case .frontend:
      let client = makeClient(logger)
      FrontendService(client: client, chance: chance, logger: logger).addRoutes(to: &router)
      return [ClientShutdown(http: client.http), server(role, router)]
    case .catalogue: CatalogueService(chance: chance, logger: logger).addRoutes(to: &router)
    case .cart: CartService(chance: chance, logger: logger).addRoutes(to: &router)
    case .payment: PaymentService(chance: chance, logger: logger).addRoutes(to: &router)
    case .load: return [LoadService(client: makeClient(logger), options: options, chance: chance)]
    case .all: return []
    }
    return [server(role, router)]
  }

  private func server(_ role: ShopRole, _ router: ShopRouter) -> any Service {
    var logger = Logger(label: "shop.server")
    logger.logLevel = .warning
    let telemetry = RequestTelemetry(router: router)
    let connection = HTTP1Channel { request, writer, _ in
      let status = await telemetry.respond(to: request.head)
      var fields: HTTPFields = [.server: "shop-\(role.rawValue)"]
      if status != .noContent { fields[.contentLength] = "0" }
      try await writer.writeResponse(HTTPResponse(status: status, headerFields: fields))
    }
    return Server(
      childChannelSetup: connection,
      configuration: ServerConfiguration(
        address: .hostname("127.0.0.1", port: options.portBase + (role.portOffset ?? 0))),
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
  }

  private func makeClient(_ logger: Logger) -> ShopClient {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(1)
    // A service that is gone is an answer too: the caller repeats the call, or says so.
    configuration.connectionPool.retryConnectionEstablishment = false
    // The client's spans are made by hand, with the attributes of a retry.
    configuration.tracing.tracer = nil
    return ShopClient(http: HTTPClient(configuration: configuration), options: options, logger: logger)
  }
}

/// Closes a client when the services that use it have stopped.
struct ClientShutdown: Service {
  let http: HTTPClient

  func run() async throws {
    try? await gracefulShutdown()
    try await http.shutdown()
  }
}
