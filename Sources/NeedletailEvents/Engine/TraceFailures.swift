import NeedletailTelemetry

/// The failed spans of one trace, of which one began it: an error runs up from callee to caller, and each caller's span
/// fails with it.
struct TraceFailures {
  /// Failed spans that are kept to be judged; a trace with more is told of by the first of these.
  private static let keptMax = 1_024

  private var kept: [(id: SpanID, parent: SpanID, start: Int64, service: String, name: String)] = []
  /// All failed spans.
  private(set) var count = 0

  /// Takes a span of the trace; one that did not fail is passed over.
  mutating func add(_ row: EventRow, _ stream: StreamEntry) {
    guard row.status == SpanRecord.Status.error.rawValue else { return }
    count += 1
    guard kept.count < Self.keptMax else { return }
    kept.append(
      (
        row.spanID, row.parentSpanID, row.time, stream.stream.serviceName,
        String(decoding: row.name, as: UTF8.self)
      ))
  }

  /// The earliest failed span that called no failed span; the earliest of all where they call each other in a circle.
  ///
  /// O(n) in the failed spans.
  var origin: TraceSummary.Failure? {
    let callers = Set(kept.lazy.filter { $0.parent != $0.id }.map(\.parent))
    let leaves = kept.filter { !callers.contains($0.id) }
    let first = (leaves.isEmpty ? kept : leaves).min { ($0.start, $0.id.value) < ($1.start, $1.id.value) }
    return first.map { TraceSummary.Failure(service: $0.service, name: $0.name) }
  }
}
