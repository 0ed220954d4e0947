import NeedletailDashboard
import NeedletailTerminal

extension APIClient {
  /// Unix nanoseconds as the decimal seconds of Prometheus' parameters, exact to the millisecond.
  static func seconds(_ nanoseconds: Int64) -> String {
    Quantity.fixedSeconds(milliseconds: nanoseconds / 1_000_000)
  }

  /// The paths of questions whose answers may be log records or spans, which Prometheus' own cannot tell.
  static let instantPath = "/needletail/v1/query"
  static let rangePath = "/needletail/v1/query_range"

  func instantBody(_ query: String, at time: Int64) async throws -> [UInt8] {
    try await get(Self.instantPath, [("query", query), ("time", Self.seconds(time))])
  }

  /// - Parameter step: nanoseconds.
  func rangeBody(_ query: String, start: Int64, end: Int64, step: Int64) async throws -> [UInt8] {
    try await get(
      Self.rangePath,
      [
        ("query", query), ("start", Self.seconds(start)), ("end", Self.seconds(end)), ("step", Self.seconds(step)),
      ])
  }

  static let planPath = "/needletail/v1/explain"

  /// The plan of a query at one time, or with a step over a range; all times in nanoseconds.
  func planBody(_ query: String, start: Int64, end: Int64, step: Int64?) async throws -> [UInt8] {
    guard let step else { return try await get(Self.planPath, [("query", query), ("time", Self.seconds(start))]) }
    return try await get(
      Self.planPath,
      [
        ("query", query), ("start", Self.seconds(start)), ("end", Self.seconds(end)), ("step", Self.seconds(step)),
      ])
  }

  func logsBody(_ query: String, start: Int64, end: Int64, limit: Int, forward: Bool) async throws -> [UInt8] {
    try await get(
      "/loki/api/v1/query_range",
      [
        ("query", query), ("start", "\(start)"), ("end", "\(end)"), ("limit", "\(limit)"),
        ("direction", forward ? "forward" : "backward"),
      ])
  }

  func tracesBody(_ search: TraceSearch) async throws -> [UInt8] {
    try await get("/tempo/api/search", Self.parameters(of: search))
  }

  static func parameters(of search: TraceSearch) -> [(String, String)] {
    var parameters = [("limit", "\(search.limit)")]
    if !search.tags.isEmpty { parameters.append(("tags", search.tags)) }
    if let duration = search.minimumDuration { parameters.append(("minDuration", "\(duration)ns")) }
    parameters.append(("start", PrometheusNumber.text(search.start.rounded(.down))))
    parameters.append(("end", PrometheusNumber.text(search.end.rounded(.up))))
    return parameters
  }

  func traceBody(_ id: String) async throws -> [UInt8] {
    try await get("/tempo/api/traces/" + Self.escaped(id))
  }
}

extension APIClient: DashboardSource {
  func range(_ query: String, start: Double, end: Double, step: Double) async throws -> [SeriesResult] {
    let body = try await rangeBody(
      query, start: TimeText.nanoseconds(ofSeconds: start), end: TimeText.nanoseconds(ofSeconds: end),
      step: TimeText.nanoseconds(ofSeconds: step))
    return try Answers.series(body, path: Self.rangePath).series
  }

  func logs(_ query: String, start: Int64, end: Int64, limit: Int) async throws -> [LogLine] {
    let body = try await logsBody(query, start: start, end: end, limit: limit, forward: false)
    return try Answers.logs(body, path: "/loki/api/v1/query_range")
  }

  func traces(_ search: TraceSearch) async throws -> [TraceSummary] {
    try Answers.traces(try await tracesBody(search), path: "/tempo/api/search")
  }

  func telling(_ tell: @escaping @Sendable (AnswerCoverage) -> Void) -> APIClient {
    var client = self
    client.tell = tell
    return client
  }

  func trace(_ id: String) async throws -> Trace {
    try Answers.trace(try await traceBody(id), id: id, path: "/tempo/api/traces")
  }
}

extension Quantity {
  /// Milliseconds as decimal seconds, without floating point.
  static func fixedSeconds(milliseconds: Int64) -> String {
    let (whole, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
    let sign = milliseconds < 0 ? "-" : ""
    guard rest != 0 else { return "\(sign)\(whole)" }
    let digits = String(rest)
    return "\(sign)\(whole)." + String(repeating: "0", count: 3 - digits.utf8.count) + digits
  }
}
