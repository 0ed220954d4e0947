import NeedletailEnvironment
import NeedletailQueryLanguage
import NeedletailTelemetry

/// How a query would be carried out: what is evaluated, and what is read for it.
package struct QueryPlan: Sendable, Hashable {
  /// A part of the expression; parentheses, plus signs and literals are none of their own.
  package struct Node: Sendable, Hashable {
    /// How many parts it stands within.
    package var depth: Int
    /// What it does, as the query spells it.
    package var text: String
    /// Which of `reads` it takes its samples from; nil of what is worked out.
    package var read: Int?
  }

  /// A selection that the sources are asked for.
  package struct Read: Sendable, Hashable {
    /// All conditions, as the query spells them.
    package var matchers: [String]
    /// The first and the last time of samples that are read, in ms.
    package var range: TimeRange
    /// How far each step looks back, in ms.
    package var reach: Int64
    /// The function or aggregation around it that the source is told of.
    package var function: String?
    /// The only labels that are read; nil for all.
    package var labels: [String]?
    /// How many tasks read it at once, where it finds enough series for that to pay.
    package var tasksMax: Int
  }

  /// Whether steps that were finished before are made use of.
  package enum Cache: String, Sendable, Hashable {
    case used
    /// The client asked for none, or there is none.
    case off
    /// There is one step, or none of which anything is kept.
    case oneStep = "one step"
    /// A step's value hangs on more than the samples within its reach.
    case dependent = "steps depend on each other"
  }

  /// The expression as it is evaluated, lengths of time worked out.
  package var expression: String
  package var type: ValueType
  /// The first step, the last one and their distance, in ms.
  package var start: Int64
  package var end: Int64
  package var interval: Int64
  package var stepCount: Int
  /// Parents first.
  package var nodes: [Node] = []
  /// In the order in which they are begun.
  package var reads: [Read] = []
  package var cache: Cache
}

extension QueryEngine {
  /// The plan of a query at one time (`step` nil) or at every step of a range, in ms.
  ///
  /// Found by evaluating it over nothing: what it asks for is what it would ask for. Sees no data. A selection that is
  /// only made where another one found something is not among the reads.
  package func plan(
    _ expression: Expression, text: String, tenant: TenantID, from start: Int64, to end: Int64, step: Int64?,
    options: QueryOptions = QueryOptions()
  ) async throws -> QueryPlan {
    try check(from: start, to: end, step: step)
    guard PrometheusPrinter.canPrint(expression) else { throw QueryError.tooLargeToPrint }
    let source = RecordingSource()
    let engine = QueryEngine(series: source, limits: limits)
    var readsEvents = false
    expression.walk { if case .events = $0.node { readsEvents = true } }
    if !readsEvents {
      if let step {
        _ = try await engine.range(
          expression, text: text, tenant: tenant, from: start, to: end, step: step, options: options)
      } else {
        _ = try await engine.instant(expression, text: text, tenant: tenant, at: start, options: options)
      }
    }
    let resolved: Expression
    do {
      let times = QueryTimes(step: step ?? 0, range: step == nil ? 0 : end - start)
      resolved = planned(try expression.resolvingDurations(times, text: text), options)
    } catch { throw QueryError(error) }
    let steps = Steps(start: start, end: step == nil ? start : end, interval: max(1, step ?? 1))
    var plan = QueryPlan(
      expression: Printer.print(resolved), type: resolved.type, start: steps.start, end: steps.end,
      interval: step ?? 0, stepCount: steps.count, cache: cacheUse(resolved, steps, options))
    plan.reads = source.selections.map { QueryPlan.Read($0, tasksMax: parallelism, options) }
    plan.add(resolved, PrometheusPrinter(text), depth: 0)
    return plan
  }

  private func cacheUse(_ expression: Expression, _ steps: Steps, _ options: QueryOptions) -> QueryPlan.Cache {
    guard cache != nil, series.changeMark != nil, options.usesCache, options.statistics != .perStep else { return .off }
    guard steps.count > 1, expression.type == .vector else { return .oneStep }
    return StepReach(expression, options) == nil || expression.hangsOnQueryRange ? .dependent : .used
  }
}

extension QueryError {
  /// Of a query that templates made so large that printing it would take long.
  package static let tooLargeToPrint = QueryError(.badData, "the query is too large to be printed")
}

extension QueryPlan.Read {
  fileprivate init(_ selection: SeriesSelection, tasksMax: Int, _ options: QueryOptions) {
    self.init(
      matchers: selection.matchers.map(\.description), range: selection.range,
      reach: selection.hints.range == 0 ? options.lookback : selection.hints.range,
      function: selection.hints.function, labels: selection.hints.labels, tasksMax: max(1, tasksMax))
  }
}

extension QueryPlan {
  /// Adds a part and all below it.
  fileprivate mutating func add(_ expression: Expression, _ printer: PrometheusPrinter, depth: Int) {
    var node = Node(depth: depth, text: printer.line(expression), read: nil)
    switch expression.node {
    case .parenthesized(let inner), .positive(let inner): return add(inner, printer, depth: depth)
    case .number, .string:
      if depth == 0 { nodes.append(node) }
      return
    case .selector(let selector):
      let matchers = selector.allMatchers(span: expression.span)
        .map { "\($0.name)\($0.operation.rawValue)\"\($0.value)\"" }
      let taken = Set(nodes.compactMap(\.read))
      let same = reads.indices.filter { reads[$0].matchers == matchers }
      // A part that stands in the query twice is read once.
      node.read = same.first { !taken.contains($0) } ?? same.first
    case .aggregation(let aggregation):
      node.text = printer.head(aggregation).trimmingSpaceAtEnd + parameter(aggregation.parameter, printer)
    case .binary(let binary): node.text = printer.operation(binary)
    case .negation(let inner):
      if case .number = inner.node, depth > 0 { return }
      node.text = "-"
    case .subquery(let subquery):
      let resolution = subquery.resolution.map { NumberSpelling.spell(milliseconds: $0) } ?? ""
      node.text = "[\(NumberSpelling.spell(milliseconds: subquery.range)):\(resolution)]"
    case .call(let call):
      node.text = call.function.rawValue + literals(call.arguments, printer)
    default: break
    }
    nodes.append(node)
    for child in expression.children { add(child, printer, depth: depth + 1) }
  }

  private func parameter(_ parameter: Expression?, _ printer: PrometheusPrinter) -> String {
    parameter.map { literals([$0], printer) } ?? ""
  }

  /// The numbers and texts among arguments, which have no line of their own.
  private func literals(_ arguments: [Expression], _ printer: PrometheusPrinter) -> String {
    let texts = arguments.compactMap { argument -> String? in
      switch argument.withoutParentheses.node {
      case .number, .string: printer.line(argument)
      case .negation(let inner):
        if case .number = inner.node { printer.line(argument) } else { nil }
      default: nil
      }
    }
    return texts.isEmpty ? "" : " " + texts.joined(separator: ", ")
  }
}

extension String {
  fileprivate var trimmingSpaceAtEnd: String { hasSuffix(" ") ? String(dropLast()) : self }
}

/// A source that has nothing and remembers what it was asked for.
private final class RecordingSource: SeriesSource {
  private final class Cursor: SeriesCursor {
    var coverage: Coverage { .complete }
    func next() async throws -> SeriesColumns? { nil }
  }

  private let asked = Lock<[SeriesSelection]>([])

  var selections: [SeriesSelection] { asked.withLock { $0 } }

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor {
    asked.withLock { $0.append(selection) }
    return Cursor()
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> { Listing([]) }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> { Listing([]) }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> { Listing([]) }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] { [] }
}
