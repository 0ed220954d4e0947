/// Why a sample, span or log record was not taken.
///
/// The raw value is the label on the counters.
package enum RejectionReason: String, CaseIterable, Sendable {
  case missingName = "missing_name"
  case invalidLabels = "invalid_labels"
  case labelLimit = "label_limit"
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
}

/// What of a request was not taken: counts by reason, and the first case in words.
package struct Rejections: Sendable {
  /// Samples (or points, spans, log records) by reason.
  package private(set) var counts: [RejectionReason: Int] = [:]
  /// The first rejection in words, for the answer to the sender.
  package private(set) var first: String?

  package init() {}

  package var total: Int { counts.values.reduce(0, +) }
  package var isEmpty: Bool { counts.isEmpty }

  /// Counts `count` rejections; `detail` is made only for the first.
  package mutating func add(_ reason: RejectionReason, count: Int = 1, detail: @autoclosure () -> String) {
    counts[reason, default: 0] += count
    if first == nil { first = detail() }
  }

  package mutating func merge(_ other: Rejections) {
    counts.merge(other.counts, uniquingKeysWith: +)
    if first == nil { first = other.first }
  }

  /// One sentence for the sender; empty where nothing was rejected.
  package var message: String {
    guard let first else { return "" }
    let parts = counts.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue)=\($0.value)" }
    return "rejected \(total) (\(parts.joined(separator: ", "))); first: \(first)"
  }
}
