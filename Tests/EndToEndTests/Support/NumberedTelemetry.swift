import Foundation

/// Telemetry whose every part follows from a number, so that what comes back can be checked against what was sent without keeping it.
enum NumberedTelemetry {
  static let samplesPerBatch = 5
  static let linesPerBatch = 3

  /// OTLP/JSON with samples `number * 5 ..< number * 5 + 5` of the gauge `kill_sample`, one millisecond apart.
  static func metrics(_ number: Int, base: Int) -> String {
    let points = (0..<samplesPerBatch).map { index in
      let sample = number * samplesPerBatch + index
      return """
        {"attributes":[{"key":"series","value":{"stringValue":"s\(sample % 7)"}}],\
        "timeUnixNano":"\((base + sample) * 1_000_000)","asDouble":\(value(ofSample: sample))}
        """
    }.joined(separator: ",")
    return """
      {"resourceMetrics":[{\(resource),"scopeMetrics":[{"metrics":[{"name":"kill_sample",\
      "gauge":{"dataPoints":[\(points)]}}]}]}]}
      """
  }

  static func value(ofSample sample: Int) -> Double { Double(sample &* 7919 % 1_000_003) / 4 }

  static func logs(_ number: Int, base: Int) -> String {
    let records = (0..<linesPerBatch).map { index in
      let line = number * linesPerBatch + index
      return """
        {"timeUnixNano":"\((base + line) * 1_000_000)","severityNumber":9,"body":{"stringValue":"line \(line)"}}
        """
    }.joined(separator: ",")
    return "{\"resourceLogs\":[{\(resource),\"scopeLogs\":[{\"logRecords\":[\(records)]}]}]}"
  }

  static func traceID(_ number: Int) -> String {
    let digits = String(number + 1, radix: 16)
    return String(repeating: "0", count: 32 - digits.count) + digits
  }

  /// A trace of two spans.
  static func spans(_ number: Int, base: Int) -> String {
    let start = (base + number) * 1_000_000
    let spans = (1...2).map { index in
      """
      {"traceId":"\(traceID(number))","spanId":"000000000000000\(index)","name":"span \(number)-\(index)","kind":1,\
      "startTimeUnixNano":"\(start)","endTimeUnixNano":"\(start + 1000)"}
      """
    }.joined(separator: ",")
    return "{\"resourceSpans\":[{\(resource),\"scopeSpans\":[{\"spans\":[\(spans)]}]}]}"
  }

  private static let resource =
    "\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"kill\"}}]}"
}
