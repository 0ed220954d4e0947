/// Numbers sorted, in memory that is used again for every window, group or row.
///
/// NaN comes first, as it does in PromQL's quantiles.
struct SortedWindow {
  private(set) var values: [Double] = []

  /// Takes the numbers of a span in place of those before.
  mutating func load(_ span: Span<Double>) {
    values.removeAll(keepingCapacity: true)
    for index in span.indices { values.append(span[index]) }
    sort()
  }

  /// Takes other numbers in place of those before.
  mutating func load(_ numbers: [Double]) {
    values.removeAll(keepingCapacity: true)
    values += numbers
    sort()
  }

  private mutating func sort() { values.sort { $0 < $1 || ($0.isNaN && !$1.isNaN) } }

  /// Between the two numbers around it on a straight line; NaN where there are no numbers.
  func quantile(_ quantile: Double) -> Double {
    guard !values.isEmpty, !quantile.isNaN else { return .nan }
    if quantile < 0 { return -.infinity }
    if quantile > 1 { return .infinity }
    let rank = quantile * Double(values.count - 1)
    let lower = max(0, Int(rank.rounded(.down)))
    let upper = min(values.count - 1, lower + 1)
    let weight = rank - rank.rounded(.down)
    return values[lower] * (1 - weight) + values[upper] * weight
  }

  /// The median.
  var median: Double { quantile(0.5) }

  /// How many differ.
  var distinctCount: Int {
    var count = values.isEmpty ? 0 : 1
    for index in values.indices.dropFirst() where !Self.areSame(values[index], values[index - 1]) { count += 1 }
    return count
  }

  /// The most frequent one; of several the least.
  var mode: Double {
    var (best, bestCount) = (Double.nan, 0)
    var start = 0
    for index in values.indices {
      if !Self.areSame(values[index], values[start]) { start = index }
      if index - start + 1 > bestCount { (best, bestCount) = (values[index], index - start + 1) }
    }
    return best
  }

  private static func areSame(_ left: Double, _ right: Double) -> Bool {
    left == right || (left.isNaN && right.isNaN)
  }

  /// Replaces each number by how far it lies from another one.
  mutating func replaceWithDistances(from center: Double) {
    for index in values.indices { values[index] = abs(values[index] - center) }
    sort()
  }

  /// The median of the distances from the median.
  ///
  /// The numbers are those distances afterwards.
  mutating func medianAbsoluteDeviation() -> Double {
    replaceWithDistances(from: median)
    return median
  }

  /// What lies further than 1.5 times the interquartile range below the lower or above the upper quartile is outside.
  var fences: ClosedRange<Double>? {
    let (lower, upper) = (quantile(0.25), quantile(0.75))
    let margin = 1.5 * (upper - lower)
    guard lower - margin <= upper + margin else { return nil }
    return (lower - margin)...(upper + margin)
  }
}
