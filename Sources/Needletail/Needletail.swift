// The SDK's front door. A service calls bootstrap once, adds what it returns to its ServiceGroup, and from then on
// speaks to swift-log, swift-metrics and swift-distributed-tracing alone.

import CoreMetrics
import Logging
import Tracing

/// Telemetry for a service: logs, metrics and traces, sent over OTLP/HTTP.
///
/// ```swift
/// import Needletail
///
/// let telemetry = try Needletail.bootstrap(serviceName: "cart")
/// let group = ServiceGroup(services: [telemetry, app], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
/// try await group.run()
/// ```
///
/// Log records also go to standard error, as they do without the SDK, unless `console` is `.off`.
///
/// List the telemetry first: a group stops its services in reverse order, so what the others say while they stop is
/// still sent.
///
/// The SDK never blocks and never crashes the service that links it. Everything that it holds is bounded; what does
/// not fit is dropped, counted, and the counts are sent as metrics (`otel.sdk.processor.span.processed` and
/// its kin, with `error.type` `queue_full`). It keeps records in memory only: what is not delivered when the process
/// ends is lost.
public enum Needletail {
  /// The version of the SDK, which it sends as `telemetry.sdk.version`.
  public static let version = "0.1.0"

  /// Wires the process's logging, metrics and tracing to OTLP, configured by the environment.
  ///
  /// - Parameters:
  ///   - serviceName: the `service.name`, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` names another.
  ///   - console: where log records go besides OTLP: standard error, or `.off` for nowhere.
  /// - Returns: the service that sends; run it in the process's `ServiceGroup`.
  /// - Throws: ``BootstrapError`` when the process is bootstrapped already, or an endpoint is no URL.
  /// - SeeAlso: ``Configuration/init(serviceName:environment:)`` for the variables.
  public static func bootstrap(
    serviceName: String, console: Configuration.Console = .standardError
  ) throws(BootstrapError) -> Telemetry {
    var configuration = Configuration(serviceName: serviceName, environment: Configuration.processEnvironment())
    configuration.console = console
    return try bootstrap(configuration)
  }

  /// Wires the process's logging, metrics and tracing to OTLP.
  ///
  /// - Parameter configuration: where to send, what to sample, how much to hold.
  /// - Returns: the service that sends; run it in the process's `ServiceGroup`.
  /// - Throws: ``BootstrapError`` when the process is bootstrapped already, or an endpoint is no URL.
  public static func bootstrap(_ configuration: Configuration) throws(BootstrapError) -> Telemetry {
    if let problem = configuration.endpointProblem { throw BootstrapError(message: problem) }
    guard !isBootstrapped.exchange(true, ordering: .sequentiallyConsistent) else {
      throw BootstrapError(message: "Needletail.bootstrap was called before: call it once, at the start of the process")
    }
    let telemetry = Telemetry(configuration)
    if configuration.isDisabled { return telemetry }
    if configuration.logs.isEnabled {
      LoggingSystem.bootstrap { label in telemetry.makeLogHandler(label: label) }
    }
    if configuration.metrics.isEnabled { MetricsSystem.bootstrap(telemetry.metricsFactory) }
    // Also without a traces exporter: the context still travels from caller to callee.
    InstrumentationSystem.bootstrap(telemetry.tracer)
    return telemetry
  }

  /// Why ``Needletail/bootstrap(_:)`` refused.
  public struct BootstrapError: Error, CustomStringConvertible {
    /// What is wrong and what to do.
    public let message: String

    /// The message.
    public var description: String { message }
  }
}
