import NeedletailQueryLanguage
import NeedletailTelemetry

/// What an aggregation makes of the series of one selector, by itself: what is asked of whoever reduces them where they lie.
///
/// `sum by (job) (rate(m[5m]))` and the steps at which that is wanted. Nothing in it hangs on the query that it stands in.
package struct SeriesReduction: Sendable {
  /// Bytes of the aggregation's text, and of a place, at the most.
  static let textMax = 64 << 10
  static let placeMax = 64
  /// Steps at the most: what a group comes to at all of them is one record.
  static let stepsMax = 16_384

  /// The aggregation, as `Printer` puts it.
  let text: String
  /// Where the operand stands in the query, as remarks name it.
  let place: String
  let steps: Steps
  /// How far back an instant selector looks, in ms.
  let lookback: Int64
  /// Whether it counts when senders said that a count began.
  let usesStarts: Bool
  let rule: ResetHintRule
  let aggregation: Aggregation

  /// The reduction that a text says; nil where it says none, or these are no steps of a query.
  init?(
    _ text: String, place: String, steps: Steps, lookback: Int64, usesStarts: Bool, rule: ResetHintRule
  ) {
    guard text.utf8.count <= Self.textMax, place.utf8.count <= Self.placeMax,
      QueryEngine.areSteps(from: steps.start, to: steps.end, step: steps.interval), steps.count <= Self.stepsMax,
      QueryEngine.isDuration(lookback), let expression = try? Parser.parse(text),
      case .aggregation(let aggregation) = expression.node, aggregation.standsAlone
    else { return nil }
    self.text = text
    self.place = place
    self.steps = steps
    self.lookback = lookback
    self.usesStarts = usesStarts
    self.rule = rule
    self.aggregation = aggregation
  }

  /// A fold of it without rows; nil never, since the text was looked at.
  var emptyFold: GroupFold? {
    GroupFold(
      aggregation, width: steps.count, dropsNames: aggregation.expression.withoutSigns.dropsNamesOverRange)
  }
}

extension Aggregation {
  /// Whether it may be made of parts of the series, each by itself, and nothing else of a query has a say in it.
  fileprivate var standsAlone: Bool {
    let operand = expression.withoutSigns
    guard limit == nil, NumberReduction(operation, width: 0) != nil, operand.isFoldable(delaysNameRemoval: false)
    else { return false }
    switch operand.node {
    case .selector(let selector): return selector.standsAlone
    case .call(let call):
      return call.arguments.allSatisfy { argument in
        if case .selector(let selector) = argument.withoutParentheses.node { return selector.standsAlone }
        return argument.isPlainNumber
      }
    default: return false
    }
  }

  /// The same with an operand that hangs on nothing but itself.
  fileprivate func settled(_ steps: Steps) -> Aggregation {
    var result = self
    result.expression = expression.withoutSigns.settled(steps)
    return result
  }
}

extension VectorSelector {
  /// A series that several alternatives find counts once, which only shows where all of them are.
  fileprivate var standsAlone: Bool {
    guard alternatives.isEmpty, shift.offsetSyntax == nil, rangeSyntax == nil else { return false }
    switch shift.anchor {
    case .start, .end: return false
    case .time, nil: return true
    }
  }
}

extension Expression {
  /// Whether it is one number, whatever the query.
  fileprivate var isPlainNumber: Bool {
    switch node {
    case .number: true
    case .negation(let inner), .positive(let inner), .parenthesized(let inner): inner.isPlainNumber
    default: false
    }
  }

  /// Selectors with the times that `start()` and `end()` mean, and lengths as they came out.
  fileprivate func settled(_ steps: Steps) -> Expression {
    switch node {
    case .parenthesized(let inner): return inner.settled(steps)
    case .selector(var selector):
      switch selector.shift.anchor {
      case .start: selector.shift.anchor = .time(steps.start)
      case .end: selector.shift.anchor = .time(steps.end)
      case .time, nil: break
      }
      (selector.rangeSyntax, selector.shift.offsetSyntax) = (nil, nil)
      return Expression(.selector(selector), span: span)
    case .call(var call):
      call.arguments = call.arguments.map { $0.settled(steps) }
      return Expression(.call(call), span: span)
    default: return self
    }
  }
}

extension Evaluation {
  /// The reduction that an aggregation is at some steps; nil where it cannot be made of parts that know nothing of each
  /// other, or not with all that is asked of this query.
  func reduction(of node: Aggregation, _ steps: Steps) -> SeriesReduction? {
    guard !engine.features.delaysNameRemoval, options.statistics == .reading, !readsRows, node.limit == nil else {
      return nil
    }
    let operand = node.expression.withoutSigns
    var span = operand.span
    if case .call(let call) = operand.node, let argument = call.arguments.first(where: { $0.type == .range }) {
      span = argument.span
    }
    let text = Printer.print(Expression(.aggregation(node.settled(self.steps)), span: node.expression.span))
    let reduction = SeriesReduction(
      text, place: place(span), steps: steps, lookback: options.lookback,
      usesStarts: engine.features.usesStartTimestamps, rule: hintRule)
    // What would be asked is what is wanted.
    guard let reduction, Printer.print(Expression(.aggregation(reduction.aggregation), span: span)) == text else {
      return nil
    }
    return reduction
  }
}
