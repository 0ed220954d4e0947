import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCollector

/// Keeps what it is given, as an engine would: it knows a series once it was defined.
///
/// It fails when it is told to.
final class Store: BatchSink {
  private struct State {
    var known: Set<SeriesID> = []
    var samples: [SeriesID: [Int64: Double]] = [:]
    var eventIDs: Set<Hash128> = []
    var batchIDs: [Hash128] = []
    var metrics: [String] = []
    var failure: SinkError?
    var times: ClosedRange<Int64> = .min ... .max
    /// Errors for the next appends of samples, in their order; nil lets one pass.
    var failures: [SinkError?] = []
  }

  private let state = Lock(State())

  var failure: SinkError? {
    get { state.withLock { $0.failure } }
    set { state.withLock { $0.failure = newValue } }
  }
  var samples: [SeriesID: [Int64: Double]] { state.withLock { $0.samples } }
  var values: [Double] { samples.values.flatMap(\.values).sorted() }
  var batchIDs: [Hash128] { state.withLock { $0.batchIDs } }
  var metrics: [String] { state.withLock { $0.metrics } }
  var eventCount: Int { state.withLock { $0.eventIDs.count } }

  /// Samples at other times, in ms, are refused.
  func keep(_ times: ClosedRange<Int64>) { state.withLock { $0.times = times } }
  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64> { state.withLock { $0.times } }
  func failNext(_ failures: [SinkError?]) { state.withLock { $0.failures = failures } }

  func forgetSeries() { state.withLock { $0.known = [] } }

  private func checkFailure() throws(SinkError) {
    if let failure { throw failure }
  }

  func append(definitions: SeriesDefinitions) async throws(SinkError) {
    try checkFailure()
    learn(definitions)
  }

  private func learn(_ definitions: SeriesDefinitions) {
    var ids: [SeriesID] = []
    var names: [String] = []
    do {
      try definitions.forEachSeries { id, _ in ids.append(id) }
      try definitions.forEachMetric { name, _ in names.append(name) }
    } catch {
      Issue.record("definitions are malformed: \(error)")
    }
    state.withLock { state in
      state.known.formUnion(ids)
      state.metrics += names
    }
  }

  func append(series: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) -> SinkOutcome {
    try checkFailure()
    if let definitions { learn(definitions) }
    if let next = state.withLock({ $0.failures.isEmpty ? nil : $0.failures.removeFirst() }) { throw next }
    let outcome = state.withLock { state in
      series.withRows { rows -> SinkOutcome? in
        var outcome = SinkOutcome()
        guard (0..<rows.seriesCount).allSatisfy({ state.known.contains(rows.seriesID($0)) }) else { return nil }
        for row in 0..<rows.seriesCount {
          for sample in rows.samples(of: row) {
            guard state.times.contains(rows.timestamp(sample)) else {
              if rows.timestamp(sample) < state.times.lowerBound { outcome.tooOld += 1 } else { outcome.tooNew += 1 }
              continue
            }
            state.samples[rows.seriesID(row), default: [:]][rows.timestamp(sample)] =
              Double(bitPattern: rows.valueBits(sample))
          }
        }
        state.batchIDs.append(series.frame.batchID)
        return outcome
      }
    }
    guard let outcome else { throw .unknownSeries }
    return outcome
  }

  func append(events: EventBatch) async throws(SinkError) -> SinkOutcome {
    try checkFailure()
    state.withLock { state in
      events.withRows { rows in
        for row in 0..<rows.rowCount { state.eventIDs.insert(rows.contentID(row)) }
      }
    }
    return SinkOutcome()
  }
}
