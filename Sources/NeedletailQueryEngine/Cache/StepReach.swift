import NeedletailQueryLanguage

/// How far from a step an expression looks at samples, in milliseconds relative to it.
struct StepReach: Hashable, Sendable {
  /// Nothing before is looked at.
  var earliest: Int64
  /// Nothing after is looked at.
  var latest: Int64

  /// Of an expression whose value at a step depends on nothing but the series within reach of it; nil of any other,
  /// and of one that looks at no series at all.
  init?(_ expression: Expression, _ options: QueryOptions) {
    var reach: StepReach?
    guard Self.add(expression, options, to: &reach), let reach else { return nil }
    self = reach
  }

  private init(earliest: Int64, latest: Int64) {
    self.earliest = earliest
    self.latest = latest
  }

  /// Widens `reach` by an expression's; false where it depends on more.
  private static func add(_ expression: Expression, _ options: QueryOptions, to reach: inout StepReach?) -> Bool {
    switch expression.node {
    case .events: return false
    case .selector(let selector):
      guard selector.shift.anchor == nil else { return false }
      let offset = selector.shift.offset ?? 0
      let margins = EdgeMargins(selector.edges, lookback: options.lookback)
      let back = selector.range.map { $0 + margins.before } ?? options.lookback
      return widen(&reach, -offset, back: back) && widen(&reach, margins.after - offset, back: 0)
    case .subquery(let subquery):
      guard subquery.shift.anchor == nil else { return false }
      var inner: StepReach?
      guard add(subquery.expression, options, to: &inner) else { return false }
      guard let inner else { return true }
      let offset = subquery.shift.offset ?? 0
      return widen(&reach, inner.earliest - offset, back: subquery.range)
        && widen(&reach, inner.latest - offset, back: 0)
    case .call(let call):
      // These are about the whole query.
      if [.queryStart, .queryEnd, .queryRange, .queryStep].contains(call.function) { return false }
      if call.function.looksAtAllSteps { return false }
      // Labels that are made of the first step's numbers.
      if call.function == .quantilesOverTime || call.function == .labelGraphiteGroup { return false }
      if call.function.looksBeforeRange || call.function == .aggrOverTime {
        var inner: StepReach?
        guard call.arguments.allSatisfy({ add($0, options, to: &inner) }) else { return false }
        guard let inner else { return true }
        return widen(&reach, inner.earliest, back: options.lookback) && widen(&reach, inner.latest, back: 0)
      }
      if call.function == .info {
        guard let argument = call.arguments.first, add(argument, options, to: &reach) else { return false }
        let shift = argument.firstShift ?? TimeShift()
        return shift.anchor == nil && widen(&reach, -(shift.offset ?? 0), back: options.lookback)
      }
    case .aggregation(let aggregation):
      if aggregation.limit != nil || aggregation.operation.looksAtAllSteps { return false }
      switch aggregation.operation {
      // Which series these pick hangs on which others there are at other steps.
      case .limitk, .limitRatio: return false
      // Labels that are made of the first step's numbers.
      case .quantiles: return false
      // Ties, and the last bits of sums, hang on the order of rows.
      case .topk, .bottomk, .sum, .avg, .stddev, .stdvar, .geomean, .share, .sum2, .zscore:
        if !aggregation.expression.hasStableRows { return false }
      default: break
      }
    // They tell series that are missing everywhere from those that have gaps, and one series from several.
    case .binary(let binary) where binary.operation.isConditional: return false
    default: break
    }
    return expression.children.allSatisfy { add($0, options, to: &reach) }
  }

  /// Offsets, ranges and lookbacks are bounded by the parser and the engine, so that sums of some do not overflow; of
  /// too many levels nothing is told.
  private static func widen(_ reach: inout StepReach?, _ latest: Int64, back: Int64) -> Bool {
    let (earliest, overflow) = latest.subtractingReportingOverflow(back)
    guard !overflow, earliest.magnitude < 1 << 60, latest.magnitude < 1 << 60 else { return false }
    reach = StepReach(
      earliest: min(reach?.earliest ?? earliest, earliest), latest: max(reach?.latest ?? latest, latest))
    return true
  }

  /// The times that some steps look at.
  func times(_ steps: Steps) -> ClosedRange<Int64> { (steps.start + earliest)...(steps.end + latest) }
}
