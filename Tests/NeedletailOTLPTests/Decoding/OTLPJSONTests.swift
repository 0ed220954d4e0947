import NeedletailEnvironment
import NeedletailOTLP
import OTLPOracle
import SwiftProtobuf
import Testing

@Suite struct OTLPJSONTests {
  private typealias MetricsRequest = Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest
  private typealias LogsRequest = Opentelemetry_Proto_Collector_Logs_V1_ExportLogsServiceRequest

  private func transcode(_ json: String, _ signal: OTLPSignal) throws -> [UInt8] {
    try Array(json.utf8).withUnsafeBytes { try OTLPJSONTranscoder.protobuf($0, signal: signal) }
  }

  @Test("metrics in JSON become what swift-protobuf writes for them", arguments: 0..<200 as Range<UInt64>)
  func metrics(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var options = JSONEncodingOptions()
    options.alwaysPrintEnumsAsInts = true
    let request = randomMetrics(&generator)
    let bytes = try transcode(try request.jsonString(options: options), .metrics)
    #expect(try MetricsRequest(serializedBytes: bytes) == request, "seed \(seed)")
  }

  private func randomMetrics(_ generator: inout SeededGenerator) -> MetricsRequest {
    var point = Opentelemetry_Proto_Metrics_V1_NumberDataPoint()
    point.timeUnixNano = UInt64.random(in: 0 ... .max, using: &generator)
    if Bool.random(using: &generator) {
      point.asInt = Int64.random(in: .min ... .max, using: &generator)
    } else {
      point.asDouble = [0.1, .infinity, -.infinity, 1e300, -0.0].randomElement(using: &generator) ?? 0
    }
    var attribute = Opentelemetry_Proto_Common_V1_KeyValue()
    attribute.key = ["a", "\"q\"", "ü\n\u{1f600}", ""].randomElement(using: &generator) ?? ""
    attribute.value.arrayValue.values = [
      .with { $0.bytesValue = .init((0..<UInt8.random(in: 0...7, using: &generator)).map { $0 &* 37 }) },
      .with { $0.boolValue = true }, .with { $0.intValue = .min }, .with { $0.stringValue = "\u{1}" },
    ]
    point.attributes = [attribute]
    var exponential = Opentelemetry_Proto_Metrics_V1_ExponentialHistogramDataPoint()
    exponential.scale = Int32.random(in: -10...20, using: &generator)
    exponential.positive.offset = Int32.random(in: -100...100, using: &generator)
    exponential.positive.bucketCounts = (0..<4).map { _ in UInt64.random(in: 0...5, using: &generator) }
    exponential.sum = 1.5
    var histogram = Opentelemetry_Proto_Metrics_V1_HistogramDataPoint()
    histogram.bucketCounts = [1, 2, 3]
    histogram.explicitBounds = [0.5, 1]
    let metrics: [Opentelemetry_Proto_Metrics_V1_Metric] = [
      .with {
        $0.name = "requests"
        $0.sum.dataPoints = [point]
        $0.sum.isMonotonic = true
        $0.sum.aggregationTemporality = .delta
      },
      .with { $0.exponentialHistogram.dataPoints = [exponential] },
      .with { $0.histogram.dataPoints = [histogram] },
    ]
    return .with { $0.resourceMetrics = [.with { $0.scopeMetrics = [.with { $0.metrics = metrics }] }] }
  }

  @Test("ids are hexadecimal of any case, 64-bit numbers text or numbers, unknown fields and nulls ignored")
  func details() throws {
    let json = """
      {"resourceLogs":[{"resource":null,"scopeLogs":[{"logRecords":[{"traceId":"0102030405060708090A0b0C0d0e0f10",
      "spanId":"A1b2c3d4e5f60708","timeUnixNano":"17","observedTimeUnixNano":18,"severityNumber":9,"flags":1,
      "later":{"a":[1,{"b":null}],"c":"\\ud83d\\ude00"},"body":{"stringValue":"\\u00e4\\n"}}]}]}]}
      """
    let record = try LogsRequest(serializedBytes: try transcode(json, .logs)).resourceLogs[0].scopeLogs[0].logRecords[0]
    #expect(Array(record.traceID) == Array(1...16))
    #expect(Array(record.spanID) == [0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 7, 8])
    #expect(record.timeUnixNano == 17 && record.observedTimeUnixNano == 18)
    #expect(record.severityNumber == .info && record.flags == 1)
    #expect(record.body.stringValue == "ä\n")
  }

  @Test(
    "what is not the JSON of the request is refused",
    arguments: [
      "", "[]", "{", "{\"resourceLogs\":{}}", "{} x", "{\"resourceLogs\":[{}],}", "{\"a\":01e}x",
      "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"traceId\":\"xy\"}]}]}]}",
      "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":-1}]}]}]}",
      "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":1.5}]}]}]}",
      "{\"a\":\"\u{1}\"}", String(repeating: "{\"a\":", count: 1000) + "1",
      "{\"a\":" + String(repeating: "[", count: 100_000),
    ])
  func refuses(json: String) {
    #expect(throws: JSONError.self) { try transcode(json, .logs) }
  }

  @Test("responses read back as the messages that they are") func responses() throws {
    #expect(OTLPResponse.export(.logs, asJSON: false).isEmpty)
    #expect(OTLPResponse.export(.logs, asJSON: true) == Array("{}".utf8))
    let partial = OTLPResponse.export(.traces, rejected: 3, message: "bad \"ids\"", asJSON: false)
    let read = try Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceResponse(serializedBytes: partial)
    #expect(read.partialSuccess.rejectedSpans == 3 && read.partialSuccess.errorMessage == "bad \"ids\"")
    let json = String(
      decoding: OTLPResponse.export(.metrics, rejected: 2, message: "a\n\"b\"", asJSON: true), as: UTF8.self)
    let readJSON = try Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceResponse(jsonString: json)
    #expect(readJSON.partialSuccess.rejectedDataPoints == 2 && readJSON.partialSuccess.errorMessage == "a\n\"b\"")
    let status = OTLPResponse.status(code: 3, message: "no", asJSON: false)
    #expect(
      try Google_Rpc_Status(serializedBytes: status)
        == .with {
          $0.code = 3; $0.message = "no"
        })
  }
}
