import NeedletailDashboard

/// The JSON of the query APIs to values.
///
/// Each throws ``APIFailure/malformed`` for another shape.
enum Answers {
  struct Series: Equatable {
    var series: [SeriesResult]
    /// Whether each has the samples of a span of time, not one value.
    var isMatrix = false
    var warnings: [String]
  }

  /// What the answer to a query of ours may be.
  enum Result: Equatable {
    case series(Series)
    case logs([LogLine])
    /// A text, such as that of the expression `"hello"`.
    case text(String)
  }

  /// Whether the answer to a query of ours is log records or spans.
  static func areEvents(_ body: [UInt8], path: String) throws -> Bool {
    let type = try parse(body, path)["data"]?["resultType"]?.string
    return type == "streams" || type == "spans"
  }

  /// Our own: what Prometheus answers, or log streams.
  static func result(_ body: [UInt8], path: String) throws -> Result {
    let data = try parse(body, path)["data"]
    switch data?["resultType"]?.string {
    case "streams": return .logs(try logs(body, path: path))
    case "string":
      guard let text = data?["result"]?.array.last?.string else {
        throw APIFailure.malformed(path: path, reason: "a string without a value")
      }
      return .text(text)
    default: return .series(try series(body, path: path))
    }
  }

  /// Prometheus: vector, matrix and scalar results.
  static func series(_ body: [UInt8], path: String) throws -> Series {
    let json = try parse(body, path)
    guard let data = json["data"], let type = data["resultType"]?.string, let result = data["result"] else {
      throw APIFailure.malformed(path: path, reason: "no data.resultType and data.result")
    }
    if type == "streams" || type == "spans" { throw APIFailure.selectsEvents }
    let warnings = warnings(json)
    if type == "scalar" {
      let series = point(result).map { [SeriesResult(labels: [], points: [$0])] } ?? []
      return Series(series: series, warnings: warnings)
    }
    let series = result.array.compactMap { element -> SeriesResult? in
      let points = (element["value"].map { [$0] } ?? element["values"]?.array ?? []).compactMap(point)
      let histograms = (element["histogram"].map { [$0] } ?? element["histograms"]?.array ?? []).compactMap(histogram)
      guard !points.isEmpty || !histograms.isEmpty else { return nil }
      return SeriesResult(labels: labels(element["metric"]), points: points, histograms: histograms)
    }
    return Series(series: series, isMatrix: type == "matrix", warnings: warnings)
  }

  private static func histogram(_ json: JSON) -> HistogramPoint? {
    let parts = json.array
    guard parts.count == 2, let time = parts[0].double, let count = parts[1]["count"]?.double,
      let sum = parts[1]["sum"]?.double
    else { return nil }
    return HistogramPoint(
      time: time, count: count, sum: sum, buckets: (parts[1]["buckets"]?.array ?? []).compactMap(bucket))
  }

  /// `[rule, lower, upper, count]`; the rule says which ends belong to it: 0 the upper, 1 the lower, 2 neither, 3 both.
  private static func bucket(_ json: JSON) -> HistogramPoint.Bucket? {
    let parts = json.array
    guard parts.count == 4, let rule = parts[0].integer, let lower = parts[1].double, let upper = parts[2].double,
      let count = parts[3].double
    else { return nil }
    return HistogramPoint.Bucket(
      lower: lower, upper: upper, includesLower: rule == 1 || rule == 3, includesUpper: rule == 0 || rule == 3,
      count: count)
  }

  /// Prometheus: what is to be told of an answer, such as that it lacks something.
  static func warnings(_ body: [UInt8], path: String) throws -> [String] { warnings(try parse(body, path)) }

  static func warnings(_ json: JSON) -> [String] {
    ((json["warnings"]?.array ?? []) + (json["infos"]?.array ?? [])).compactMap(\.string)
  }

  /// Tempo: what an answer lacks, in words; nil where it is whole.
  static func lack(_ body: [UInt8], path: String) throws -> String? {
    // Mostly there is none, and a trace may be large.
    guard body.firstRange(of: Array(#""status":"PARTIAL""#.utf8)) != nil else { return nil }
    let json = try parse(body, path)
    guard json["status"]?.string == "PARTIAL" else { return nil }
    return "the answer is incomplete: \(json["message"]?.string ?? "not everything asked has answered")"
  }

  /// Prometheus: the name of a snapshot.
  static func snapshot(_ body: [UInt8], path: String) throws -> String {
    guard let name = try parse(body, path)["data"]?["name"]?.string else {
      throw APIFailure.malformed(path: path, reason: "no data.name")
    }
    return name
  }

  /// Prometheus: a list of names or values.
  static func names(_ body: [UInt8], path: String) throws -> [String] {
    guard case .array(let elements)? = try parse(body, path)["data"] else {
      throw APIFailure.malformed(path: path, reason: "no data")
    }
    return elements.compactMap(\.string)
  }

  /// Prometheus: the label sets of series.
  static func labelSets(_ body: [UInt8], path: String) throws -> [[(name: String, value: String)]] {
    guard case .array(let elements)? = try parse(body, path)["data"] else {
      throw APIFailure.malformed(path: path, reason: "no data")
    }
    return elements.map { labels($0) }
  }

  /// Loki: log streams, as one list in the order of the answer.
  ///
  /// A metric query's matrix is not one.
  static func logs(_ body: [UInt8], path: String) throws -> [LogLine] {
    guard let data = try parse(body, path)["data"], data["resultType"]?.string == "streams" else {
      throw APIFailure.malformed(path: path, reason: "no streams; ask for numbers with `needletail query`")
    }
    return (data["result"]?.array ?? []).flatMap { stream -> [LogLine] in
      let labels = (stream["stream"]?.object ?? [:]).mapValues(\.text)
      return (stream["values"]?.array ?? []).compactMap { entry in
        let parts = entry.array
        guard parts.count >= 2, let time = parts[0].integer, let body = parts[1].string else { return nil }
        var all = labels
        if parts.count > 2 {
          for (name, value) in parts[2].object {
            if case .object(let nested) = value {
              all.merge(nested.mapValues(\.text)) { $1 }
            } else {
              all[name] = value.text
            }
          }
        }
        return LogLine(time: time, labels: all, body: body)
      }
    }
  }

  /// Tempo: what a search found.
  static func traces(_ body: [UInt8], path: String) throws -> [TraceSummary] {
    guard case .array(let elements)? = try parse(body, path)["traces"] else {
      throw APIFailure.malformed(path: path, reason: "no traces")
    }
    return elements.compactMap { trace in
      guard let id = trace["traceID"]?.string else { return nil }
      // Tempo's own milliseconds are whole, and most traces are shorter than a few.
      let milliseconds = trace["durationMs"]?.double ?? 0
      return TraceSummary(
        id: id, rootService: trace["rootServiceName"]?.string ?? "", rootName: trace["rootTraceName"]?.string ?? "",
        start: trace["startTimeUnixNano"]?.integer ?? 0,
        duration: trace["durationNanos"]?.integer ?? TimeText.nanoseconds(ofSeconds: milliseconds / 1_000),
        errorCount: trace["errorCount"]?.integer.flatMap { Int(exactly: $0) } ?? 0,
        failedService: trace["failedServiceName"]?.string ?? "", failedName: trace["failedSpanName"]?.string ?? "")
    }
  }

  /// OTLP JSON of one trace, under `batches` or `resourceSpans`, bare or inside of `trace`.
  static func trace(_ body: [UInt8], id: String, path: String) throws -> Trace {
    let json = try parse(body, path)
    let root = json["trace"] ?? json
    guard case .array(let resources)? = root["resourceSpans"] ?? root["batches"] else {
      throw APIFailure.malformed(path: path, reason: "neither resourceSpans nor batches")
    }
    let spans = resources.flatMap { resource -> [TraceSpan] in
      let attributes = attributes(resource["resource"]?["attributes"])
      let service = attributes.first { $0.name == "service.name" }?.value ?? ""
      let scopes = resource["scopeSpans"] ?? resource["instrumentationLibrarySpans"]
      return (scopes?.array ?? []).flatMap { scope in
        (scope["spans"]?.array ?? []).map { span($0, service: service) }
      }
    }
    return Trace(id: id, spans: spans)
  }

  private static func span(_ json: JSON, service: String) -> TraceSpan {
    let status = json["status"]
    let code = status?["code"]
    var attributes = attributes(json["attributes"])
    for event in json["events"]?.array ?? [] {
      let details = Self.attributes(event["attributes"]).map { "\($0.name)=\($0.value)" }.joined(separator: " ")
      attributes.append(("event " + (event["name"]?.string ?? ""), details))
    }
    let start = json["startTimeUnixNano"]?.integer ?? 0
    return TraceSpan(
      id: json["spanId"]?.string ?? "", parent: json["parentSpanId"]?.string ?? "", service: service,
      name: json["name"]?.string ?? "", start: start, end: json["endTimeUnixNano"]?.integer ?? start,
      isError: code?.integer == 2 || code?.string == "STATUS_CODE_ERROR", message: status?["message"]?.string ?? "",
      attributes: attributes)
  }

  private static func attributes(_ json: JSON?) -> [(name: String, value: String)] {
    (json?.array ?? []).compactMap { attribute in
      guard let key = attribute["key"]?.string else { return nil }
      return (key, attribute["value"].map(anyValue) ?? "")
    }
  }

  /// The text of an OTLP `AnyValue`.
  ///
  /// JSON's own depth is bounded by its parser.
  private static func anyValue(_ json: JSON) -> String {
    for key in ["stringValue", "intValue", "doubleValue", "boolValue", "bytesValue"] {
      if let value = json[key] { return value.text }
    }
    if let values = json["arrayValue"]?["values"]?.array {
      return "[" + values.map(anyValue).joined(separator: ", ") + "]"
    }
    if let pairs = json["kvlistValue"]?["values"] {
      return "{" + attributes(pairs).map { "\($0.name): \($0.value)" }.joined(separator: ", ") + "}"
    }
    return json.text
  }

  private static func labels(_ json: JSON?) -> [(name: String, value: String)] {
    (json?.object ?? [:]).map { (name: $0.key, value: $0.value.text) }.sorted { $0.name < $1.name }
  }

  private static func point(_ json: JSON) -> SeriesResult.Point? {
    let parts = json.array
    guard parts.count == 2, let time = parts[0].double, let value = parts[1].double else { return nil }
    return SeriesResult.Point(time: time, value: value)
  }

  /// The data of an answer in Prometheus' envelope.
  static func data(_ body: [UInt8], path: String) throws -> JSON {
    guard let data = try parse(body, path)["data"] else { throw APIFailure.malformed(path: path, reason: "no data") }
    return data
  }

  static func parse(_ body: [UInt8], _ path: String) throws -> JSON {
    do {
      return try JSON(parsing: body)
    } catch {
      throw APIFailure.malformed(path: path, reason: error.description)
    }
  }
}
