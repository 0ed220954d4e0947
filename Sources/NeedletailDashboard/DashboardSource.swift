/// What the dashboard asks and gets: a query client that is given from outside, so that the screens know no network.
///
/// Errors' descriptions are shown to the user (sanitised).
package protocol DashboardSource: CompletionSource {
  /// A PromQL range query; times and step in unix seconds.
  func range(_ query: String, start: Double, end: Double, step: Double) async throws -> [SeriesResult]
  /// Log records that match a selector, newest first; times in unix nanoseconds.
  func logs(_ query: String, start: Int64, end: Int64, limit: Int) async throws -> [LogLine]
  /// Traces that match, newest first.
  func traces(_ search: TraceSearch) async throws -> [TraceSummary]
  func trace(_ id: String) async throws -> Trace
  /// The same source, which tells of each answer how whole it is, where it knows that.
  func telling(_ tell: @escaping @Sendable (AnswerCoverage) -> Void) -> Self
}

/// Which traces to look for.
package struct TraceSearch: Equatable, Sendable {
  /// `key=value` pairs as logfmt.
  package var tags: String
  /// Nanoseconds; nil for any.
  package var minimumDuration: Int64?
  package var limit: Int
  /// Unix seconds.
  package var start: Double
  package var end: Double

  package init(
    tags: String = "", minimumDuration: Int64? = nil, limit: Int = 20, start: Double, end: Double
  ) {
    self.tags = tags
    self.minimumDuration = minimumDuration
    self.limit = limit
    self.start = start
    self.end = end
  }
}
