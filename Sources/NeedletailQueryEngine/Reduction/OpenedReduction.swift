import NeedletailQueryLanguage
import NeedletailTelemetry

/// A reduction whose series were found, and are read later.
///
/// Used by one task at a time.
package final class OpenedReduction {
  /// What a state may come to before it has to be less than what was read for it.
  private static let cellsAlways = 65_536

  private let evaluation: Evaluation
  private let opened: OpenedOperand
  private let sink: GroupSink
  private let steps: Steps

  fileprivate init(_ evaluation: Evaluation, _ opened: OpenedOperand, _ sink: GroupSink, _ steps: Steps) {
    self.evaluation = evaluation
    self.opened = opened
    self.sink = sink
    self.steps = steps
  }

  /// Reads the series and reduces them; nil where rows are wanted: these have to be there all at once, or are less.
  ///
  /// Throws `QueryError`, and `CancellationError`. To be called once.
  package func run() async throws -> ReducedSeries? {
    do {
      try await evaluation.read(opened, into: sink, steps)
    } catch is GroupFold.Unfit {
      return nil
    }
    let read = evaluation.statistics
    guard sink.fold.cellCount <= max(Self.cellsAlways, read.samplesRead) else { return nil }
    if let failure = evaluation.coverage.failures.first { throw QueryError(.unavailable, failure) }
    var result = ReducedSeries(sink.fold)
    result.seriesRead = read.seriesRead
    result.samplesRead = read.samplesRead
    result.annotations = evaluation.annotations
    return result
  }
}

extension QueryEngine {
  /// Begins to reduce what the source has of the series of a tenant: when this returns, it has been asked for them.
  ///
  /// Throws `QueryError`, and what the source throws.
  package func open(_ reduction: SeriesReduction, tenant: TenantID) async throws -> OpenedReduction {
    guard let fold = reduction.emptyFold else { throw QueryError(.internal, "the reduction is none") }
    let evaluation = evaluation(of: reduction.asked, tenant: tenant)
    let sink = GroupSink(fold, evaluation.tally(keepsRows: false))
    let (node, steps) = (reduction.aggregation, reduction.asked.steps)
    let opened = try await evaluation.open(node.expression.withoutSigns, steps, node.selectionHints, for: sink)
    return OpenedReduction(evaluation, opened, sink, steps)
  }

  /// What evaluates an expression that somebody else's query asks for.
  func evaluation(of asked: AskedExpression, tenant: TenantID) -> Evaluation {
    var features = features
    (features.delaysNameRemoval, features.usesStartTimestamps) = (false, asked.usesStarts)
    let engine = QueryEngine(series: series, limits: limits, parallelism: parallelism, features: features, clock: clock)
    let evaluation = Evaluation(
      engine: engine, tenant: tenant, text: asked.text, steps: asked.steps, isInstant: false,
      options: QueryOptions(lookback: asked.lookback), budget: QueryBudget(limits), place: asked.place)
    evaluation.hintRule = asked.rule
    return evaluation
  }
}
