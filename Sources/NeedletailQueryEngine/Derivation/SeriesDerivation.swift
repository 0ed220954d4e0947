import NeedletailQueryLanguage
import NeedletailTelemetry

/// What becomes of each series of one selector at some steps, by itself: what is asked of whoever works that out where the
/// series lie.
///
/// `rate(m[5m])`, or a selector alone. Nothing in it hangs on the query that it stands in, nor one series on another.
package struct SeriesDerivation: Sendable {
  /// What is made of a series.
  enum Operand: Sendable {
    /// What an instant selector sees of it.
    case instant(VectorSelector)
    /// What a function over ranges makes of it, of which this is the range.
    case range(Call, Expression)
  }

  let asked: AskedExpression
  let operand: Operand

  /// The derivation that an expression is; nil where it is none.
  init?(_ asked: AskedExpression) {
    switch asked.expression.node {
    case .selector(let selector):
      guard selector.standsAlone, selector.range == nil, selector.edges == nil else { return nil }
      operand = .instant(selector)
    case .call(let call):
      guard call.isDerivable, let argument = call.arguments.first(where: { $0.type == .range }) else { return nil }
      operand = .range(call, argument)
    default: return nil
    }
    self.asked = asked
  }

  /// How many steps there are: the times of what a series comes to are below it.
  package var stepCount: Int { asked.steps.count }

  /// All of it: docs/formats/read-message.md.
  package func encode(to writer: inout ByteWriter) { asked.encode(to: &writer) }

  /// Parses the text, and refuses what is no derivation.
  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard let derivation = SeriesDerivation(try AskedExpression(decoding: &reader)) else {
      throw .invalid("no function of each series by itself")
    }
    self = derivation
  }
}

/// A source that can work out what becomes of series where they lie, so that values at steps are moved in place of samples.
package protocol DerivingSource: SeriesSource {
  /// Like `select`, but of any of the series what the derivation makes of it may be told (`SeriesColumns.derived`).
  ///
  /// The selection is that of the derivation's selector. Series come in the order in which `select` tells them.
  func select(_ selection: SeriesSelection, deriving derivation: SeriesDerivation) async throws -> any SeriesCursor
}

extension Call {
  /// Whether it is a function over ranges of one selector, and nothing else.
  fileprivate var isDerivable: Bool {
    function.isOverRange && !function.isMetricsQL && !keepsNames && hasArgumentsThatStandAlone
  }
}

extension Steps {
  /// Steps closer to each other than samples mostly are, in ms: a series has more values than samples there.
  private static let closest: Int64 = 10_000

  /// Whether series may have fewer values at them than samples that are looked at, of which each step sees a range.
  fileprivate func mayBeFewerThanSamples(range: Int64) -> Bool {
    count == 1 || interval >= min(Self.closest, max(1, range))
  }
}

extension Evaluation {
  /// What a source may work out of an instant selector's series; nil where there is no such source, it would be more than
  /// the samples, or it cannot be asked for by itself.
  func derivation(of selector: VectorSelector, _ steps: Steps) -> SeriesDerivation? {
    guard mayDerive(steps, range: options.lookback) else { return nil }
    return derivation(Expression(.selector(selector), span: SourceSpan(start: 0, end: 0)), steps)
  }

  /// The same of a function over ranges.
  func derivation(of call: Call, _ argument: Expression, _ steps: Steps) -> SeriesDerivation? {
    guard case .selector(let selector) = argument.withoutParentheses.node,
      mayDerive(steps, range: selector.range ?? 0)
    else { return nil }
    // What becomes of names is for whoever has the query to see to.
    var call = call
    call.keepsNames = false
    return derivation(Expression(.call(call), span: argument.span), steps)
  }

  private func mayDerive(_ steps: Steps, range: Int64) -> Bool {
    engine.series is any DerivingSource && options.statistics == .reading
      && steps.mayBeFewerThanSamples(range: range)
  }

  private func derivation(_ expression: Expression, _ steps: Steps) -> SeriesDerivation? {
    asked(expression.settled(self.steps), remarksAt: expression.span, steps).flatMap { SeriesDerivation($0) }
  }
}
