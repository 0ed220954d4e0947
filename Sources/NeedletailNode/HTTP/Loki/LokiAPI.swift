import HummingbirdCore
import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

/// Loki's query API, as Grafana and logcli use it.
///
/// Errors are plain text, as Loki's are.
struct LokiAPI: Sendable {
  /// The release of Loki whose API this follows.
  static let apiVersion = "3.0.0"
  private static let defaultSpan: Int64 = 3_600_000_000_000
  private static let defaultLimit = 100
  private static let limitMax = 50_000
  /// Selectors of one request; each may ask for every stream.
  private static let selectorsMax = 64

  private(set) var queries: QueryService

  func respond(
    to route: LokiRoute, _ request: Request, _ context: ConnectionContext, tenant: TenantID
  ) async throws -> Response {
    do {
      let parameters = try await request.parameters()
      let question = try queries.question(parameters)
      var api = self
      api.queries = queries.asking(question)
      var response = try await api.answer(route, parameters, context, tenant)
      question.tell(in: &response)
      return response
    } catch let error as QueryError {
      return Response(PrometheusEnvelope.status(of: error.kind), text: error.message + "\n")
    }
  }

  private func answer(
    _ route: LokiRoute, _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    switch route {
    case .query: return try await query(parameters, context, tenant)
    case .queryRange: return try await queryRange(parameters, context, tenant)
    case .series: return try await series(parameters, context, tenant)
    case .labels: return try await labels(parameters, context, tenant)
    case .labelValues(let name): return try await labelValues(name, parameters, context, tenant)
    case .buildInformation: return Self.buildInformation
    }
  }

  private func query(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let text = try parameters.required("query")
    let expression = try Self.parse(text)
    guard expression.type != .events else {
      throw QueryError(
        .badData,
        "log queries are not supported as an instant query type, please change your query to a range query type")
    }
    let time = try nanoseconds(parameters, "time") ?? queries.clock.wallNanoseconds()
    let started = queries.clock.monotonicNanoseconds()
    let result = try await queries.run(for: context, timeout: try parameters.timeout()) { engine in
      try await engine.instant(expression, text: text, tenant: tenant, at: Timestamp.floorDivide(time, by: 1_000_000))
    }
    return answer(result, started: started)
  }

  private func queryRange(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let text = try parameters.required("query")
    let expression = try Self.parse(text)
    let range = try range(parameters)
    // Metrics are evaluated at milliseconds, lines selected by the nanosecond.
    let start = Timestamp.floorDivide(range.lowerBound, by: 1_000_000)
    let end = Timestamp.floorDivide(range.upperBound, by: 1_000_000)
    var options = QueryOptions(eventTimes: range)
    options.eventLimit = try limit(parameters)
    switch parameters["direction"]?.lowercased() {
    case nil, "backward"?: options.eventOrder = .backward
    case "forward"?: options.eventOrder = .forward
    default: throw QueryError(.badData, "invalid direction, write forward or backward")
    }
    let step = try step(parameters, start: start, end: end)
    let started = queries.clock.monotonicNanoseconds()
    let result = try await queries.run(for: context, timeout: try parameters.timeout()) { [options] engine in
      try await engine.range(
        expression, text: text, tenant: tenant, from: start, to: end, step: step, options: options)
    }
    return answer(result, started: started)
  }

  private func labels(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let scope = try scope(parameters, tenant)
    let events = queries.events
    let names = try await queries.run(for: context) { _ in
      try await events.fieldNames(.logs, scope, limit: PrometheusAPI.listMax)
    }
    return answer(names)
  }

  private func labelValues(
    _ name: String, _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let scope = try scope(parameters, tenant)
    let events = queries.events
    let values = try await queries.run(for: context) { _ in
      try await events.fieldValues(.logs, field: name, scope, limit: PrometheusAPI.listMax)
    }
    return answer(values)
  }

  private func answer(_ texts: Listing<String>) -> Response {
    let warnings = PrometheusEnvelope.warnings(texts.coverage)
    return PrometheusEnvelope.success(warnings: warnings, coverage: queries.coverage) { json in
      json.array { json in for text in texts.elements { json.string(text) } }
    }
  }

  /// The labels of the streams that match any of the selectors in `match[]`; of all streams where there is none.
  private func series(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let texts = parameters.all("match[]") + parameters.all("match")
    guard texts.count <= Self.selectorsMax else {
      throw QueryError(.badData, "more than \(Self.selectorsMax) match[] parameters")
    }
    let scope = try scope(parameters, tenant)
    let selectors = try texts.isEmpty ? [[]] : texts.map { try Self.matchers(of: $0) }
    let events = queries.events
    let found = try await queries.run(for: context) { [scope] _ in
      var scope = scope
      var seen: Set<LabelSet> = []
      var found = Listing<LabelSet>([])
      for matchers in selectors {
        scope.matchers = matchers
        let streams = try await events.streams(.logs, scope, limit: PrometheusAPI.listMax)
        found.coverage.merge(streams.coverage)
        for labels in Self.narrowed(streams.elements, to: matchers) where seen.insert(labels).inserted {
          found.elements.append(labels)
        }
      }
      return found
    }
    let warnings = PrometheusEnvelope.warnings(found.coverage)
    return PrometheusEnvelope.success(warnings: warnings, coverage: queries.coverage) { json in
      json.array { json in for labels in found.elements { SeriesJSON.labels(labels, to: &json) } }
    }
  }

  /// The streams that match; a condition on a label that none of them has is one on records, and says nothing of streams.
  private static func narrowed(_ streams: [LabelSet], to matchers: [LabelMatcher]) -> [LabelSet] {
    let ofStreams = matchers.filter { matcher in streams.contains { $0[matcher.name] != nil } }
    return streams.filter { labels in ofStreams.allSatisfy { $0.matches(labels[$0.name] ?? "") } }
  }

  private static var buildInformation: Response {
    var json = JSONWriter()
    json.object { json in
      json.key("version")
      json.string(apiVersion)
      json.key("revision")
      json.string("needletail")
    }
    return Response(json: json)
  }

  private func answer(_ result: QueryResult, started: Int64) -> Response {
    let elapsed = queries.clock.monotonicNanoseconds() - started
    guard case .logs(let columns) = result.value else {
      return PrometheusEnvelope.answer(result, coverage: queries.coverage)
    }
    let lineBytes = columns.sizes.reduce(0, &+)
    let warnings = result.warnings + PrometheusEnvelope.warnings(result.coverage)
    return PrometheusEnvelope.success(warnings: warnings, coverage: queries.coverage) { json in
      json.object { json in
        json.key("resultType")
        json.string("streams")
        json.key("result")
        LogStreams(columns).write(to: &json)
        json.key("stats")
        json.object { json in
          json.key("summary")
          json.object { json in
            json.key("totalBytesProcessed")
            json.integer(lineBytes)
            json.key("totalLinesProcessed")
            json.integer(result.statistics.samplesRead)
            json.key("execTime")
            json.number(Double(elapsed) / 1e9)
          }
        }
      }
    }
  }

  private static func parse(_ text: String) throws -> Expression {
    do throws(SyntaxError) {
      return try Parser.parse(text, dialect: .logQL)
    } catch {
      // In Loki's words, of which Grafana takes the place.
      let place = "line \(error.location.line), col \(error.location.column)"
      throw QueryError(.badData, "parse error at \(place): \(error.message)")
    }
  }

  /// The selector of the parameter `query`, which narrows lists of labels.
  private static func matchers(_ parameters: FormParameters) throws -> [LabelMatcher] {
    guard let text = parameters["query"] else { return [] }
    return try matchers(of: text)
  }

  private static func matchers(of text: String) throws -> [LabelMatcher] {
    guard case .events(let selector) = try parse(text).node else {
      throw QueryError(.badData, "parse error : expected a stream selector")
    }
    return try selector.matchers.map { condition in
      do throws(RegularExpressionError) {
        return try LabelMatcher(
          condition.name, LabelMatcher.Operation(rawValue: condition.operation.rawValue) ?? .equal, condition.value)
      } catch {
        throw QueryError(.badData, "parse error : \(error)")
      }
    }
  }

  /// From `start` (an hour before the end by default, or `since` before it) up to, but without, `end` (now by default).
  private func range(_ parameters: FormParameters) throws -> Range<Int64> {
    let end = try nanoseconds(parameters, "end") ?? queries.clock.wallNanoseconds()
    var span = Self.defaultSpan
    if let text = parameters["since"] {
      guard let since = TimeSpan(text), since.milliseconds < .max / 1_000_000 else {
        throw QueryError(.badData, "could not parse 'since' parameter: \"\(text)\" is no duration")
      }
      span = since.milliseconds * 1_000_000
    }
    let (before, overflow) = end.subtractingReportingOverflow(span)
    let start = try nanoseconds(parameters, "start") ?? (overflow ? .min : before)
    guard start <= end else { throw QueryError(.badData, "end timestamp must not be before start time") }
    return start..<end
  }

  /// The streams that a list of labels is of.
  private func scope(_ parameters: FormParameters, _ tenant: TenantID) throws -> EventScope {
    let times = try range(parameters)
    let last = times.isEmpty ? times.lowerBound : times.upperBound - 1
    guard let range = EventTimeRange(startNanoseconds: times.lowerBound, endNanoseconds: last) else {
      throw QueryError(.internal, "a range ends before it starts")
    }
    return EventScope(tenant: tenant, matchers: try Self.matchers(parameters), range: range)
  }

  private func nanoseconds(_ parameters: FormParameters, _ name: String) throws -> Int64? {
    guard let text = parameters[name] else { return nil }
    guard let time = Timestamp.nanoseconds(text) else {
      throw QueryError(.badData, "could not parse '\(name)' parameter: \"\(text)\" is no timestamp")
    }
    return time
  }

  private func limit(_ parameters: FormParameters) throws -> Int {
    guard let text = parameters["limit"] else { return Self.defaultLimit }
    guard let limit = Int(text), limit > 0 else { throw QueryError(.badData, "limit must be a positive value") }
    guard limit <= Self.limitMax else {
      throw QueryError(.badData, "max entries limit per query exceeded, limit > \(Self.limitMax) (\(limit))")
    }
    return limit
  }

  /// Milliseconds between steps: as asked for, else about 250 steps of whole seconds.
  private func step(_ parameters: FormParameters, start: Int64, end: Int64) throws -> Int64 {
    guard let text = parameters["step"] else {
      let (span, overflow) = end.subtractingReportingOverflow(start)
      return overflow ? .max : max(1, span / 250_000) * 1000
    }
    guard let step = Timestamp.span(text), step > 0 else {
      throw QueryError(.badData, "invalid step \"\(text)\": write seconds or a duration such as 1m")
    }
    return step
  }
}
