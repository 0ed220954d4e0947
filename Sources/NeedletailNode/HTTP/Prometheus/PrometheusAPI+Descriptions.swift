import HummingbirdCore
import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

// What is known beside samples: exemplars, and what metrics are.

extension PrometheusAPI {
  private static let exemplarsMax = 10_000

  func queryExemplars(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    let expression = try Self.parse(try parameters.required("query"))
    let scope = try Self.scope(parameters, tenant)
    // Each with those whose series were listed for the same selector before.
    var selectors: [(matchers: [LabelMatcher], before: ArraySlice<[LabelMatcher]>)] = []
    try expression.walk { part in
      guard case .selector(let selector) = part.node else { return }
      let alternatives = try selector.allAlternatives(span: part.span).map {
        try Self.matchers($0, parameter: "query")
      }
      for index in alternatives.indices { selectors.append((alternatives[index], alternatives[..<index])) }
    }
    let source = queries.exemplars
    let found = try await queries.run(for: context) { [selectors] _ in
      var found = Listing<(labels: LabelSet, exemplar: Exemplar)>([])
      for (matchers, before) in selectors {
        let listing = try await source.exemplars(
          tenant: tenant, matchers, scope.range, limit: max(0, Self.exemplarsMax - found.elements.count))
        found.elements += listing.elements.filter { element in
          !before.contains { $0.allSatisfy { $0.matches(element.labels) } }
        }
        found.coverage.merge(listing.coverage)
      }
      return found
    }
    let warnings = PrometheusEnvelope.warnings(found.coverage)
    return PrometheusEnvelope.success(warnings: warnings, coverage: queries.coverage) { json in
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

  func metadata(
    _ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID
  ) async throws -> Response {
    // Here, and only here, a limit of 0 means none, and a negative one all.
    let limits = try ["limit", "limit_per_metric"].map { name -> Int in
      guard let text = parameters[name] else { return Self.listMax }
      guard let number = Int(text) else { throw QueryError(.badData, "\(name) must be a number") }
      return number < 0 ? Self.listMax : min(number, Self.listMax)
    }
    // What is known of a metric is one description, which no limit of those of a metric leaves out.
    let limit = limits[0]
    let metric = parameters["metric"]
    let found = try await queries.run(for: context) {
      try await $0.series.metadata(tenant: tenant, metric: metric, limit: limit)
    }
    return PrometheusEnvelope.success(coverage: queries.coverage) { json in
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
