import NeedletailTelemetry

/// A query's conditions, prepared: what a stream decides is asked once per stream, the rest of each row, the cheapest
/// first.
struct RowFilter {
  let query: EventQuery
  private let labels: [RowLabel]
  private let isSpans: Bool
  private let bodyProbes: [[TokenProbe]]
  /// For matchers `attribute="value"`: what a block must hold in its token filter.
  private let attributeProbes: [(matcher: Int, probe: TokenProbe)]
  /// The one trace that the rows must be of, where the matchers say so.
  let traceID: TraceID?
  /// Groups of columns that `matches` looks at, beside the times.
  let columns: Set<ColumnGroup>

  init(_ query: EventQuery, isSpans: Bool) {
    self.query = query
    self.isSpans = isSpans
    labels = query.matchers.map { RowLabel($0.name, isSpans: isSpans) }
    bodyProbes = query.bodyFilters.filter { $0.operation == .contains }
      .map { $0.texts.map { TokenProbe(substring: $0) } }
    var attributeProbes: [(Int, TokenProbe)] = []
    var traceID: TraceID?
    var columns: Set<ColumnGroup> = query.bodyFilters.isEmpty ? [] : [.bodies]
    for (index, matcher) in query.matchers.enumerated() {
      let isEquality = matcher.operation == .equal && !matcher.value.isEmpty
      if isEquality, labels[index].isAttribute { attributeProbes.append((index, TokenProbe(whole: matcher.value))) }
      // Only the canonical text can equal a row's label, so anything else is left to the comparison, which fails.
      if isEquality, labels[index] == .traceID, let id = TraceID(hexadecimal: matcher.value), id.isValid {
        traceID = id
      }
      columns.formUnion(labels[index].columns)
    }
    self.attributeProbes = attributeProbes
    self.traceID = traceID
    self.columns = columns
  }

  /// The matchers that each row of the stream must still be asked, by index; nil where none of its rows can match.
  func rest(of stream: StreamEntry) -> [Int]? {
    guard stream.tenant == query.tenant else { return nil }
    var rest: [Int] = []
    for (index, matcher) in query.matchers.enumerated() {
      if labels[index].isAttribute, let value = stream.value(matcher.name) {
        guard matcher.matches(value) else { return nil }
      } else {
        rest.append(index)
      }
    }
    return rest
  }

  /// Whether a block may hold a matching row, judged by the levels in it.
  func mayMatch(levels: [String]) -> Bool {
    for (index, matcher) in query.matchers.enumerated() where labels[index] == .level {
      guard levels.contains(where: { matcher.matches($0) }) else { return false }
    }
    return true
  }

  var asksLevel: Bool { labels.contains(.level) }
  var asksTokens: Bool { !bodyProbes.isEmpty || !attributeProbes.isEmpty }

  /// Whether a block may hold a matching row, judged by its token filter.
  ///
  /// `rests` are those of the block's streams that may match.
  func mayMatch(_ filter: TokenFilter, rests: [[Int]]) -> Bool {
    for alternatives in bodyProbes where !alternatives.contains(where: { filter.mayContain($0) }) { return false }
    for (matcher, probe) in attributeProbes where rests.allSatisfy({ $0.contains(matcher) }) {
      guard filter.mayContain(probe) else { return false }
    }
    return true
  }

  func matches(_ row: EventRow, _ stream: StreamEntry, rest: [Int]) -> Bool {
    guard query.range.contains(row.time) else { return false }
    if let duration = query.duration, !duration.contains(row.duration) { return false }
    for index in rest {
      let matcher = query.matchers[index]
      guard labels[index].withValue(row, stream, { matcher.matches($0) }) else { return false }
    }
    // The closures capture this list alone: capturing the filter would copy all of it for every row.
    let bodyFilters = query.bodyFilters
    guard !bodyFilters.isEmpty else { return true }
    guard !row.body.isEmpty else {
      let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
      return bodyFilters.allSatisfy { $0.passes(nothing) }
    }
    return EncodedValue(bytes: row.body).withText { text in bodyFilters.allSatisfy { $0.passes(text) } }
  }
}

extension RowLabel {
  /// Groups of columns that the label's value is read from.
  var columns: Set<ColumnGroup> {
    switch self {
    case .level: [.context, .names, .attributes]
    case .severityText, .statusMessage, .name: [.names]
    case .traceID, .spanID, .parentSpanID: [.traces]
    case .kind, .status: [.context]
    case .attribute: [.attributes]
    }
  }
}
