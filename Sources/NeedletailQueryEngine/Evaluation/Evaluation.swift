import NeedletailQueryLanguage
import NeedletailTelemetry

// One evaluation of one query. It is used by one task from beginning to end; tasks that read shares of a selection for it
// have evaluations of their own, over the same budget. It counts what is read and computed, and looks at the clock and for
// cancellation whenever a chunk arrives or a node has been evaluated.

/// The state of a query while it is evaluated.
final class Evaluation {
  let engine: QueryEngine
  let tenant: TenantID
  let text: String
  /// The steps of the whole query; what `start()` and `end()` mean.
  let steps: Steps
  let isInstant: Bool
  let options: QueryOptions
  let budget: QueryBudget
  var annotations = Annotations()
  var coverage = Coverage.complete
  var statistics = QueryStatistics()
  /// What parts of the query came to that stand in it more than once.
  var shared = SharedParts()
  /// What histograms that are read are told of resets before them.
  var hintRule = ResetHintRule.notReset
  /// The place that remarks name; nil for where it is in the text.
  let givenPlace: String?
  /// Whether sources that reduce series themselves are asked for rows all the same.
  var readsRows = false
  /// Whether something of it was reduced by sources.
  var usesParts = false

  init(
    engine: QueryEngine, tenant: TenantID, text: String, steps: Steps, isInstant: Bool, options: QueryOptions,
    budget: QueryBudget, place: String? = nil
  ) {
    givenPlace = place
    self.engine = engine
    self.tenant = tenant
    self.text = text
    self.steps = steps
    self.isInstant = isInstant
    self.options = options
    self.budget = budget
    if options.statistics == .perStep {
      statistics.queryableSamplesOfSteps = [Int](repeating: 0, count: steps.count)
    }
  }

  // MARK: Statistics

  /// Monotonic nanoseconds; 0 unless times are asked for.
  var now: Int64 {
    guard options.statistics != .reading, let clock = engine.clock else { return 0 }
    return clock.monotonicNanoseconds()
  }

  /// Whether to count what some steps look at: those of the query itself, not of a subquery.
  func counts(_ steps: Steps) -> Bool { options.statistics != .reading && steps == self.steps }

  // MARK: Parts that others reduced

  /// What was reduced by sources comes in another order than the rows would, which decides here: all is done over.
  struct RowsNeeded: Error {}

  /// Throws `RowsNeeded` where rows may be in another order than those of series that were read here.
  func expectOrder() throws { if usesParts { throw RowsNeeded() } }

  // MARK: Limits and remarks

  /// Counts samples, and stops the query if that was too many, if time is up, or if nobody waits any more.
  func spend(_ samples: Int) throws { try budget.spend(samples) }

  /// Fails unless a grid of this many rows may be made.
  func reserve(rows: Int, _ steps: Steps) throws {
    let (cells, overflow) = rows.multipliedReportingOverflow(by: max(1, steps.count))
    guard !overflow, cells <= engine.limits.samples else { throw budget.tooManySamples }
  }

  /// A count of what one selection finds; rows that are reduced as they come are not kept.
  func tally(keepsRows: Bool = true) -> SelectionTally { SelectionTally(engine.limits, budget, keepsRows: keepsRows) }

  func warn(_ message: String, at span: SourceSpan) {
    annotations.warn("PromQL warning: \(message) \(place(span))")
  }

  func inform(_ message: String, at span: SourceSpan) {
    annotations.inform("PromQL info: \(message) \(place(span))")
  }

  func place(_ span: SourceSpan) -> String {
    if let givenPlace { return givenPlace }
    let location = SourceLocation(offset: span.start, in: text)
    return "(\(location.line):\(location.column))"
  }

  func unsupported(_ what: String, at span: SourceSpan) -> QueryError {
    QueryError(.badData, "not supported yet: \(what) \(place(span))")
  }

  // MARK: Evaluation

  /// A number at each step.
  func scalar(_ expression: Expression, _ steps: Steps) async throws -> [Double] {
    try await numbers(expression, steps).spread(over: steps.count)
  }

  private func numbers(_ expression: Expression, _ steps: Steps) async throws -> StepNumbers {
    switch expression.node {
    case .number(let literal): return .same(literal.value)
    case .parenthesized(let inner), .positive(let inner): return try await numbers(inner, steps)
    case .negation(let inner): return try await numbers(inner, steps).map { -$0 }
    case .binary(let binary):
      let left = try await numbers(binary.left, steps)
      return left.combined(with: try await numbers(binary.right, steps)) { binary.operation.compute($0, $1) }
    case .call(let call): return try await numbers(call, steps)
    default: throw QueryError(.internal, "expression is not a scalar")
    }
  }

  private func numbers(_ call: Call, _ steps: Steps) async throws -> StepNumbers {
    switch call.function {
    case .time: return .each((0..<steps.count).map { Double(steps.time($0)) / 1000 })
    case .scalar: return .each(try await scalarOfVector(call.arguments[0], steps))
    case .maxOf, .minOf:
      let left = try await numbers(call.arguments[0], steps)
      let right = try await numbers(call.arguments[1], steps)
      let takesGreater = call.function == .maxOf
      return left.combined(with: right) { takesGreater ? Self.greater($0, $1) : Self.less($0, $1) }
    case .pi: return .same(.pi)
    // These are about the whole query, also within a subquery.
    case .queryStep: return .same(isInstant ? 0 : Double(self.steps.interval) / 1000)
    case .queryRange: return .same(Double(self.steps.end - self.steps.start) / 1000)
    case .queryStart: return .same(Double(self.steps.start) / 1000)
    case .queryEnd: return .same(Double(self.steps.end) / 1000)
    case .rand, .randNormal, .randExponential: return .each(try await chances(call, steps))
    default: throw QueryError(.internal, "function is not a scalar")
    }
  }

  private func scalarOfVector(_ argument: Expression, _ steps: Steps) async throws -> [Double] {
    let grid = try await vector(argument, steps)
    return (0..<steps.count).map { step in
      var found: Double?
      for row in 0..<grid.count {
        guard let value = grid.number(row, step) else { continue }
        guard found == nil else { return .nan }
        found = value
      }
      return found ?? .nan
    }
  }

  /// A text, the same at each step.
  func string(_ expression: Expression) throws -> String {
    guard case .string(let text) = expression.withoutParentheses.node else {
      throw QueryError(.internal, "expression is not a string")
    }
    return text
  }

  /// Takes the metric's name from the labels of all rows: now, or at the end of the query where that is wanted.
  func dropNames(of grid: inout VectorGrid) throws {
    if engine.features.delaysNameRemoval { grid.loseNames() } else { try grid.relabel { $0.withoutName } }
  }

  /// What `vector` gives, without the names that were to go at the end.
  func finishedVector(_ expression: Expression, _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(expression, steps)
    try grid.removeLostNames()
    return grid
  }

  /// At most one sample per series at each step.
  func vector(_ expression: Expression, _ steps: Steps, hints: SelectionHints = SelectionHints()) async throws
    -> VectorGrid
  {
    guard !shared.isEmpty else { return try await freshVector(expression, steps, hints) }
    if let known = shared.grid(of: expression, steps, hints, hintRule) {
      statistics.hold(grid: known.count * steps.count)
      try spend(known.count * steps.count)
      return known
    }
    let remarks = annotations.count
    let grid = try await freshVector(expression, steps, hints)
    if annotations.count == remarks { shared.keep(grid, of: expression, steps, hints, hintRule) }
    return grid
  }

  private func freshVector(
    _ expression: Expression, _ steps: Steps, _ hints: SelectionHints
  ) async throws -> VectorGrid {
    let grid: VectorGrid
    switch expression.node {
    case .selector(let selector):
      grid = try await instantSelector(selector, span: expression.span, steps, hints: hints, yields: .sample)
    case .parenthesized(let inner), .positive(let inner): return try await vector(inner, steps, hints: hints)
    case .negation(let inner):
      var inner = try await vector(inner, steps)
      inner.mapOnlyNumbers { -$0 }
      inner.mapHistograms { $0.scaled(by: -1) }
      try dropNames(of: &inner)
      grid = inner
    case .call(let call): grid = try await self.call(call, span: expression.span, steps, labels: hints.labels)
    case .aggregation(let aggregation): grid = try await aggregate(aggregation, steps)
    case .binary(let binary): grid = try await self.binary(binary, span: expression.span, steps)
    default: throw QueryError(.internal, "expression is not an instant vector")
    }
    statistics.hold(grid: grid.count * steps.count)
    try spend(grid.count * steps.count)
    return grid
  }
}
