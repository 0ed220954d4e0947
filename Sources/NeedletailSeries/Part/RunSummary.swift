/// What the samples of a run come to: enough for functions over long ranges not to decode them.
package struct RunSummary: Equatable, Sendable {
  /// Shorter runs have none: decoding them costs hardly more.
  package static let countMin = 512

  package var count: Int
  /// In ms.
  package var firstTime: Int64
  package var lastTime: Int64
  package var first: Double
  package var last: Double
  package var minimum: Double
  package var maximum: Double
  /// With what rounding lost along the way added at the end.
  package var sum: Double
  /// How often a value is less than the one before.
  package var resets: Int
  /// The sum of the values before those: a counter grew by `last - first + resetSum`.
  package var resetSum: Double

  /// Nil where the run is short, or has a value that is not a number: what such a one means depends on who asks.
  init?(_ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>) {
    guard times.count >= Self.countMin, times.count == values.count else { return nil }
    var (least, most, sum, lost) = (values[0], values[0], 0.0, 0.0)
    var (resets, resetSum) = (0, 0.0)
    var previous = values[0]
    var isNumber = true
    for value in values {
      isNumber = isNumber && value == value
      least = value < least ? value : least
      most = value > most ? value : most
      let next = sum + value
      lost += abs(sum) >= abs(value) ? (sum - next) + value : (value - next) + sum
      sum = next
      if value < previous {
        resets += 1
        resetSum += previous
      }
      previous = value
    }
    guard isNumber else { return nil }
    count = values.count
    firstTime = times[0]
    lastTime = times[times.count - 1]
    first = values[0]
    last = previous
    minimum = least
    maximum = most
    // Where the sum is infinite, what was lost is no number.
    self.sum = sum.isFinite ? sum + lost : sum
    self.resets = resets
    self.resetSum = resetSum
  }

  init(
    count: Int, times: (first: Int64, last: Int64), first: Double, last: Double, minimum: Double, maximum: Double,
    sum: Double, resets: Int, resetSum: Double
  ) {
    self.count = count
    (firstTime, lastTime) = times
    self.first = first
    self.last = last
    self.minimum = minimum
    self.maximum = maximum
    self.sum = sum
    self.resets = resets
    self.resetSum = resetSum
  }
}
