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
  case logs(EventSelection)
  case spans(EventSelection)
  case trace(TraceID, TenantID)
  case traceSearch(TraceSearch)
  case fieldNames(EventSignal, EventScope, limit: Int)
  case fieldValues(EventSignal, field: String, EventScope, limit: Int)
  case streams(EventSignal, EventScope, limit: Int)
  /// Samples, or what becomes of them.
  case reduction(SeriesSelection, SeriesReduction)
  /// Samples, or of each series what a function makes of it.
  case derivation(SeriesSelection, SeriesDerivation)

  private enum Kind: UInt8 {
    case series = 1
    case labelNames = 2
    case labelValues = 3
    case seriesNames = 4
    case metadata = 5
    case exemplars = 6
    case logs = 7
    case spans = 8
    case trace = 9
    case traceSearch = 10
    case fieldNames = 11
    case fieldValues = 12
    case streams = 13
    case reduction = 14
    case derivation = 15
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
    case .logs(let selection): [Kind.logs.rawValue] + (try EventQuestionMessage.encode(selection))
    case .spans(let selection): [Kind.spans.rawValue] + (try EventQuestionMessage.encode(selection))
    case .trace(let id, let tenant): [Kind.trace.rawValue] + TraceMessage.encode(id, tenant: tenant)
    case .traceSearch(let search): [Kind.traceSearch.rawValue] + (try TraceMessage.encode(search))
    case .fieldNames(let signal, let scope, let limit):
      [Kind.fieldNames.rawValue] + (try EventQuestionMessage.encode(signal, scope, limit: limit))
    case .fieldValues(let signal, let field, let scope, let limit):
      [Kind.fieldValues.rawValue] + (try EventQuestionMessage.encode(signal, scope, limit: limit, field: field))
    case .streams(let signal, let scope, let limit):
      [Kind.streams.rawValue] + (try EventQuestionMessage.encode(signal, scope, limit: limit))
    case .reduction(let selection, let reduction):
      try Self.encode(.reduction, selection) { reduction.encode(to: &$0) }
    case .derivation(let selection, let derivation):
      try Self.encode(.derivation, selection) { derivation.encode(to: &$0) }
    }
  }

  /// Compiles regular expressions: not for the thread of a connection.
  init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard let first = bytes.first, let kind = Kind(rawValue: first) else { throw .invalid("an unknown kind of read") }
    let rest = Array(bytes.dropFirst())
    switch kind {
    case .series: self = .series(try SelectionMessage.decode(rest))
    case .labelNames, .labelValues, .seriesNames, .metadata, .exemplars: try self.init(list: kind, rest)
    case .logs: self = .logs(try EventQuestionMessage.decode(rest))
    case .spans: self = .spans(try EventQuestionMessage.decode(rest))
    case .reduction:
      let (selection, reduction) = try Self.decode(rest) { reader throws(MalformedBytes) in
        try SeriesReduction(decoding: &reader)
      }
      self = .reduction(selection, reduction)
    case .derivation:
      let (selection, derivation) = try Self.decode(rest) { reader throws(MalformedBytes) in
        try SeriesDerivation(decoding: &reader)
      }
      self = .derivation(selection, derivation)
    case .trace:
      let (id, tenant) = try TraceMessage.decodeID(rest)
      self = .trace(id, tenant)
    case .traceSearch: self = .traceSearch(try TraceMessage.decodeSearch(rest))
    case .fieldNames, .fieldValues, .streams:
      let (signal, scope, limit, field) = try EventQuestionMessage.decodeScope(rest)
      switch kind {
      case .fieldNames: self = .fieldNames(signal, scope, limit: limit)
      case .fieldValues: self = .fieldValues(signal, field: field, scope, limit: limit)
      default: self = .streams(signal, scope, limit: limit)
      }
    }
  }

  /// A selection, and what is made of it.
  private static func encode(
    _ kind: Kind, _ selection: SeriesSelection, _ rest: (inout ByteWriter) -> Void
  ) throws(QueryError) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(kind.rawValue)
    let selected = try SelectionMessage.encode(selection)
    writer.appendVarint(UInt64(selected.count))
    writer.append(selected)
    rest(&writer)
    return writer.bytes
  }

  private static func decode<Rest>(
    _ bytes: [UInt8], _ rest: (inout ByteReader) throws(MalformedBytes) -> Rest
  ) throws(MalformedBytes) -> (SeriesSelection, Rest) {
    let (selected, rest) = try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      (Array(try reader.readPrefixed()), try rest(&reader))
    }
    return (try SelectionMessage.decode(selected), rest)
  }

  private init(list kind: Kind, _ rest: [UInt8]) throws(MalformedBytes) {
    let (scope, limit, name) = try SelectionMessage.decodeScope(rest)
    switch kind {
    case .labelNames: self = .labelNames(scope, limit: limit)
    case .labelValues: self = .labelValues(name, scope, limit: limit)
    case .seriesNames: self = .seriesNames(scope, limit: limit)
    case .metadata: self = .metadata(scope.tenant, metric: name.isEmpty ? nil : name, limit: limit)
    default:
      guard scope.selectors.count == 1 else { throw .invalid("exemplars are asked for by one selector") }
      self = .exemplars(scope.tenant, scope.selectors[0], scope.range, limit: limit)
    }
  }
}
