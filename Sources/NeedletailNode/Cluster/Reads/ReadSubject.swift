import NeedletailQueryEngine
import NeedletailTelemetry

/// What is to be read of some slots: the selection of a read message (docs/formats/peer.md).
enum ReadSubject: Sendable {
  /// Samples.
  case series(SeriesSelection)
  case labelNames(MetadataScope, limit: Int)
  case labelValues(String, MetadataScope, limit: Int)
  case seriesNames(MetadataScope, limit: Int)
  case metadata(TenantID, metric: String?, limit: Int)
  case exemplars(TenantID, [LabelMatcher], TimeRange, limit: Int)

  private enum Kind: UInt8 {
    case series = 1
    case labelNames = 2
    case labelValues = 3
    case seriesNames = 4
    case metadata = 5
    case exemplars = 6
  }

  /// Throws `QueryError` where another node would refuse it.
  func encoded() throws(QueryError) -> [UInt8] {
    switch self {
    case .series(let selection): [Kind.series.rawValue] + (try SelectionMessage.encode(selection))
    case .labelNames(let scope, let limit):
      [Kind.labelNames.rawValue] + (try SelectionMessage.encode(scope, limit: limit))
    case .labelValues(let name, let scope, let limit):
      [Kind.labelValues.rawValue] + (try SelectionMessage.encode(scope, limit: limit, name: name))
    case .seriesNames(let scope, let limit):
      [Kind.seriesNames.rawValue] + (try SelectionMessage.encode(scope, limit: limit))
    case .metadata(let tenant, let metric, let limit):
      [Kind.metadata.rawValue]
        + (try SelectionMessage.encode(MetadataScope(tenant: tenant), limit: limit, name: metric ?? ""))
    case .exemplars(let tenant, let matchers, let range, let limit):
      [Kind.exemplars.rawValue]
        + (try SelectionMessage.encode(
          MetadataScope(tenant: tenant, selectors: [matchers], range: range), limit: limit))
    }
  }

  /// Compiles regular expressions: not for the thread of a connection.
  init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard let first = bytes.first, let kind = Kind(rawValue: first) else { throw .invalid("an unknown kind of read") }
    let rest = Array(bytes.dropFirst())
    if kind == .series {
      self = .series(try SelectionMessage.decode(rest))
      return
    }
    let (scope, limit, name) = try SelectionMessage.decodeScope(rest)
    switch kind {
    case .labelNames: self = .labelNames(scope, limit: limit)
    case .labelValues: self = .labelValues(name, scope, limit: limit)
    case .seriesNames: self = .seriesNames(scope, limit: limit)
    case .metadata: self = .metadata(scope.tenant, metric: name.isEmpty ? nil : name, limit: limit)
    case .exemplars, .series:
      guard scope.selectors.count == 1 else { throw .invalid("exemplars are asked for by one selector") }
      self = .exemplars(scope.tenant, scope.selectors[0], scope.range, limit: limit)
    }
  }
}
