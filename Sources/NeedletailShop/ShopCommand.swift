// A small shop of four services and its customers, to have something worth looking at. Every fault is seeded: the same seed
// tells the same story.

import ArgumentParser
import Logging
import Needletail
import ServiceLifecycle

/// The parts that a process of the shop can play.
enum ShopRole: String, CaseIterable, ExpressibleByArgument, Sendable {
  case frontend
  case catalogue
  case cart
  case payment
  case load
  case all

  /// The port of a service, counted from the first; nil for a role that listens to nobody.
  var portOffset: Int? {
    switch self {
    case .frontend: 0
    case .catalogue: 1
    case .cart: 2
    case .payment: 3
    case .load, .all: nil
    }
  }
}

/// The executable `needletail-shop`.
@main
struct ShopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needletail-shop",
    abstract: "A small shop of services with faults, whose telemetry goes to an OTLP/HTTP endpoint.",
    discussion: """
      EXAMPLES
        needletail-shop all
        needletail-shop all --endpoint http://127.0.0.1:4318 --rate 20 --seed 7
        needletail-shop payment --port-base 9000
      """,
    version: Needletail.version)

  @Argument(
    help:
      "The part to play: frontend, catalogue, cart, payment, load (the customers), or all in processes of their own.")
  var role: ShopRole

  @OptionGroup var options: ShopOptions

  mutating func run() async throws {
    if options.watchStdin { ParentWatch.start() }
    var logger = Logger(label: "shop", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .warning
    var services: [any Service]
    if role == .all {
      services = [ShopProcesses(options: options)]
    } else {
      services = [try Needletail.bootstrap(telemetryConfiguration())]
      services += try ShopAssembly(options: options).services(of: role)
    }
    let group = ServiceGroup(
      configuration: .init(
        services: services.map {
          .init(
            service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
            failureTerminationBehavior: .gracefullyShutdownGroup)
        }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  /// Telemetry that shows up within seconds and lets go within two.
  private func telemetryConfiguration() -> Needletail.Configuration {
    var configuration = Needletail.Configuration(serviceName: role == .load ? "customers" : role.rawValue)
    configuration.setEndpoint(options.endpoint)
    configuration.resourceAttributes = ["service.namespace": "shop", "service.version": Needletail.version]
    configuration.traces.interval = .milliseconds(500)
    configuration.logs.interval = .milliseconds(500)
    configuration.metrics.interval = .seconds(2)
    configuration.shutdownTimeout = .milliseconds(1_500)
    configuration.logLevel = .trace
    // Four services on one terminal tell nobody anything.
    configuration.console = .off
    return configuration
  }
}

/// The settings that all parts share.
struct ShopOptions: ParsableArguments, Sendable {
  @Option(help: "The OTLP/HTTP endpoint that telemetry goes to.")
  var endpoint = "http://127.0.0.1:4318"

  @Option(help: "The seed of all chance.")
  var seed: UInt64 = 1

  @Option(help: "The customers' requests per second.")
  var rate: Double = 10

  @Option(help: "The frontend's port; catalogue, cart and payment take the next three.")
  var portBase = 7081

  @Flag(help: "Stop when standard input ends, as it does when the process that holds its other end dies.")
  var watchStdin = false

  func validate() throws {
    guard rate > 0, rate <= 10_000 else { throw ValidationError("--rate is between 0 and 10000 requests per second.") }
    guard (1...65_532).contains(portBase) else { throw ValidationError("--port-base is between 1 and 65532.") }
    guard endpoint.hasPrefix("http://") || endpoint.hasPrefix("https://") else {
      throw ValidationError("--endpoint is a URL such as http://127.0.0.1:4318.")
    }
  }

  /// The arguments that give another process the same settings.
  var arguments: [String] {
    ["--endpoint", endpoint, "--seed", "\(seed)", "--rate", "\(rate)", "--port-base", "\(portBase)"]
  }

  /// The base URL of a service.
  func url(of role: ShopRole) -> String { "http://127.0.0.1:\(portBase + (role.portOffset ?? 0))" }
}
