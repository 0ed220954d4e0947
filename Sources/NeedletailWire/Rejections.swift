/// Why a sample, span or log record was not taken.
///
/// The raw value is the label on the counters.
package enum RejectionReason: String, CaseIterable, Sendable {
  case missingName = "missing_name"
  case invalidLabels = "invalid_labels"
  case labelLimit = "label_limit"
  /// The tenant has as many active series as it may.
  case seriesLimit = "series_limit"
  case invalidTimestamp = "invalid_timestamp"
  case invalidHistogram = "invalid_histogram"
  case invalidExemplar = "invalid_exemplar"
  case unsupportedTemporality = "unsupported_temporality"
  case unsupportedMetric = "unsupported_metric"
  case deltaNotAfterLast = "delta_not_after_last"
  case deltaLimit = "delta_limit"
  case invalidTraceID = "invalid_trace_id"
  case invalidSpanID = "invalid_span_id"
  case nestedTooDeep = "nested_too_deep"
  case recordTooLarge = "record_too_large"
  case requestLimit = "request_limit"
  case outOfRetention = "out_of_retention"
  case outOfOrderWindow = "out_of_order_window"
  case tooFarInFuture = "too_far_in_future"
  /// The receiver was overloaded, and let go of the least important.
  case shed
  /// The store will never take it.
  case refusedByStore = "refused_by_store"
}

/// What of a request was not taken: counts by reason, and the first case in words.
package struct Rejections: Sendable {
  /// Samples (or points, spans, log records) by reason.
  package private(set) var counts: [RejectionReason: Int] = [:]
  /// What was left out beside them: exemplars, and series that the receiver adds of its own accord.
  ///
  /// No record of the sender's is lost with them, so they make no request fail.
  package private(set) var warnings: [RejectionReason: Int] = [:]
  /// The first rejection, or else the first warning, in words, for the answer to the sender.
  package private(set) var first: String?

  package init() {}

  package var total: Int { counts.values.reduce(0, +) }
  /// Whether no record was rejected; there may be warnings.
  package var isEmpty: Bool { counts.isEmpty }

  /// Counts `count` rejections; `detail` is made only for the first.
  package mutating func add(_ reason: RejectionReason, count: Int = 1, detail: @autoclosure () -> String) {
    counts[reason, default: 0] += count
    if first == nil { first = detail() }
  }

  /// Counts something left out that is no record of the sender's.
  package mutating func warn(_ reason: RejectionReason, detail: @autoclosure () -> String) {
    warnings[reason, default: 0] += 1
    if first == nil { first = detail() }
  }

  package mutating func merge(_ other: Rejections) {
    counts.merge(other.counts, uniquingKeysWith: +)
    warnings.merge(other.warnings, uniquingKeysWith: +)
    if first == nil { first = other.first }
  }

  /// One sentence for the sender; empty where nothing was rejected or left out.
  package var message: String {
    guard let first else { return "" }
    let left = warnings.isEmpty ? "" : "left out \(Self.list(warnings)); "
    return (counts.isEmpty ? "" : "rejected \(total) (\(Self.list(counts))); ") + left + "first: \(first)"
  }

  private static func list(_ counts: [RejectionReason: Int]) -> String {
    counts.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue)=\($0.value)" }
      .joined(separator: ", ")
  }
}
