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
    try await append(series: batch, definitions: definitions, asReplica: false)
  }

  /// As a replica the node keeps all that is within the retention: what is taken was decided where it came in.
  @discardableResult
  func append(
    series batch: SeriesBatch, definitions: SeriesDefinitions?, asReplica: Bool
  ) async throws(SinkError) -> SinkOutcome {
    let outcome: SeriesAppendOutcome
    do throws(SeriesEngineError) {
      outcome = try await series.append(batch, definitions: definitions, asReplica: asReplica)
    } catch {
      throw Self.sinkError(error)
    }
    return try Self.settled(outcome)
  }

  /// Throws where nothing of a batch is kept, for its age.
  private static func settled(_ outcome: SeriesAppendOutcome) throws(SinkError) -> SinkOutcome {
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
    guard old > 0 else {
      throw .tooFarInFuture(reason: "all \(refused) samples lie more than ten minutes in the future")
    }
    throw .outOfRetention(
      reason: "all \(refused) samples are older than what is kept"
        + (outcome.tooFarInFuture > 0 ? " or more than ten minutes in the future" : ""))
  }

  /// Series that come without samples are made known by a batch of empty rows; metadata rides on a batch without any.
  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    try await append(series: try Self.batch(of: definitions), definitions: definitions)
  }

  /// The batch of empty rows that makes the series of definitions known.
  static func batch(of definitions: SeriesDefinitions) throws(SinkError) -> SeriesBatch {
    var builder = SeriesBatchBuilder()
    do {
      try definitions.forEachSeries { id, _ in builder.beginSeries(id) }
    } catch {
      throw .refused(reason: "the definitions are malformed: \(error)")
    }
    let id = Hash128(high: definitions.frame.batchID.high, low: definitions.frame.batchID.low)
    guard let batch = builder.build(tenant: definitions.tenant, batchID: id) ?? .empty(tenant: definitions.tenant)
    else { throw .refused(reason: "the definitions do not fit into a batch") }
    return batch
  }

  func append(events batch: EventBatch) async throws(SinkError) -> SinkOutcome {
    try await append(events: batch, asReplica: false)
  }

  /// As `append(series:definitions:asReplica:)`.
  func append(events batch: EventBatch, asReplica: Bool) async throws(SinkError) -> SinkOutcome {
    let outcome: EventAppendOutcome
    do throws(EventEngineError) {
      outcome = try await (batch.isSpans ? spans : logs).append(batch, asReplica: asReplica)
    } catch {
      throw Self.sinkError(error)
    }
    return try Self.settled(outcome)
  }

  private static func settled(_ outcome: EventAppendOutcome) throws(SinkError) -> SinkOutcome {
    guard outcome.tooOld + outcome.tooNew > 0, outcome.accepted + outcome.duplicates == 0 else {
      return SinkOutcome(tooOld: outcome.tooOld, tooNew: outcome.tooNew)
    }
    guard outcome.tooOld > 0 else {
      throw .tooFarInFuture(reason: "all \(outcome.tooNew) records lie too far in the future")
    }
    throw .outOfRetention(
      reason: "all \(outcome.tooOld + outcome.tooNew) records are older than what is kept"
        + (outcome.tooNew > 0 ? " or lie too far in the future" : ""))
  }

  // MARK: - Ahead of an append

  /// What `append` would say of a batch, and its rows of which something would be kept; nil for all of them.
  ///
  /// Throws what it would throw where nothing of the batch would be kept.
  func expected(_ content: WriteContent) throws(SinkError) -> (outcome: SinkOutcome, kept: [UInt32]?) {
    switch content {
    case .series(let batch):
      let (outcome, times) = series.expected(of: batch)
      let settled = try Self.settled(outcome)
      return (settled, settled == SinkOutcome() ? nil : batch.rows(within: times))
    case .events(let batch):
      let (outcome, times) = (batch.isSpans ? spans : logs).expected(of: batch)
      let settled = try Self.settled(outcome)
      return (settled, settled == SinkOutcome() ? nil : batch.rows(within: times))
    }
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
