import HummingbirdCore
import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

/// Prometheus' query API, as Grafana and promtool use it.
struct PrometheusAPI: Sendable {
  /// Which release of Prometheus' API this one follows; Grafana decides by it which calls it may make.
  ///
  /// No `features` are told, because Grafana takes a server that has some for Mimir.
  static let apiVersion = "2.55.0"
  /// The most names, values or series that one answer lists.
  static let listMax = 1_000_000
  private static let exemplarsMax = 10_000

  let queries: QueryService
  /// Whether an answer may be log records or spans, for which Prometheus' API has no form.
  var tellsEvents = false

  func respond(
    to route: PrometheusRoute, _ request: Request, _ context: ConnectionContext, tenant: TenantID
  ) async throws -> Response {
    do {
      let parameters = try await request.parameters()
      switch route {
      case .query: return try await query(parameters, context, tenant)
      case .queryRange: return try await queryRange(parameters, context, tenant)
      case .queryExemplars: return try await queryExemplars(parameters, context, tenant)
      case .series: return try await series(parameters, context, tenant)
      case .labels: return try await labels(parameters, context, tenant)
      case .labelValues(let name): return try await labelValues(name, parameters, context, tenant)
      case .metadata: return try await metadata(parameters, context, tenant)
      case .formatQuery: return try format(parameters)
      case .buildInformation: return Self.buildInformation
      case .empty(let answer): return answer.response
      }
    } catch let error as QueryError {
      return PrometheusEnvelope.failure(error)
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
    let result = try await queries.run(for: context, shape, timeout: try parameters.timeout()) { engine in
      try await engine.instant(expression, text: text, tenant: tenant, at: time, options: options)
    }
    return try Self.answer(result, parameters)
  }

  private func queryRange(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let text = try parameters.required("query")
    let expression = try expression(text)
    guard let start = try parameters.time("start") else { throw FormParameters.missing("start") }
    guard let end = try parameters.time("end") else { throw FormParameters.missing("end") }
    let step = try parameters.required("step")
    guard let stepMilliseconds = Timestamp.span(step) else {
      throw QueryError(.badData, "invalid parameter \"step\": cannot parse \"\(step)\" to a valid duration")
    }
    let options = try options(parameters)
    var shape = QueryShape(.range, expression, text: text, tenant: tenant, options: options)
    shape?.width = end &- start
    shape?.step = stepMilliseconds
    let result = try await queries.run(for: context, shape, timeout: try parameters.timeout()) { engine in
      try await engine.range(
        expression, text: text, tenant: tenant, from: start, to: end, step: stepMilliseconds, options: options)
    }
    return try Self.answer(result, parameters)
  }

  /// The syntax tree of a query whose answer this API can tell.
  private func expression(_ text: String) throws -> Expression {
    let expression = try Self.parse(text)
    guard tellsEvents || expression.type != .events else {
      throw QueryError(
        .badData,
        "the expression selects log records or spans themselves, which this API cannot answer with: use a function such "
          + "as count_over_time(logs{...}[5m]), or ask /loki/api/v1/query_range for lines and /tempo/api/search for traces"
      )
    }
    return expression
  }

  private func options(_ parameters: FormParameters) throws -> QueryOptions {
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
    return options
  }

  private static func answer(_ result: QueryResult, _ parameters: FormParameters) throws -> Response {
    guard let limit = try parameters.limit() else { return PrometheusEnvelope.answer(result) }
    var result = result
    switch result.value {
    case .vector(let columns) where columns.count > limit: result.value = .vector(columns.firstSeries(limit))
    case .matrix(let columns) where columns.count > limit: result.value = .matrix(columns.firstSeries(limit))
    default: return PrometheusEnvelope.answer(result)
    }
    return PrometheusEnvelope.answer(result, remarks: ["results truncated due to limit"])
  }

  private func queryExemplars(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let expression = try Self.parse(try parameters.required("query"))
    let scope = try Self.scope(parameters, tenant)
    var selectors: [[LabelMatcher]] = []
    try expression.walk { part in
      guard case .selector(let selector) = part.node else { return }
      for matchers in selector.allAlternatives(span: part.span) {
        selectors.append(try Self.matchers(matchers, parameter: "query"))
      }
    }
    let source = queries.exemplars
    let found = try await queries.run(for: context) { [selectors] _ in
      var found = Listing<(labels: LabelSet, exemplar: Exemplar)>([])
      for matchers in selectors {
        let listing = try await source.exemplars(
          tenant: tenant, matchers, scope.range, limit: max(0, Self.exemplarsMax - found.elements.count))
        found.elements += listing.elements
        found.coverage.merge(listing.coverage)
      }
      return found
    }
    return PrometheusEnvelope.success(warnings: PrometheusEnvelope.warnings(found.coverage)) { json in
      Self.write(found.elements, to: &json)
    }
  }

  /// Exemplars of one series stand together in what the source returns.
  private static func write(_ found: [(labels: LabelSet, exemplar: Exemplar)], to json: inout JSONWriter) {
    json.beginArray()
    var current: LabelSet?
    for (labels, exemplar) in found {
      if labels != current {
        if current != nil {
          json.endArray()
          json.endObject()
        }
        current = labels
        json.beginObject()
        json.key("seriesLabels")
        SeriesJSON.labels(labels, to: &json)
        json.key("exemplars")
        json.beginArray()
      }
      json.object { json in
        json.key("labels")
        SeriesJSON.labels(exemplar.labels, to: &json)
        json.key("value")
        json.quotedNumber(exemplar.value)
        json.key("timestamp")
        json.seconds(fromMilliseconds: exemplar.timestampMilliseconds)
      }
    }
    if current != nil {
      json.endArray()
      json.endObject()
    }
    json.endArray()
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
    return PrometheusEnvelope.success(warnings: Self.warnings(found, limit)) { json in
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
    return Self.list(names, limit)
  }

  private func labelValues(
    _ name: String, _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    guard !name.isEmpty else { throw QueryError(.badData, "the label's name is empty") }
    let scope = try Self.scope(parameters, tenant)
    let limit = try parameters.limit() ?? Self.listMax
    let values = try await queries.run(for: context, QueryShape(.labelValues, parameters, name: [name], scope)) {
      try await $0.series.labelValues(name, scope, limit: limit + 1)
    }
    return Self.list(values, limit)
  }

  private func metadata(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let limit = try parameters.limit() ?? Self.listMax
    let metric = parameters["metric"]
    let found = try await queries.run(for: context) {
      try await $0.series.metadata(tenant: tenant, metric: metric, limit: limit)
    }
    return PrometheusEnvelope.success { json in
      json.object { json in
        for entry in found {
          json.key(entry.metric)
          json.array { json in Self.write(entry.metadata, to: &json) }
        }
      }
    }
  }

  private static func write(_ metadata: MetricMetadata, to json: inout JSONWriter) {
    json.object { json in
      json.key("type")
      json.string(metadata.kind.prometheusName)
      json.key("help")
      json.string(metadata.help)
      json.key("unit")
      json.string(metadata.unit)
    }
  }

  private func format(_ parameters: FormParameters) throws -> Response {
    let expression = try Self.parse(try parameters.required("query"))
    return PrometheusEnvelope.success { $0.string(Printer.print(expression)) }
  }

  private static func parse(_ text: String) throws -> Expression {
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

  private static func list(_ texts: Listing<String>, _ limit: Int) -> Response {
    PrometheusEnvelope.success(warnings: warnings(texts, limit)) { json in
      json.array { json in for text in texts.elements.prefix(limit) { json.string(text) } }
    }
  }

  private static func warnings<Element>(_ listing: Listing<Element>, _ limit: Int) -> [String] {
    (listing.elements.count > limit ? ["results truncated due to limit"] : [])
      + PrometheusEnvelope.warnings(listing.coverage)
  }

  /// Selectors of one request; each may ask for every series.
  private static let selectorsMax = 64

  /// The selectors and the range of a request, all times where it names none.
  static func scope(_ parameters: FormParameters, _ tenant: TenantID) throws -> MetadataScope {
    let start = try parameters.time("start") ?? .min
    let end = try parameters.time("end") ?? .max
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: end) else {
      throw QueryError(.badData, "end timestamp must not be before start time")
    }
    let texts = parameters.all("match[]")
    guard texts.count <= selectorsMax else {
      throw QueryError(.badData, "more than \(selectorsMax) match[] parameters")
    }
    let selectors = try texts.map { try selector($0) }
    return MetadataScope(tenant: tenant, selectors: selectors, range: range)
  }

  private static func selector(_ text: String) throws -> [LabelMatcher] {
    let conditions: [MatcherSyntax]
    do throws(SyntaxError) {
      conditions = try Parser.parseSelector(text)
    } catch {
      throw QueryError(.badData, "invalid parameter \"match[]\": \(error)")
    }
    return try matchers(conditions, parameter: "match[]")
  }

  private static func matchers(_ conditions: [MatcherSyntax], parameter: String) throws -> [LabelMatcher] {
    try conditions.map { condition in
      let operation = LabelMatcher.Operation(rawValue: condition.operation.rawValue) ?? .equal
      do throws(RegularExpressionError) {
        return try LabelMatcher(condition.name, operation, condition.value)
      } catch {
        throw QueryError(.badData, "invalid parameter \"\(parameter)\": \(error)")
      }
    }
  }

  private var nowMilliseconds: Int64 { queries.clock.wallNanoseconds() / 1_000_000 }
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

extension MetricMetadata.Kind {
  /// The kind as Prometheus' API and text format name it.
  var prometheusName: String {
    switch self {
    case .unknown: "unknown"
    case .counter: "counter"
    case .gauge: "gauge"
    case .summary: "summary"
    case .histogram: "histogram"
    case .gaugeHistogram: "gaugehistogram"
    case .info: "info"
    case .stateset: "stateset"
    }
  }
}
