import Logging
import NeedletailEnvironment
import NeedletailTelemetry
import ServiceLifecycle

/// Stores the server's own metrics in itself, through the same door as everyone else's, as job `needletail` of the
/// default tenant.
struct SelfObservation: Service {
  let node: NodeState
  let interval: Duration
  let clock: any WallClock
  let logger: Logger

  func run() async throws {
    for await _ in AsyncTimer(interval: interval).cancelOnGracefulShutdown() {
      guard let services = node.services else { continue }
      let time = clock.wallNanoseconds() / 1_000_000
      do {
        try await services.ingest.store(
          await services.metrics.collect(), at: time, job: "needletail",
          instance: services.cluster?.view.own.rawValue)
      } catch {
        logger.warning("the server's own metrics could not be stored", metadata: ["reason": "\(error)"])
      }
    }
  }
}
