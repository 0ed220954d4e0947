import NeedletailTelemetry

/// Why a sink did not take a batch.
package enum SinkError: Error, Equatable, Sendable {
  /// It does not know a series of the batch: it wants the definitions.
  case unknownSeries
  /// It has no room now; the sender may come again after that many seconds.
  case overloaded(retryAfterSeconds: Int)
  /// It cannot take anything now; the sender may come again after that many seconds.
  case unavailable(reason: String, retryAfterSeconds: Int = 1)
  /// All of the batch is refused for its time, and some of it is older than what is kept.
  ///
  /// It is not to be sent again.
  case outOfRetention(reason: String)
  /// All of the batch is too far in the future.
  ///
  /// It is not to be sent again.
  case tooFarInFuture(reason: String)
  /// All of the batch is refused for its age, and some of it is older than the out-of-order window takes.
  ///
  /// It is not to be sent again.
  case outOfWindow(reason: String)
  /// It will never take the batch.
  case refused(reason: String)
}

/// What a sink made of a batch that it took, in whole or in part.
package struct SinkOutcome: Equatable, Sendable {
  /// Samples (histograms included), log records or spans that are older than what is kept: not stored.
  package var tooOld = 0
  /// Of these, those that would be kept, but are older than the out-of-order window.
  package var outOfWindow = 0
  /// Those too far in the future: not stored.
  package var tooNew = 0

  package init(tooOld: Int = 0, outOfWindow: Int = 0, tooNew: Int = 0) {
    self.tooOld = tooOld
    self.outOfWindow = outOfWindow
    self.tooNew = tooNew
  }
}

/// Where batches go: the engines of this node, or the nodes that hold the slots.
///
/// An `append` returns once the batch is as safe as the sink promises. Appending the same batch again does no harm.
package protocol BatchSink: Sendable {
  /// The times of a tenant's samples that it takes when it is `now`, both in ms since 1970: what lies outside is refused.
  func acceptedTimes(at now: Int64, tenant: TenantID) -> ClosedRange<Int64>
  /// Appends samples.
  ///
  /// `definitions` come first, where there are any.
  func append(series: SeriesBatch, definitions: SeriesDefinitions?) async throws(SinkError) -> SinkOutcome
  /// Appends samples; definitions that turn out to be wanted later are had by `redefine`.
  ///
  /// A sink may hold it for as long as it works on the batch. One that throws `.unknownSeries` all the same is given the
  /// definitions of the whole request, and then the batch once more.
  func append(
    series: SeriesBatch, definitions: SeriesDefinitions?, redefine: Redefinition
  ) async throws(SinkError) -> SinkOutcome
  /// Takes definitions and metadata that come without samples.
  func append(definitions: SeriesDefinitions) async throws(SinkError)
  /// Appends log records or spans.
  func append(events: EventBatch) async throws(SinkError) -> SinkOutcome
}

extension BatchSink {
  package func append(
    series: SeriesBatch, definitions: SeriesDefinitions?, redefine: Redefinition
  ) async throws(SinkError) -> SinkOutcome {
    try await append(series: series, definitions: definitions)
  }
}
