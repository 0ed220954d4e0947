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
}

extension SeriesIndexView {
  /// The series that satisfy all matchers.
  ///
  /// An expression is evaluated once for every distinct value of its label, never for a series.
  func select(_ matchers: [LabelMatcher]) -> SeriesBitmap {
    var result = SeriesBitmap(universe: universe)
    insertAll(into: &result)
    for matcher in matchers {
      if result.isEmpty { break }
      // The series whose value decides otherwise than a missing label would.
      var deviating = SeriesBitmap(universe: universe)
      let acceptsMissing = matcher.matchesEmpty
      if let only = matcher.deviatingValue {
        if let number = number(of: only, name: matcher.name) { insertSeries(withValue: number, into: &deviating) }
      } else {
        forEachValue(of: matcher.name) { value, number in
          if matcher.matches(value) != acceptsMissing { insertSeries(withValue: number, into: &deviating) }
        }
      }
      if acceptsMissing { result.subtract(deviating) } else { result.formIntersection(deviating) }
    }
    return result
  }
}

extension LabelMatcher {
  /// The one value that decides otherwise than a missing label does, where there is only one.
  fileprivate var deviatingValue: String? {
    switch operation {
    case .equal, .notEqual: value.isEmpty ? nil : value
    case .matches, .notMatches: nil
    }
  }
}
