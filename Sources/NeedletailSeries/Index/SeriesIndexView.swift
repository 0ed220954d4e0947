import NeedletailTelemetry

/// An inverted index of one tenant's series, in a head or in a part: label name -> value -> series.
///
/// Used as a generic constraint, never as an existential.
protocol SeriesIndexView {
  /// Series are numbered below this; other tenants' numbers may lie between.
  var universe: Int { get }
  /// Adds all series of the tenant.
  func insertAll(into set: inout SeriesBitmap)
  /// Calls `body` with every name.
  func forEachName(_ body: (_ name: UnsafeRawBufferPointer) -> Void)
  /// Calls `body` with every value of a name and the value's number.
  func forEachValue(of name: String, _ body: (_ value: UnsafeRawBufferPointer, _ number: Int) -> Void)
  /// The number of one value of a name.
  func number(of value: String, name: String) -> Int?
  /// Adds the series that have a value.
  func insertSeries(withValue number: Int, into set: inout SeriesBitmap)

  // What follows has an answer that is right for any index; one that knows better is faster.

  /// Calls `body` with the values of a name that begin with a text; it may be called with others too.
  func forEachValue(
    of name: String, from prefix: [UInt8], _ body: (_ value: UnsafeRawBufferPointer, _ number: Int) -> Void)
  /// Adds the series that have one of some values.
  func insertSeries(withValues numbers: [Int], into set: inout SeriesBitmap)
  /// How many series have a value, where that is known at once.
  func memberCount(ofValue number: Int) -> Int?
  /// How many values a name has, where that is known at once.
  func valueCount(of name: String) -> Int?
  /// Whether a series has one of some values; nil where the index cannot be asked that way.
  func hasValue(_ numbers: [Int], series: Int) -> Bool?
  /// What `body` says of a series' value of a name (nil: it has none); nil where the index cannot be asked that way.
  func withValue(of name: String, series: Int, _ body: (UnsafeRawBufferPointer?) -> Bool) -> Bool?
}

extension SeriesIndexView {
  func forEachValue(of name: String, from prefix: [UInt8], _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    forEachValue(of: name, body)
  }

  func insertSeries(withValues numbers: [Int], into set: inout SeriesBitmap) {
    for number in numbers { insertSeries(withValue: number, into: &set) }
  }

  func memberCount(ofValue number: Int) -> Int? { nil }

  func valueCount(of name: String) -> Int? { nil }

  func hasValue(_ numbers: [Int], series: Int) -> Bool? { nil }

  func withValue(of name: String, series: Int, _ body: (UnsafeRawBufferPointer?) -> Bool) -> Bool? { nil }

  /// The series that satisfy all matchers.
  ///
  /// Matchers that name their values come first, and among them the one that the fewest series satisfy; so an expression is only
  /// run where these have left something, once for every distinct value of its label or, where fewer, for every
  /// series left.
  func select(_ matchers: [LabelMatcher]) -> SeriesBitmap {
    var plans = matchers.map { MatcherPlan($0, self) }
    plans = RowSort.order(plans.count) { plans[$0].cost < plans[$1].cost }.map { plans[$0] }
    var result = SeriesBitmap(universe: universe)
    var isAll = true
    for plan in plans {
      if isAll, !plan.acceptsMissing {
        plan.insertDeviating(into: &result, self)
      } else {
        if isAll { insertAll(into: &result) }
        plan.narrow(&result, self)
      }
      isAll = false
      if result.isEmpty { return result }
    }
    if isAll { insertAll(into: &result) }
    return result
  }
}

/// How a matcher is looked up in one index.
///
/// What matters are the values that decide otherwise than a missing label would: the series that have them are what is
/// found, or what is taken away.
private struct MatcherPlan {
  private enum Source {
    /// Just these values.
    case values([Int])
    /// Those of the values with one of these beginnings that satisfy the matcher otherwise than a missing label does.
    case prefixes([[UInt8]])
    case all
  }

  let acceptsMissing: Bool
  /// How many series or values it takes to look at; only the order matters.
  let cost: Int
  private let matcher: LabelMatcher
  private let source: Source
  /// Fewer series than this are asked for their value one by one.
  private let steps: Int

  init(_ matcher: LabelMatcher, _ view: some SeriesIndexView) {
    self.matcher = matcher
    acceptsMissing = matcher.matchesEmpty
    if let values = matcher.deviatingValues {
      let numbers = values.compactMap { view.number(of: $0, name: matcher.name) }
      source = .values(numbers)
      let members = numbers.reduce(0) { $0 + min(view.memberCount(ofValue: $1) ?? 1, 1 << 32) }
      cost = acceptsMissing ? 1 << 40 + members : members
      // To add a member to a set is about as much as to look at the numbers of a series' values.
      steps = numbers.count <= 2 ? members / 2 : members / 16
    } else {
      let prefixes = matcher.deviatingPrefixes
      source = prefixes.map { .prefixes($0) } ?? .all
      let values = view.valueCount(of: matcher.name) ?? 1 << 32
      cost = (acceptsMissing ? 3 << 40 : 2 << 40) + values
      steps = view.valueCount(of: matcher.name).map { $0 / 4 } ?? 0
    }
  }

  /// Adds the series whose value decides otherwise than a missing label would.
  func insertDeviating(into set: inout SeriesBitmap, _ view: some SeriesIndexView) {
    view.insertSeries(withValues: deviating(view), into: &set)
  }

  /// Leaves of the set only what satisfies the matcher.
  func narrow(_ set: inout SeriesBitmap, _ view: some SeriesIndexView) {
    if narrowOneByOne(&set, view) { return }
    var deviating = SeriesBitmap(universe: view.universe)
    insertDeviating(into: &deviating, view)
    if acceptsMissing { set.subtract(deviating) } else { set.formIntersection(deviating) }
  }

  private func deviating(_ view: some SeriesIndexView) -> [Int] {
    var numbers: [Int] = []
    switch source {
    case .values(let known): return known
    case .prefixes(let prefixes):
      for prefix in prefixes {
        view.forEachValue(of: matcher.name, from: prefix) { value, number in
          if value.starts(with: prefix), matcher.matches(value) != acceptsMissing { numbers.append(number) }
        }
      }
    case .all:
      view.forEachValue(of: matcher.name) { value, number in
        if matcher.matches(value) != acceptsMissing { numbers.append(number) }
      }
    }
    return numbers
  }

  /// Asks each series of the set for its value, where that is less work than asking each value, or than adding all
  /// members of the known values to a set; false where it is not.
  private func narrowOneByOne(_ set: inout SeriesBitmap, _ view: some SeriesIndexView) -> Bool {
    guard set.hasFewer(than: steps) else { return false }
    var refused: [Int] = []
    var isKnown = true
    set.forEach { series in
      guard isKnown else { return }
      let isAccepted = isAccepted(series, view)
      isKnown = isAccepted != nil
      if isAccepted == false { refused.append(series) }
    }
    guard isKnown else { return false }
    for series in refused { set.remove(series) }
    return true
  }

  /// Whether a series satisfies the matcher; nil where the index cannot be asked that way.
  @inline(__always) private func isAccepted(_ series: Int, _ view: some SeriesIndexView) -> Bool? {
    if case .values(let numbers) = source, let has = view.hasValue(numbers, series: series) {
      return has != acceptsMissing
    }
    return view.withValue(of: matcher.name, series: series) { value in
      value.map { matcher.matches($0) } ?? acceptsMissing
    }
  }
}

extension LabelMatcher {
  /// The values that decide otherwise than a missing label does, where they are few and known.
  fileprivate var deviatingValues: [String]? {
    switch operation {
    case .equal, .notEqual: value.isEmpty ? nil : [value]
    case .matches, .notMatches: expression?.literals?.wholeTexts.flatMap { $0.contains("") ? nil : $0 }
    }
  }

  /// Beginnings of which the values that decide otherwise than a missing label have one, none the beginning of another.
  fileprivate var deviatingPrefixes: [[UInt8]]? {
    switch operation {
    case .equal, .notEqual: nil
    // An expression that takes the empty text decides otherwise on what it does not take.
    case .matches, .notMatches: expression.flatMap { $0.matchesWhole("") ? nil : $0.literals?.beginnings }
    }
  }
}
