// Which guess leaves the fewest bits is found on a few stretches of a column: that costs the same however long it is.

import NeedletailTelemetry

/// What is left of an integer to be packed.
package enum IntegerGuess: UInt8, CaseIterable, Sendable {
  /// The value itself.
  case level = 0
  /// Value less predecessor.
  case delta = 1
  /// Distance to the predecessor less the predecessor's.
  case deltaOfDelta = 2
  /// Value less what it is on a line through the first, with the median step.
  case line = 3

  /// As many values at the start of a column have no predecessors for this guess.
  var known: Int {
    switch self {
    case .level, .line: 0
    case .delta: 1
    case .deltaOfDelta: 2
    }
  }

  /// What stands before the first value, so that from it the first values come like the others.
  ///
  /// `values` has one more than the guess knows.
  func start(_ values: UnsafePointer<Int64>, step: Int64) -> (value: Int64, step: Int64) {
    switch self {
    case .level: return (0, 0)
    case .delta: return (values[0] &- (values[1] &- values[0]), 0)
    case .deltaOfDelta:
      let first = values[1] &- values[0]
      let change = values[2] &- values[1] &- first
      return (values[0] &- (first &- change), first &- change &- change)
    case .line: return (values[0] &- step, step)
    }
  }

  /// As many values are looked at together, and so many times.
  private static let stretch = 8
  private static let stretches = 8
  /// In columns of fewer values half as often.
  private static let longMin = 512
  /// A level and a line are looked at over values so far apart; nearer ones would hide that they drift.
  private static let levelGap = 16
  /// Columns so short are of a level: a guess's header costs more than it saves.
  private static let shortMax = 3

  /// The guess with the fewest bits; of equals the one that decodes fastest. With it the median step.
  static func choose(_ values: UnsafePointer<Int64>, count: Int) -> (guess: IntegerGuess, step: Int64) {
    guard count > shortMax else { return (.level, 0) }
    let step = medianStep(values, count: count)
    let size = min(stretch, (count - 1) / 2)
    let number = min(count < longMin ? stretches / 2 : stretches, (count - 2) / size)
    let gap = max(1, min(levelGap, (count - 1) / size))
    let parts = max(1, number - 1)
    let near = (count - 2 - size) / parts
    let far = (count - 1 - gap * (size - 1)) / parts
    var costs = (level: 0, delta: 0, second: 0, line: 0)
    var most = costs
    for index in 0..<number {
      let (delta, second) = stepBits(values + (2 + index * near), count: size)
      let (level, line) = levelBits(values + index * far, count: size, gap: gap, step: step)
      costs = (costs.level &+ level, costs.delta &+ delta, costs.second &+ second, costs.line &+ line)
      most = (max(most.level, level), max(most.delta, delta), max(most.second, second), max(most.line, line))
    }
    // A gap or a reset spoils the stretch where it is, and says nothing about the others.
    if number > 3 {
      costs = (
        costs.level &- most.level, costs.delta &- most.delta, costs.second &- most.second, costs.line &- most.line
      )
    }
    let least = min(costs.level, costs.delta, costs.second, costs.line)
    if costs.level == least { return (.level, 0) }
    if costs.delta == least { return (.delta, 0) }
    return costs.line == least ? (.line, step) : (.deltaOfDelta, 0)
  }

  /// The bits between the least and the greatest of a few steps in a row, and of the changes of steps.
  ///
  /// Two values stand before the first.
  @inline(__always) private static func stepBits(
    _ values: UnsafePointer<Int64>, count: Int
  ) -> (delta: Int, second: Int) {
    var before = values[-1] &- values[-2]
    var (least, most, leastChange, mostChange) = (Int64.max, Int64.min, Int64.max, Int64.min)
    for index in 0..<count {
      let delta = values[index] &- values[index - 1]
      let change = delta &- before
      before = delta
      (least, most) = (min(least, delta), max(most, delta))
      (leastChange, mostChange) = (min(leastChange, change), max(mostChange, change))
    }
    return (bits(most &- least), bits(mostChange &- leastChange))
  }

  /// The bits between the least and the greatest of a few values with gaps, and of what a line leaves of them.
  @inline(__always) private static func levelBits(
    _ values: UnsafePointer<Int64>, count: Int, gap: Int, step: Int64
  ) -> (level: Int, line: Int) {
    var (least, most, leastBent, mostBent) = (Int64.max, Int64.min, Int64.max, Int64.min)
    let drift = step &* Int64(gap)
    var expected: Int64 = 0
    for index in 0..<count {
      let value = values[index &* gap]
      let bent = value &- expected
      expected = expected &+ drift
      (least, most) = (min(least, value), max(most, value))
      (leastBent, mostBent) = (min(leastBent, bent), max(mostBent, bent))
    }
    return (bits(most &- least), bits(mostBent &- leastBent))
  }

  @inline(__always) private static func bits(_ value: Int64) -> Int { 64 &- value.leadingZeroBitCount }

  /// The median of three mean steps, so that neither jitter nor one gap or reset bends the line.
  private static func medianStep(_ values: UnsafePointer<Int64>, count: Int) -> Int64 {
    let third = (count - 1) / 3
    let (one, two) = (values[third], values[2 * third])
    let (a, b, c) = (one &- values[0], two &- one, values[3 * third] &- two)
    let median = max(min(a, b), min(max(a, b), c))
    let half = Int64(third / 2)
    return (median < 0 ? median &- half : median &+ half) / Int64(third)
  }
}
