import NeedletailEvents
import NeedletailTelemetry

/// Whatever finds whole traces: this node's engine, later a fan-out over the cluster.
protocol TraceSource: Sendable {
  /// All spans of a trace, each with its resource and instrumentation scope, by start; empty where there is none.
  func wholeTrace(_ id: TraceID, tenant: TenantID) async throws -> [(stream: EventStream, span: SpanRecord)]
  /// The newest traces that answer a search.
  func search(_ question: TraceSearch) async throws -> [TraceSummary]
}

/// A search for traces: those with a span that has all of the tags, lasting as long as asked for.
struct TraceSearch: Sendable {
  var tenant: TenantID
  var tags: [(key: String, value: String)]
  /// Nanoseconds of the whole trace.
  var minDuration: Int64?
  /// Nanoseconds of the whole trace.
  var maxDuration: Int64?
  var range: EventTimeRange
  var limit: Int
}
