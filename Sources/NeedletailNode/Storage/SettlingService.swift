import HummingbirdCore
import NeedletailEnvironment
import NeedletailQueryEngine

/// Brings the storage to rest when asked: all that is in memory becomes parts, and these are merged as far as they are to
/// be merged now.
///
/// For whoever measures the server, copies its data, or is about to stop it.
struct SettlingService: Sendable {
  /// How long to wait where the background is merging the same parts.
  private static let patience = Duration.milliseconds(20)

  let storage: NodeStorage
  let executor: ThreadExecutor
  let clock: any WallClock
  let counters: MaintenanceCounters

  /// Answers a request to settle, when that is done.
  func flush() async throws -> Response {
    let started = clock.monotonicNanoseconds()
    let storage = storage
    do {
      let report = try await executor.run { try storage.flush() }
      counters.flushed(nanoseconds: clock.monotonicNanoseconds() - started)
      let fewer = try await merged()
      var json = JSONWriter()
      json.object { json in
        json.key("status")
        json.string("success")
        json.key("data")
        json.object { json in
          json.key("partsWritten")
          json.integer(report.parts.count)
          json.key("partsMergedAway")
          json.integer(fewer)
          json.key("logGeneration")
          json.integer(Int(clamping: report.generation))
          json.key("seconds")
          json.number(Double(clock.monotonicNanoseconds() - started) / 1e9)
        }
        let warnings = storage.unreadableParts.warnings("a part cannot be read and stays as it is")
        PrometheusEnvelope.appendRemarks("warnings", warnings, to: &json)
      }
      return Response(json: json)
    } catch {
      if Task.isCancelled { throw CancellationError() }
      counters.failed()
      throw RequestFailure(.internalServerError, "what is in memory could not be brought into parts: \(error)")
    }
  }

  /// Answers a request for a snapshot, in the form of Prometheus' API; `skip_head` leaves out what is in memory.
  func snapshot(_ parameters: FormParameters) async throws -> Response {
    let skipsHead: Bool
    do {
      skipsHead = try parameters.truth("skip_head") ?? false
    } catch { return PrometheusEnvelope.failure(error) }
    let storage = storage
    do {
      let name = try await executor.run {
        if !skipsHead { _ = try storage.flush() }
        return try storage.snapshot()
      }
      let warnings = storage.unreadableParts.warnings("the snapshot has a part that cannot be read")
      return PrometheusEnvelope.success(warnings: warnings) { json in
        json.object { json in
          json.key("name")
          json.string(name)
        }
      }
    } catch {
      if Task.isCancelled { throw CancellationError() }
      counters.failed()
      return PrometheusEnvelope.failure(QueryError(.internal, "the snapshot could not be made: \(error)"))
    }
  }

  /// Merges until a whole round finds nothing to merge and nobody merging; returns how many parts there are fewer.
  ///
  /// Somebody waits: meanwhile no merge pauses, those of the background included.
  private func merged() async throws -> Int {
    let pace = storage.mergePace
    pace.hurry()
    defer { pace.relax() }
    // A thread of its own: the merges of the background and the flushes must not wait for these.
    let thread = ThreadExecutor(threads: 1)
    defer { Task { await thread.shutDown() } }
    return try await withTaskExecutorPreference(thread) {
      var fewer = 0
      while true {
        var isAtRest = true
        for merger in storage.mergers {
          let gone = try merger.merge()
          if gone != 0 { isAtRest = false }
          fewer += gone ?? 0
        }
        if isAtRest { return fewer }
        try await Task.sleep(for: Self.patience)
      }
    }
  }
}
