import NeedletailQueryLanguage

// Most grids hold numbers alone, and most aggregations add, count or compare them. These run over flat columns, one
// value a step and group, instead of over an accumulator for each step that is ready for everything.

/// Reduces rows of numbers to one row for each of some groups, which are numbered from 0.
///
/// Gives what `Accumulator` gives, bit for bit. 4 to 20 bytes a group and step.
struct NumberReduction: Sendable {
  private let operation: AggregationOperation
  private let width: Int
  /// How many rows had a value. What follows is there as far as the operation needs it.
  private var counts: [UInt32]
  /// The sum, the extreme or the mean so far.
  private var values: [Double]
  /// What the sum lacks, or the sum of the squares of what lies between the mean and the values.
  private var corrections: [Double]

  /// A reduction over `width` steps; nil where the operation is not among those that it can do.
  init?(_ operation: AggregationOperation, width: Int, groups: Int = 1) {
    self.operation = operation
    self.width = width
    let cells = width * groups
    counts = [UInt32](repeating: 0, count: cells)
    switch operation {
    case .count, .group: (values, corrections) = ([], [])
    case .min, .max: (values, corrections) = ([Double](repeating: 0, count: cells), [])
    case .sum, .avg, .stddev, .stdvar:
      values = [Double](repeating: 0, count: cells)
      corrections = values
    default: return nil
    }
  }

  /// Forgets the rows so far.
  mutating func reset() {
    for cell in counts.indices { counts[cell] = 0 }
    for cell in values.indices { values[cell] = 0 }
    for cell in corrections.indices { corrections[cell] = 0 }
  }

  /// Adds a row of a grid to a group.
  ///
  /// Histograms count for `count` and `group`, and are passed over by all others; of sums and means there must be none.
  mutating func add(_ grid: borrowing VectorGrid, row: Int, to group: Int = 0) {
    let start = row * width
    let marks = grid.marks.span.extracting(start..<(start + width))
    let row = grid.values.span.extracting(start..<(start + width))
    let first = group * width
    switch operation {
    case .sum, .avg:
      for step in row.indices where marks[step] == VectorGrid.number { addToSum(row[step], first &+ step) }
    case .min:
      for step in row.indices where marks[step] == VectorGrid.number {
        let cell = first &+ step
        if counts[cell] == 0 || row[step] < values[cell] || values[cell].isNaN { values[cell] = row[step] }
        counts[cell] += 1
      }
    case .max:
      for step in row.indices where marks[step] == VectorGrid.number {
        let cell = first &+ step
        if counts[cell] == 0 || row[step] > values[cell] || values[cell].isNaN { values[cell] = row[step] }
        counts[cell] += 1
      }
    case .stddev, .stdvar:
      for step in row.indices where marks[step] == VectorGrid.number { addToVariance(row[step], first &+ step) }
    default:
      for step in marks.indices where marks[step] != VectorGrid.absent { counts[first &+ step] += 1 }
    }
  }

  @inline(__always)
  private mutating func addToSum(_ value: Double, _ cell: Int) {
    var sum = CompensatedSum(sum: values[cell], compensation: corrections[cell])
    sum.add(value)
    values[cell] = sum.sum
    corrections[cell] = sum.compensation
    counts[cell] += 1
  }

  @inline(__always)
  private mutating func addToVariance(_ value: Double, _ cell: Int) {
    let delta = value - values[cell]
    values[cell] += delta / (Double(counts[cell]) + 1)
    corrections[cell] += delta * (value - values[cell])
    counts[cell] += 1
  }

  /// The result of a group at a step; nil where no row has a value.
  ///
  /// Throws where the mean cannot be had from the sum, and must be worked out step by step.
  func result(at step: Int, of group: Int = 0) throws(Overflow) -> Double? {
    let cell = group * width + step
    guard counts[cell] > 0 else { return nil }
    switch operation {
    case .sum: return CompensatedSum(sum: values[cell], compensation: corrections[cell]).result
    case .avg:
      let sum = CompensatedSum(sum: values[cell], compensation: corrections[cell]).result
      guard sum.isFinite else { throw Overflow() }
      return sum / Double(counts[cell])
    case .stdvar: return corrections[cell] / Double(counts[cell])
    case .stddev: return (corrections[cell] / Double(counts[cell])).squareRoot()
    case .count: return Double(counts[cell])
    case .group: return 1
    default: return values[cell]
    }
  }

  /// The sum is not finite, or what was made of parts does not hold.
  struct Overflow: Error {}

  // MARK: - Parts

  /// What some rows of a group came to at a step.
  struct Part: Equatable, Sendable {
    /// How many had a value; the rest is 0 where none had.
    var count: UInt32 = 0
    /// The sum, the extreme or the mean.
    var value = 0.0
    /// What the sum lacks, or the sum of the squares of what lies between the mean and the values.
    var correction = 0.0
  }

  /// Beyond so many times what lies between the mean and the values, and the root of how many there are, the mean leaves a
  /// variance with fewer than twelve digits that hold in any order.
  private static let meanMax = 1000.0

  func part(at step: Int, of group: Int) -> Part {
    let cell = group * width + step
    return Part(
      count: counts[cell], value: values.isEmpty ? 0 : values[cell],
      correction: corrections.isEmpty ? 0 : corrections[cell])
  }

  /// Puts what a part came to in the place of what is there.
  mutating func set(_ part: Part, at step: Int, of group: Int) {
    let cell = group * width + step
    counts[cell] = part.count
    if !values.isEmpty { values[cell] = part.value }
    if !corrections.isEmpty { corrections[cell] = part.correction }
  }

  /// Adds what other rows of a group came to; throws where there are more than can be counted.
  mutating func add(_ part: Part, at step: Int, to group: Int) throws(Overflow) {
    guard part.count > 0 else { return }
    let cell = group * width + step
    let known = counts[cell]
    guard known > 0 else { return set(part, at: step, of: group) }
    let (count, isTooMany) = known.addingReportingOverflow(part.count)
    guard !isTooMany else { throw Overflow() }
    counts[cell] = count
    switch operation {
    case .sum, .avg:
      var sum = CompensatedSum(sum: values[cell], compensation: corrections[cell])
      sum.add(part.value)
      values[cell] = sum.sum
      corrections[cell] = sum.compensation + part.correction
    case .min: if part.value < values[cell] || values[cell].isNaN { values[cell] = part.value }
    case .max: if part.value > values[cell] || values[cell].isNaN { values[cell] = part.value }
    case .stddev, .stdvar:
      let (ours, theirs, all) = (Double(known), Double(part.count), Double(count))
      let delta = part.value - values[cell]
      values[cell] += delta * (theirs / all)
      corrections[cell] += part.correction + delta * delta * (ours * theirs / all)
    default: break
    }
  }

  /// Throws where the result may hang on the order of the rows by more than a trillionth of it.
  func checkOrder(at step: Int, of group: Int) throws(Overflow) {
    let part = part(at: step, of: group)
    guard part.count > 0 else { return }
    switch operation {
    case .sum, .avg:
      guard CompensatedSum(sum: part.value, compensation: part.correction).result.isFinite else { throw Overflow() }
    case .stddev, .stdvar:
      let spread = part.correction.squareRoot()
      let isSettled = spread == 0 || Double(part.count) * abs(part.value) <= Self.meanMax * spread
      guard spread.isFinite, isSettled else { throw Overflow() }
    default: break
    }
  }
}
