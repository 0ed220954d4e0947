import NeedletailQueryLanguage
import NeedletailTelemetry

/// What an aggregation makes of the series of one selector, by itself: what is asked of whoever reduces them where they lie.
///
/// `sum by (job) (rate(m[5m]))` and the steps at which that is wanted. Nothing in it hangs on the query that it stands in.
package struct SeriesReduction: Sendable {
  let asked: AskedExpression
  let aggregation: Aggregation

  /// The reduction that an expression is; nil where it is none.
  init?(_ asked: AskedExpression) {
    guard case .aggregation(let aggregation) = asked.expression.node, aggregation.standsAlone else { return nil }
    self.asked = asked
    self.aggregation = aggregation
  }

  /// A fold of it without rows; nil never, since the text was looked at.
  var emptyFold: GroupFold? {
    GroupFold(
      aggregation, width: asked.steps.count, dropsNames: aggregation.expression.withoutSigns.dropsNamesOverRange)
  }

  /// All of it: docs/formats/read-message.md.
  package func encode(to writer: inout ByteWriter) { asked.encode(to: &writer) }

  /// Parses the text, and refuses what is no reduction.
  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard let reduction = SeriesReduction(try AskedExpression(decoding: &reader)) else {
      throw .invalid("an aggregation that is not made of parts")
    }
    self = reduction
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
    case .call(let call): return call.hasArgumentsThatStandAlone
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
    let settled = Expression(.aggregation(node.settled(self.steps)), span: node.expression.span)
    return asked(settled, remarksAt: span, steps).flatMap { SeriesReduction($0) }
  }
}
