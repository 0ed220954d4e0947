import NeedletailDashboard

/// What a sender says that it dropped, in the metrics that SDKs send of themselves.
struct SenderLoss: Equatable {
  /// The service.
  var job: String
  /// `span`, `log` or `metric_data_point`.
  var noun: String
  /// Why, as the SDK calls it.
  var reason: String
  var count: Int

  /// The counts that are above zero of what SDKs did not bring out, by the semantic conventions of OpenTelemetry; of
  /// each
  /// process the last that it said within a day.
  static let query =
    #"sum by (__name__, job, error_type) (last_over_time({__name__=~"otel_sdk_(processor|exporter)_.+_total", "#
    + #"error_type!=""}[1d])) > 0"#

  /// Reads the answer to `query`; what has another shape is left out.
  static func all(_ body: [UInt8], path: String) throws -> [SenderLoss] {
    let answer = try Answers.parse(body, path)
    let found = (answer["data"]?["result"]?.array ?? []).compactMap { series -> SenderLoss? in
      guard let name = series["metric"]?["__name__"]?.string, let value = series["value"]?.array.last?.double,
        let count = Int(exactly: value.rounded()), count > 0
      else { return nil }
      let parts = name.split(separator: "_")
      // otel_sdk_processor_span_processed_total
      guard parts.count > 5 else { return nil }
      return SenderLoss(
        job: series["metric"]?["job"]?.string ?? "unknown", noun: parts[3..<(parts.count - 2)].joined(separator: "_"),
        reason: series["metric"]?["error_type"]?.string ?? "unknown", count: count)
    }
    return found.sorted { ($0.job, $0.noun, $0.reason) < ($1.job, $1.noun, $1.reason) }
  }
}
