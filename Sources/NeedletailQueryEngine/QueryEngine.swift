import NeedletailEnvironment
import NeedletailQueryLanguage
import NeedletailTelemetry

// The engine: checks a query against the limits, evaluates it over the sources, and shapes the value. It holds no data,
// and no state between queries but what the cache keeps.

/// When and how a query is evaluated.
package struct QueryOptions: Sendable, Hashable {
  /// How far back an instant selector looks for a sample, in milliseconds.
  package var lookback: Int64
  /// The resolution of subqueries that name none, in milliseconds.
  package var subqueryResolution: Int64
  /// The most events that a query for events returns.
  package var eventLimit: Int
  /// Which events come first.
  package var eventOrder: EventOrder
  /// When the events lie that a query for events returns, in nanoseconds since 1970; nil for the range of the steps.
  package var eventTimes: Range<Int64>?
  /// Whether a range query may use steps that were worked out before.
  package var usesCache = true
  /// Whether parts that are the same are evaluated once, and sides of an operator read no more than can match.
  package var sharesWork = true
  /// What is counted of it.
  package var statistics = QueryStatistics.Detail.reading

  /// Options; the defaults are Prometheus'.
  package init(
    lookback: Int64 = 300_000, subqueryResolution: Int64 = 60_000, eventLimit: Int = 100,
    eventOrder: EventOrder = .backward, eventTimes: Range<Int64>? = nil
  ) {
    self.lookback = lookback
    self.subqueryResolution = subqueryResolution
    self.eventLimit = eventLimit
    self.eventOrder = eventOrder
    self.eventTimes = eventTimes
  }
}

/// Answers queries from the sources that it is given.
package struct QueryEngine: Sendable {
  /// Where series come from.
  package let series: any SeriesSource
  /// Where logs and spans come from; nil if there are none.
  package let events: (any EventSource)?
  /// Where queries stop.
  package let limits: QueryLimits
  /// How many tasks read a large selection at once.
  ///
  /// Answers do not depend on it, to the last bit.
  package let parallelism: Int
  /// Where finished steps of range queries are kept; nil where they are not.
  package let cache: StepCache?
  /// What the sources are known to have lost, in words: every answer may lack it, and says so.
  package let losses: [String]
  /// In what it differs from Prometheus' defaults.
  package let features: QueryFeatures
  /// What the times of statistics are taken from; nil where none are.
  package let clock: (any WallClock)?

  /// An engine over sources.
  package init(
    series: any SeriesSource, events: (any EventSource)? = nil, limits: QueryLimits = QueryLimits(),
    parallelism: Int = 1, cache: StepCache? = nil, losses: [String] = [], features: QueryFeatures = QueryFeatures(),
    clock: (any WallClock)? = nil
  ) {
    self.features = features
    self.series = series
    self.events = events
    self.limits = limits
    self.parallelism = parallelism
    self.cache = cache
    self.losses = losses
    self.clock = clock
  }

  /// Evaluates a text at one time, in milliseconds.
  ///
  /// Throws `QueryError`.
  package func instant(
    _ text: String, dialect: Parser.Dialect = .promQL, tenant: TenantID, at time: Int64,
    options: QueryOptions = QueryOptions()
  ) async throws -> QueryResult {
    try await instant(try Self.parse(text, dialect), text: text, tenant: tenant, at: time, options: options)
  }

  /// Evaluates a text at every step of a range, both ends included, in milliseconds.
  ///
  /// Throws `QueryError`.
  package func range(
    _ text: String, dialect: Parser.Dialect = .promQL, tenant: TenantID, from start: Int64, to end: Int64,
    step: Int64, options: QueryOptions = QueryOptions()
  ) async throws -> QueryResult {
    try await range(
      try Self.parse(text, dialect), text: text, tenant: tenant, from: start, to: end, step: step, options: options)
  }

  /// Evaluates a tree at one time; `text` is what remarks point into.
  package func instant(
    _ expression: Expression, text: String, tenant: TenantID, at time: Int64, options: QueryOptions = QueryOptions()
  ) async throws -> QueryResult {
    try Self.check(time)
    let expression = planned(try Self.resolved(expression, QueryTimes(step: 0, range: 0), text), options)
    let steps = Steps(start: time, end: time, interval: 1)
    return try await run(expression, tenant: tenant, text: text, steps: steps, isInstant: true, options: options) {
      try await $0.instantResult(of: expression)
    }
  }

  /// Evaluates a tree at every step of a range; `text` is what remarks point into.
  package func range(
    _ expression: Expression, text: String, tenant: TenantID, from start: Int64, to end: Int64, step: Int64,
    options: QueryOptions = QueryOptions()
  ) async throws -> QueryResult {
    try check(from: start, to: end, step: step)
    // What is kept of a query is found by its text, which does not tell these lengths.
    var options = options
    if expression.hangsOnQueryRange { options.usesCache = false }
    let expression = planned(
      try Self.resolved(expression, QueryTimes(step: step, range: end - start), text), options)
    let steps = Steps(start: start, end: end, interval: step)
    return try await run(expression, tenant: tenant, text: text, steps: steps, isInstant: false, options: options) {
      try await $0.rangeResult(of: expression)
    }
  }

  /// Throws unless these may be the steps of a query; of one at one time where there is no step.
  func check(from start: Int64, to end: Int64, step: Int64?) throws {
    try Self.check(start)
    try Self.check(end)
    guard let step else { return }
    guard step > 0 else {
      throw QueryError(.badData, "zero or negative query resolution step widths are not accepted")
    }
    guard end >= start else { throw QueryError(.badData, "end timestamp must not be before start time") }
    // As Prometheus counts: the first step is not among them.
    guard (end - start) / step <= Int64(limits.steps) else {
      throw QueryError(
        .badData,
        "exceeded maximum resolution of \(limits.steps) points per timeseries: decrease the query resolution (step)")
    }
  }

  private static func parse(_ text: String, _ dialect: Parser.Dialect) throws -> Expression {
    do {
      return try Parser.parse(text, dialect: dialect)
    } catch {
      throw QueryError(error)
    }
  }

  private static func resolved(_ expression: Expression, _ times: QueryTimes, _ text: String) throws -> Expression {
    do {
      return try expression.resolvingDurations(times, text: text)
    } catch {
      throw QueryError(error)
    }
  }

  /// The tree that is evaluated in place of one whose durations are known.
  func planned(_ expression: Expression, _ options: QueryOptions) -> Expression {
    // Names that go at the end are labels until then.
    guard options.sharesWork, !features.delaysNameRemoval else { return expression }
    return expression.propagatingMatchers()
  }

  /// The longest lookback, in milliseconds (about 31,000 years).
  private static let durationMax: Int64 = 1_000_000_000_000_000
  /// Times this far from 1970 (about 285,000 years) leave room for every offset and range.
  private static let timeMax: UInt64 = 9_000_000_000_000_000

  private static func check(_ time: Int64) throws {
    guard time.magnitude <= timeMax else { throw QueryError(.badData, "time is out of range") }
  }

  /// Whether a lookback or a resolution may be so long.
  static func isDuration(_ milliseconds: Int64) -> Bool { (1...durationMax).contains(milliseconds) }

  /// Whether these may be the steps of a query, however many they are.
  static func areSteps(from start: Int64, to end: Int64, step: Int64) -> Bool {
    start.magnitude <= timeMax && end.magnitude <= timeMax && step > 0 && start <= end
  }

  private func run(
    _ expression: Expression, tenant: TenantID, text: String, steps: Steps, isInstant: Bool, options: QueryOptions,
    _ body: (Evaluation) async throws -> QueryValue
  ) async throws -> QueryResult {
    guard Self.isDuration(options.lookback), Self.isDuration(options.subqueryResolution) else {
      throw QueryError(.badData, "lookback or resolution is out of range")
    }
    let budget = QueryBudget(limits)
    func evaluate(readsRows: Bool) async throws -> QueryResult {
      let evaluation = Evaluation(
        engine: self, tenant: tenant, text: text, steps: steps, isInstant: isInstant, options: options, budget: budget)
      evaluation.readsRows = readsRows
      if options.sharesWork, options.statistics != .perStep { evaluation.shared = SharedParts(of: expression) }
      let began = evaluation.now
      let value = try await body(evaluation)
      evaluation.statistics.evaluationNanoseconds = evaluation.now - began
      // Not before: it has no say in what is kept of this query.
      var coverage = Coverage(failures: losses)
      coverage.merge(evaluation.coverage)
      return QueryResult(
        value: value, warnings: evaluation.annotations.warnings, infos: evaluation.annotations.infos,
        coverage: coverage, statistics: evaluation.statistics)
    }
    do {
      do { return try await evaluate(readsRows: false) } catch is Evaluation.RowsNeeded {
        budget.forget(after: 0)
        return try await evaluate(readsRows: true)
      }
    } catch let error as QueryError {
      throw error
    } catch is CancellationError {
      throw QueryError(.canceled, "query was canceled")
    }
  }
}
