import NeedletailQueryLanguage

/// The parts of a query that stand in it more than once, and what came of those that were evaluated: the next one of the
/// same takes that.
///
/// A part whose evaluation had something to remark is evaluated again, because remarks tell their places.
struct SharedParts {
  private struct Key: Hashable {
    var text: String
    var steps: Steps
    var hints: SelectionHints
    var rule: ResetHintRule
  }

  /// Beyond so many cells a grid is not kept for a second use: memory is worth more than time then.
  private static let cellsMax = 4_000_000

  /// The text of each part that stands somewhere else too, by its place.
  private let texts: [SourceSpan: String]
  private var grids: [Key: VectorGrid] = [:]
  private var cells = 0

  /// No parts.
  init() { texts = [:] }

  /// The parts of an expression.
  ///
  /// O(nodes times length of the text).
  init(of expression: Expression) {
    var reads = 0
    expression.walk { if case .selector = $0.node { reads += 1 } }
    guard reads > 1, PrometheusPrinter.canPrint(expression) else {
      texts = [:]
      return
    }
    var places: [String: Set<SourceSpan>] = [:]
    var told: [SourceSpan: String] = [:]
    // Templates put different things into the same place.
    var unclear: Set<SourceSpan> = []
    expression.walk { part in
      guard part.isWorthSharing else { return }
      let text = Printer.print(part)
      if let other = told.updateValue(text, forKey: part.span), other != text { unclear.insert(part.span) }
      places[text, default: []].insert(part.span)
    }
    texts = told.filter { place, text in !unclear.contains(place) && (places[text]?.count ?? 0) > 1 }
  }

  var isEmpty: Bool { texts.isEmpty }

  private func key(_ part: Expression, _ steps: Steps, _ hints: SelectionHints, _ rule: ResetHintRule) -> Key? {
    guard part.isWorthSharing, let text = texts[part.span] else { return nil }
    // Only a selector is told all of the hints, and a call which labels are needed.
    switch part.node {
    case .selector: return Key(text: text, steps: steps, hints: hints, rule: rule)
    case .call: return Key(text: text, steps: steps, hints: SelectionHints(labels: hints.labels), rule: rule)
    default: return Key(text: text, steps: steps, hints: SelectionHints(), rule: rule)
    }
  }

  /// Whether what comes of a part is kept, or was.
  func concerns(_ part: Expression, _ steps: Steps, _ hints: SelectionHints, _ rule: ResetHintRule) -> Bool {
    !isEmpty && key(part, steps, hints, rule) != nil
  }

  /// What came of the same part before; nil where it was not evaluated yet.
  func grid(
    of part: Expression, _ steps: Steps, _ hints: SelectionHints, _ rule: ResetHintRule
  ) -> VectorGrid? {
    key(part, steps, hints, rule).flatMap { grids[$0] }
  }

  /// Keeps what came of a part, if the same stands somewhere else.
  mutating func keep(
    _ grid: VectorGrid, of part: Expression, _ steps: Steps, _ hints: SelectionHints, _ rule: ResetHintRule
  ) {
    guard let key = key(part, steps, hints, rule) else { return }
    let (size, overflow) = grid.count.multipliedReportingOverflow(by: max(1, steps.count))
    guard !overflow, size <= Self.cellsMax - cells else { return }
    cells += size
    grids[key] = grid
  }
}

extension Expression {
  /// Whether it reads or works out enough for that to be spared.
  fileprivate var isWorthSharing: Bool {
    guard type == .vector else { return false }
    switch node {
    case .selector, .call, .aggregation: return true
    case .binary: return true
    case .number, .string, .events, .subquery, .negation, .positive, .parenthesized: return false
    }
  }
}
