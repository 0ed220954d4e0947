import HummingbirdCore
import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

/// Prometheus' query API, as Grafana and promtool use it.
///
/// A class: each request hands it on several times, and it has dozens of references.
final class PrometheusAPI: Sendable {
  /// Which release of Prometheus' API this one follows; Grafana decides by it which calls it may make.
  ///
  /// No `features` are told, because Grafana takes a server that has some for Mimir.
  static let apiVersion = "2.55.0"
  /// The most names, values or series that one answer lists.
  static let listMax = 1_000_000

  let queries: QueryService
  let status: PrometheusStatus
  /// Whether an answer may be log records or spans, for which Prometheus' API has no form.
  let tellsEvents: Bool

  init(queries: QueryService, status: PrometheusStatus, tellsEvents: Bool = false) {
    (self.queries, self.status, self.tellsEvents) = (queries, status, tellsEvents)
  }

  /// The same, of one question to the cluster.
  private func asking(_ question: ClusterQuestion) -> PrometheusAPI {
    PrometheusAPI(queries: queries.asking(question), status: status, tellsEvents: tellsEvents)
  }

  func respond(
    to route: PrometheusRoute, _ request: Request, _ context: ConnectionContext, tenant: TenantID
  ) async throws -> Response {
    do {
      let parameters = try await request.parameters()
      let question = try queries.question(parameters)
      let api = queries.cluster == nil ? self : asking(question)
      var response = try await api.answer(route, parameters, context, tenant)
      question.tell(in: &response)
      return response
    } catch let error as QueryError {
      return PrometheusEnvelope.failure(error)
    }
  }

  private func answer(
    _ route: PrometheusRoute, _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    switch route {
    case .query: return try await query(parameters, context, tenant)
    case .queryRange: return try await queryRange(parameters, context, tenant)
    case .queryExemplars: return try await queryExemplars(parameters, context, tenant)
    case .series: return try await series(parameters, context, tenant)
    case .labels: return try await labels(parameters, context, tenant)
    case .labelValues(let name): return try await labelValues(name, parameters, context, tenant)
    case .metadata: return try await metadata(parameters, context, tenant)
    case .formatQuery: return try format(parameters)
    case .parseQuery: return try syntaxTree(parameters)
    case .explain: return try await explain(parameters, context, tenant)
    case .buildInformation: return Self.buildInformation
    case .status(let question):
      return try await status.answer(question, parameters, context, queries, tenant: tenant)
    case .empty(let answer): return try answer.response(parameters)
    }
  }

  private func query(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let text = try parameters.required("query")
    let expression = try expression(text)
    let time = try parameters.time("time") ?? nowMilliseconds
    let options = try options(parameters)
    let shape = QueryShape(.instant, expression, text: text, tenant: tenant, options: options)
    let steps = (start: time, interval: Int64(1))
    return try await answer(shape, parameters, context, steps) { engine in
      try await engine.instant(expression, text: text, tenant: tenant, at: time, options: options)
    }
  }

  private func queryRange(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let text = try parameters.required("query")
    let expression = try expression(text)
    let (start, end, step) = try Self.steps(parameters)
    let options = try options(parameters)
    var shape = QueryShape(.range, expression, text: text, tenant: tenant, options: options)
    shape?.width = end &- start
    shape?.step = step
    return try await answer(shape, parameters, context, (start, step)) { engine in
      try await engine.range(
        expression, text: text, tenant: tenant, from: start, to: end, step: step, options: options)
    }
  }

  /// The first and the last step of a range query and their distance, in ms.
  static func steps(_ parameters: FormParameters) throws -> (start: Int64, end: Int64, step: Int64) {
    guard let start = try parameters.time("start") else { throw FormParameters.missing("start") }
    guard let end = try parameters.time("end") else { throw FormParameters.missing("end") }
    guard end >= start else {
      throw QueryError(.badData, "invalid parameter \"end\": end timestamp must not be before start time")
    }
    let text = try parameters.required("step")
    guard let step = Timestamp.span(text) else {
      throw QueryError(.badData, "invalid parameter \"step\": cannot parse \"\(text)\" to a valid duration")
    }
    return (start, end, step)
  }

  /// The syntax tree of a query whose answer this API can tell.
  func expression(_ text: String) throws -> Expression {
    let expression: Expression
    do throws(SyntaxError) { expression = try queries.parsed.expression(text) } catch { throw QueryError(error) }
    guard tellsEvents || expression.type != .events else {
      throw QueryError(
        .badData,
        "the expression selects log records or spans themselves, which this API cannot answer with: use a function such "
          + "as count_over_time(logs{...}[5m]), or ask /loki/api/v1/query_range for lines and /tempo/api/search for traces"
      )
    }
    return expression
  }

  func options(_ parameters: FormParameters) throws -> QueryOptions {
    var options = QueryOptions()
    if let text = parameters["lookback_delta"] {
      guard let lookback = Timestamp.span(text), lookback > 0 else {
        throw QueryError(.badData, "invalid parameter \"lookback_delta\": cannot parse \"\(text)\" to a valid duration")
      }
      options.lookback = lookback
    }
    if let limit = try parameters.limit() { options.eventLimit = limit }
    // As VictoriaMetrics spells it.
    if let text = parameters["nocache"] { options.usesCache = !(text == "1" || text == "true") }
    if let text = parameters["stats"] { options.statistics = text == "all" ? .perStep : .totals }
    return options
  }

  /// Runs a query and answers with what it came to, and with what it took where that is wanted.
  private func answer(
    _ shape: QueryShape?, _ parameters: FormParameters, _ context: ConnectionContext,
    _ steps: (start: Int64, interval: Int64), _ body: @escaping @Sendable (QueryEngine) async throws -> QueryResult
  ) async throws -> Response {
    let limit = try parameters.limit()
    let clock = queries.clock
    let asked = clock.monotonicNanoseconds()
    let found = try await queries.run(for: context, shape, timeout: try parameters.timeout()) { engine in
      let began = clock.monotonicNanoseconds()
      return (began: began, result: try await body(engine))
    }
    var (result, remarks) = (found.result, [String]())
    switch result.value {
    case .vector(let columns) where columns.count > limit ?? .max:
      result.value = .vector(columns.firstSeries(limit ?? columns.count))
      remarks.append("results truncated due to limit")
    case .matrix(let columns) where columns.count > limit ?? .max:
      result.value = .matrix(columns.firstSeries(limit ?? columns.count))
      remarks.append("results truncated due to limit")
    default: break
    }
    guard let wanted = parameters["stats"] else {
      return PrometheusEnvelope.answer(result, remarks: remarks, coverage: queries.coverage)
    }
    if wanted != "true", wanted != "all" {
      remarks.append(
        "value \"\(wanted)\" for parameter \"stats\" is deprecated and will be rejected in the next major release, "
          + "use \"true\" or \"all\"")
    }
    let statistics = QueryStatisticsJSON(
      statistics: result.statistics, start: steps.start, interval: steps.interval,
      queueNanoseconds: found.began - asked, totalNanoseconds: clock.monotonicNanoseconds() - asked)
    return PrometheusEnvelope.answer(
      result, remarks: remarks, statistics: statistics, coverage: queries.coverage)
  }

  private func series(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let scope = try Self.scope(parameters, tenant)
    guard !scope.selectors.isEmpty else { throw QueryError(.badData, "no match[] parameter provided") }
    let limit = try parameters.limit() ?? Self.listMax
    let found = try await queries.run(for: context, QueryShape(.series, parameters, scope)) {
      try await $0.series.series(scope, limit: limit + 1)
    }
    return PrometheusEnvelope.success(warnings: Self.warnings(found, limit), coverage: queries.coverage) { json in
      json.array { json in for labels in found.elements.prefix(limit) { SeriesJSON.labels(labels, to: &json) } }
    }
  }

  private func labels(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let scope = try Self.scope(parameters, tenant)
    let limit = try parameters.limit() ?? Self.listMax
    let names = try await queries.run(for: context, QueryShape(.labelNames, parameters, scope)) {
      try await $0.series.labelNames(scope, limit: limit + 1)
    }
    return list(names, limit)
  }

  private func labelValues(
    _ name: String?, _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    guard let name else { throw QueryError(.badData, "invalid label name: it is not UTF-8") }
    guard !name.isEmpty else { throw QueryError(.badData, "invalid label name: \"\"") }
    let scope = try Self.scope(parameters, tenant)
    let limit = try parameters.limit() ?? Self.listMax
    let values = try await queries.run(for: context, QueryShape(.labelValues, parameters, name: [name], scope)) {
      try await $0.series.labelValues(name, scope, limit: limit + 1)
    }
    return list(values, limit)
  }

  private func format(_ parameters: FormParameters) throws -> Response {
    let text = try parameters.required("query")
    let expression = try Self.parse(text)
    guard PrometheusPrinter.canPrint(expression) else { throw QueryError.tooLargeToPrint }
    return PrometheusEnvelope.success { $0.string(PrometheusPrinter(text).pretty(expression)) }
  }

  private func syntaxTree(_ parameters: FormParameters) throws -> Response {
    let text = try parameters.required("query")
    let expression = try Self.parse(text)
    guard PrometheusPrinter.canPrint(expression) else { throw QueryError.tooLargeToPrint }
    return PrometheusEnvelope.success { SyntaxTreeJSON(text).write(expression, to: &$0) }
  }

  static func parse(_ text: String) throws -> Expression {
    do throws(SyntaxError) { return try Parser.parse(text) } catch { throw QueryError(error) }
  }

  private static var buildInformation: Response {
    PrometheusEnvelope.success { json in
      json.object { json in
        json.key("version")
        json.string(apiVersion)
        json.key("revision")
        json.string("needletail")
        for key in ["branch", "buildUser", "buildDate", "goVersion"] {
          json.key(key)
          json.string("")
        }
      }
    }
  }

  private func list(_ texts: Listing<String>, _ limit: Int) -> Response {
    PrometheusEnvelope.success(warnings: Self.warnings(texts, limit), coverage: queries.coverage) { json in
      json.array { json in for text in texts.elements.prefix(limit) { json.string(text) } }
    }
  }

  private static func warnings<Element>(_ listing: Listing<Element>, _ limit: Int) -> [String] {
    (listing.elements.count > limit ? ["results truncated due to limit"] : [])
      + PrometheusEnvelope.warnings(listing.coverage)
  }

  var nowMilliseconds: Int64 { queries.clock.wallNanoseconds() / 1_000_000 }
}

extension SeriesColumns {
  /// The first `count` series, of which there must be as many.
  fileprivate func firstSeries(_ count: Int) -> SeriesColumns {
    var result = self
    let samples = offsets[count]
    result.labels.removeLast(labels.count - count)
    result.offsets.removeLast(offsets.count - count - 1)
    result.timestamps.removeLast(timestamps.count - samples)
    result.values.removeLast(values.count - samples)
    let histogramCount = histogramIndexes.firstIndex { $0 >= samples } ?? histogramIndexes.count
    result.histogramIndexes.removeLast(histogramIndexes.count - histogramCount)
    result.histograms.removeLast(histograms.count - histogramCount)
    return result
  }
}
