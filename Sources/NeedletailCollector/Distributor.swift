import NeedletailTelemetry
import NeedletailWire

/// Hands batches on.
///
/// On one node there is one sink; who owns which slot is decided here once there are more.
package struct Distributor: Sendable {
  private let sink: any BatchSink

  package init(sink: any BatchSink) { self.sink = sink }

  /// Hands on the batches of a request, definitions first.
  ///
  /// Where the sink does not know a series, `redefine` is asked once for the definitions of all of them.
  func append(
    _ batches: [SeriesBatch], definitions: [SeriesDefinitions], redefine: @Sendable () -> [SeriesDefinitions]
  ) async throws(SinkError) {
    // Definitions that fit into one frame, as nearly all do, travel with the first batch.
    var pending: SeriesDefinitions?
    for part in definitions {
      if let pending { try await sink.append(definitions: pending) }
      pending = part
    }
    guard !batches.isEmpty else {
      if let pending { try await sink.append(definitions: pending) }
      return
    }
    var isRedefined = false
    for batch in batches {
      do throws(SinkError) {
        try await sink.append(series: batch, definitions: pending)
      } catch .unknownSeries where !isRedefined {
        isRedefined = true
        for part in redefine() { try await sink.append(definitions: part) }
        try await sink.append(series: batch, definitions: pending)
      }
      pending = nil
    }
  }

  func append(_ batches: [EventBatch]) async throws(SinkError) {
    for batch in batches { try await sink.append(events: batch) }
  }
}
