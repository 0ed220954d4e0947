import NeedletailTerminal

/// What a search tells of a trace.
package struct TraceSummary: Equatable, Sendable {
  package var id: String
  package var rootService: String
  package var rootName: String
  /// Unix nanoseconds.
  package var start: Int64
  package var duration: Int64
  /// Spans that failed.
  package var errorCount: Int
  /// The service whose span failed first of all that called no failed span, and that span's name; empty where none did.
  package var failedService: String
  package var failedName: String

  package init(
    id: String, rootService: String, rootName: String, start: Int64, duration: Int64, errorCount: Int = 0,
    failedService: String = "", failedName: String = ""
  ) {
    self.id = id
    self.rootService = rootService
    self.rootName = rootName
    self.start = start
    self.duration = duration
    self.errorCount = errorCount
    self.failedService = failedService
    self.failedName = failedName
  }
}

package struct TraceSpan: Equatable, Sendable {
  package var id: String
  /// Empty for a root.
  package var parent: String
  package var service: String
  package var name: String
  /// Unix nanoseconds.
  package var start: Int64
  package var end: Int64
  package var isError: Bool
  package var message: String
  package var attributes: [(name: String, value: String)]

  package init(
    id: String, parent: String, service: String, name: String, start: Int64, end: Int64, isError: Bool = false,
    message: String = "", attributes: [(name: String, value: String)] = []
  ) {
    self.id = id
    self.parent = parent
    self.service = service
    self.name = name
    self.start = start
    self.end = end
    self.isError = isError
    self.message = message
    self.attributes = attributes
  }

  package static func == (left: TraceSpan, right: TraceSpan) -> Bool {
    left.id == right.id && left.parent == right.parent && left.service == right.service && left.name == right.name
      && left.start == right.start && left.end == right.end && left.isError == right.isError
      && left.message == right.message && left.attributes.elementsEqual(right.attributes) { $0 == $1 }
  }
}

/// A trace: its spans in any order.
package struct Trace: Equatable, Sendable {
  package var id: String
  package var spans: [TraceSpan]

  package init(id: String, spans: [TraceSpan]) {
    self.id = id
    self.spans = spans
  }

  package var start: Int64 { spans.map(\.start).min() ?? 0 }
  package var end: Int64 { spans.map(\.end).max() ?? 0 }
  /// Nanoseconds from the first start to the last end.
  package var duration: Int64 {
    let (difference, overflow) = end.subtractingReportingOverflow(start)
    return overflow ? .max : max(0, difference)
  }
  package var isError: Bool { spans.contains(where: \.isError) }
  /// `1 span`, `7 spans`.
  package var spanCount: String { spans.count == 1 ? "1 span" : "\(spans.count) spans" }

  /// The spans as a tree, parents before their children, children by start; spans whose parent is missing are roots,
  /// and so is one span of a cycle, so that none is ever lost.
  ///
  /// O(n log n).
  package var tree: [(depth: Int, span: TraceSpan)] {
    let ids = Set(spans.map(\.id))
    let ordered = spans.indices.sorted { (spans[$0].start, $0) < (spans[$1].start, $1) }
    var children: [String: [Int]] = [:]
    var roots: [Int] = []
    for index in ordered {
      let span = spans[index]
      if span.parent.isEmpty || span.parent == span.id || !ids.contains(span.parent) {
        roots.append(index)
      } else {
        children[span.parent, default: []].append(index)
      }
    }
    var seen = Set<Int>()
    var result: [(depth: Int, span: TraceSpan)] = []
    for root in roots + ordered where !seen.contains(root) {
      var stack = [(index: root, depth: 0)]
      while let (index, depth) = stack.popLast() {
        guard seen.insert(index).inserted else { continue }
        result.append((depth, spans[index]))
        stack += (children[spans[index].id] ?? []).reversed().map { ($0, depth + 1) }
      }
    }
    return result
  }

  /// The trace as a waterfall; services get their colours in the order in which they appear.
  ///
  /// With `isWhole` no name is cut, however long.
  package func waterfall(selection: Int? = nil, isWhole: Bool = false) -> Waterfall {
    var colors: [String: Color] = [:]
    let start = start
    let rows = tree.map { depth, span in
      let color = colors[span.service] ?? .ofSeries(colors.count)
      colors[span.service] = color
      return Waterfall.Row(
        depth: depth, service: TerminalText(span.service, limit: isWhole ? .max : 80),
        name: TerminalText(span.name, limit: isWhole ? .max : 200),
        start: span.start &- start, duration: max(0, span.end &- span.start), isError: span.isError, color: color)
    }
    return Waterfall(rows: rows, duration: duration, selection: selection)
  }
}
