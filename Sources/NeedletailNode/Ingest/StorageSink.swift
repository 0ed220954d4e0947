import NeedletailBlocks
import NeedletailCollector
import NeedletailEvents
import NeedletailSeries
import NeedletailTelemetry

/// The engines of this node as the place where batches go.
///
/// An append returns when the log promises to keep the batch.
struct StorageSink: BatchSink {
  private static let retryAfterSeconds = 1

  let series: SeriesEngine
  let logs: EventEngine
  let spans: EventEngine

  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> {
    series.acceptedTimes(at: now, tenant: tenant)
  }

  @discardableResult
  func append(series batch: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) -> SinkOutcome {
    let outcome: SeriesAppendOutcome
    do throws(SeriesEngineError) {
      outcome = try await series.append(batch, definitions: definitions)
    } catch {
      throw Self.sinkError(error)
    }
    let old = outcome.outOfRetention + outcome.outOfWindow
    let refused = old + outcome.tooFarInFuture
    guard refused > 0, outcome.accepted == 0 else {
      return SinkOutcome(tooOld: old, outOfWindow: outcome.outOfWindow, tooNew: outcome.tooFarInFuture)
    }
    if outcome.outOfWindow == refused {
      throw .outOfWindow(reason: "all \(refused) samples are older than the out-of-order window takes")
    }
    if outcome.outOfWindow > 0 {
      throw .outOfWindow(
        reason: "all \(refused) samples are older than what is kept or than the out-of-order window takes, or more "
          + "than ten minutes in the future")
    }
    throw .outOfRetention(
      reason: "all \(refused) samples are older than what is kept or more than ten minutes in the future")
  }

  /// Series that come without samples are made known by a batch of empty rows; metadata rides on a batch without any.
  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    var builder = SeriesBatchBuilder()
    do {
      try definitions.forEachSeries { id, _ in builder.beginSeries(id) }
    } catch {
      throw .refused(reason: "the definitions are malformed: \(error)")
    }
    let id = Hash128(high: definitions.frame.batchID.high, low: definitions.frame.batchID.low)
    guard let batch = builder.build(tenant: definitions.tenant, batchID: id) ?? Self.emptyBatch(definitions.tenant)
    else { throw .refused(reason: "the definitions do not fit into a batch") }
    try await append(series: batch, definitions: definitions)
  }

  private static func emptyBatch(_ tenant: TenantID) -> SeriesBatch? {
    let frame = FrameBuilder().build(
      kind: .seriesSamples, tenant: tenant, rowCount: 0, batchID: Hash128(high: 0, low: 0))
    return frame.flatMap { try? SeriesBatch(validating: $0) }
  }

  func append(events batch: EventBatch) async throws(SinkError) -> SinkOutcome {
    let outcome: EventAppendOutcome
    do throws(EventEngineError) {
      outcome = try await (batch.isSpans ? spans : logs).append(batch)
    } catch {
      throw Self.sinkError(error)
    }
    guard outcome.tooOld + outcome.tooNew > 0, outcome.accepted + outcome.duplicates == 0 else {
      return SinkOutcome(tooOld: outcome.tooOld, tooNew: outcome.tooNew)
    }
    throw .outOfRetention(
      reason: "all \(outcome.tooOld + outcome.tooNew) records are older than what is kept or lie in the future")
  }

  private static func sinkError(_ error: SeriesEngineError) -> SinkError {
    switch error {
    case .unknownSeries: .unknownSeries
    case .malformed(let reason): .refused(reason: reason)
    case .overloaded: .overloaded(retryAfterSeconds: retryAfterSeconds)
    case .unavailable(let reason): .unavailable(reason: reason)
    }
  }

  private static func sinkError(_ error: EventEngineError) -> SinkError {
    switch error {
    case .malformed, .wrongKind: .refused(reason: "\(error)")
    case .journal(.overloaded): .overloaded(retryAfterSeconds: retryAfterSeconds)
    case .journal(.recordTooLarge): .refused(reason: "\(error)")
    case .journal, .notAttached, .block, .catalog, .traceTooLarge, .cancelled: .unavailable(reason: "\(error)")
    }
  }
}
