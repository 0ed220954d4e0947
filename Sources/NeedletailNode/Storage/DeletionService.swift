import HummingbirdCore
import NeedletailBlocks
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// Deletes series when asked, in the form of Prometheus' API.
struct DeletionService: Sendable {
  let storage: NodeStorage
  let executor: ThreadExecutor
  let counters: MaintenanceCounters
  let isInCluster: Bool

  /// Deletes what each `match[]` selects from `start` to `end`, and answers when that is durable.
  ///
  /// A selector is a deletion of its own: where a later one fails, those before are done.
  func delete(_ parameters: FormParameters, tenant: TenantID) async throws -> Response {
    do {
      guard !isInCluster else {
        throw QueryError(
          .execution, "series cannot be deleted in a cluster yet: what one node deletes its replicas would bring back")
      }
      let scope = try PrometheusAPI.scope(parameters, tenant)
      guard !scope.selectors.isEmpty else { throw QueryError(.badData, "no match[] parameter provided") }
      let series = storage.series
      var parts: Set<PartID> = []
      for selector in scope.selectors {
        parts.formUnion(try await executor.run { try series.delete(tenant: tenant, selector, scope.range) })
      }
      return Self.done(
        storage.unreadableParts(among: parts),
        "a part cannot be read and may hold some of it still; what is deleted is noted for it")
    } catch let error as QueryError {
      return PrometheusEnvelope.failure(error)
    } catch let error as SeriesEngineError {
      switch error {
      case .malformed: return PrometheusEnvelope.failure(QueryError(.badData, "\(error)"))
      case .overloaded: throw RequestFailure(.serviceUnavailable, "\(error)", headers: [.retryAfter: "60"])
      case .unknownSeries, .unavailable:
        counters.failed()
        return PrometheusEnvelope.failure(QueryError(.internal, "it is not known whether it was deleted: \(error)"))
      }
    }
  }

  /// Nothing, as Prometheus answers, or what is to be told of parts.
  private static func done(_ parts: UnreadableParts, _ consequence: String) -> Response {
    let warnings = parts.warnings(consequence)
    guard !warnings.isEmpty else { return Response(status: .noContent) }
    return PrometheusEnvelope.success(warnings: warnings) { json in json.object { _ in } }
  }

  /// Rewrites the parts of which something is deleted, and answers when that is done.
  func clean() async throws -> Response {
    // A thread of its own: flushes and the merges of the background must not wait for it.
    let thread = ThreadExecutor(threads: 1)
    defer { Task { await thread.shutDown() } }
    do {
      let series = storage.series
      _ = try await withTaskExecutorPreference(thread) { try series.cleanTombstones() }
      return Self.done(
        storage.unreadableParts(among: series.partsWithDeletions), "a part cannot be read and was not rewritten")
    } catch {
      if Task.isCancelled { throw CancellationError() }
      counters.failed()
      return PrometheusEnvelope.failure(QueryError(.internal, "parts could not be rewritten: \(error)"))
    }
  }
}
