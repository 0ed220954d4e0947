import NeedletailProcesses

/// The requests of one run: every entry follows from the number of its request, and no two are alike.
struct RunTelemetry: Sendable {
  /// One request: where it goes, and what it brings.
  struct Request: Sendable {
    var path: String
    var body: [UInt8]
    var type: String
    var headers: [String: String] = [:]
    var entries: [Entry]
  }

  static let seriesPerWriter = 20
  static let linesPerRequest = 5
  static let spansPerTrace = 2

  /// Sets the run apart from others on the same cluster.
  let run: String
  /// The time of the first request, in ms; each is a millisecond later.
  let base: Int64

  /// A sample of each series of a writer, as remote write.
  func samples(writer: Int, number: Int) -> Request {
    var body = RemoteWriteBody()
    var entries: [Entry] = []
    let time = base + Int64(number)
    for index in 0..<Self.seriesPerWriter {
      let series = writer * Self.seriesPerWriter + index
      let value = Double(series * 1_000_000 + number)
      body.add(["__name__": "real_sample", "run": run, "series": "\(series)"], [(time, value)])
      entries.append(Entry(signal: .sample, series: series, time: time, value: value))
    }
    return Request(
      path: "/api/v1/write", body: body.bytes, type: "application/x-protobuf",
      headers: ["content-encoding": "snappy", "x-prometheus-remote-write-version": "0.1.0"], entries: entries)
  }

  /// A few log records, as OTLP/JSON.
  func lines(writer: Int, number: Int) -> Request {
    let time = base + Int64(number)
    var entries: [Entry] = []
    var records: [String] = []
    for index in 0..<Self.linesPerRequest {
      let line = number * Self.linesPerRequest + index
      entries.append(Entry(signal: .line, series: writer, time: time, value: Double(line)))
      records.append(
        #"{"timeUnixNano":"\#(time * 1_000_000)","severityNumber":9,"body":{"stringValue":"line \#(writer) \#(line)"}}"#
      )
    }
    let text =
      #"{"resourceLogs":[{\#(resource),"scopeLogs":[{"logRecords":["# + records.joined(separator: ",") + "]}]}]}"
    return Request(path: "/v1/logs", body: Array(text.utf8), type: "application/json", entries: entries)
  }

  /// A trace, as OTLP/JSON.
  func spans(writer: Int, number: Int) -> Request {
    let time = base + Int64(number)
    let trace = writer * 1_000_000 + number
    let entries = (0..<Self.spansPerTrace).map {
      Entry(signal: .span, series: trace, time: time, value: Double($0))
    }
    let spans = (0..<Self.spansPerTrace).map { index in
      """
      {"traceId":"\(traceID(trace))","spanId":"000000000000000\(index + 1)","name":"\(Self.spanName(trace, index))",\
      "kind":1,"startTimeUnixNano":"\(time * 1_000_000)","endTimeUnixNano":"\(time * 1_000_000 + 1000)"}
      """
    }
    let text =
      #"{"resourceSpans":[{\#(resource),"scopeSpans":[{"spans":["# + spans.joined(separator: ",") + "]}]}]}"
    return Request(path: "/v1/traces", body: Array(text.utf8), type: "application/json", entries: entries)
  }

  static func spanName(_ trace: Int, _ index: Int) -> String { "span \(trace)-\(index)" }

  /// Half of it is the run's, so that no two runs have a trace in common.
  func traceID(_ trace: Int) -> String {
    let ofRun = run.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    return Self.hexadecimal(ofRun) + Self.hexadecimal(UInt64(trace) + 1)
  }

  private static func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private var resource: String {
    #""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"\#(run)"}}]}"#
  }
}
