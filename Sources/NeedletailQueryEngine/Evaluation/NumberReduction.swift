import NeedletailQueryLanguage

// Most grids hold numbers alone, and most aggregations add, count or compare them. These run over flat columns, one
// value a step, instead of over an accumulator for each step that is ready for everything.

/// Reduces rows of numbers to one row.
///
/// Gives what `Accumulator` gives, bit for bit.
struct NumberReduction {
  private let operation: AggregationOperation
  private var counts: [Double]
  private var values: [Double]
  private var compensations: [Double]

  /// A reduction over `width` steps; nil where the operation is not among those that it can do.
  init?(_ operation: AggregationOperation, width: Int) {
    switch operation {
    case .sum, .avg, .min, .max, .count, .group: self.operation = operation
    default: return nil
    }
    counts = [Double](repeating: 0, count: width)
    values = counts
    compensations = counts
  }

  /// Forgets the rows so far.
  mutating func reset() {
    for step in counts.indices {
      counts[step] = 0
      values[step] = 0
      compensations[step] = 0
    }
  }

  /// Adds a row of a grid that holds no histograms.
  mutating func add(_ grid: borrowing VectorGrid, row: Int) {
    let start = row * grid.width
    let marks = grid.marks.span.extracting(start..<(start + grid.width))
    let row = grid.values.span.extracting(start..<(start + grid.width))
    switch operation {
    case .sum, .avg:
      for step in row.indices where marks[step] == VectorGrid.number { addToSum(row[step], step) }
    case .min:
      for step in row.indices where marks[step] == VectorGrid.number {
        if counts[step] == 0 || row[step] < values[step] || values[step].isNaN { values[step] = row[step] }
        counts[step] += 1
      }
    case .max:
      for step in row.indices where marks[step] == VectorGrid.number {
        if counts[step] == 0 || row[step] > values[step] || values[step].isNaN { values[step] = row[step] }
        counts[step] += 1
      }
    default:
      for step in row.indices where marks[step] == VectorGrid.number { counts[step] += 1 }
    }
  }

  @inline(__always)
  private mutating func addToSum(_ value: Double, _ step: Int) {
    var sum = CompensatedSum(sum: values[step], compensation: compensations[step])
    sum.add(value)
    values[step] = sum.sum
    compensations[step] = sum.compensation
    counts[step] += 1
  }

  /// The result at a step; nil where no row has a number.
  ///
  /// Throws `.overflow` where the mean cannot be had from the sum, and must be worked out step by step.
  func result(at step: Int) throws(Overflow) -> Double? {
    guard counts[step] > 0 else { return nil }
    switch operation {
    case .sum: return CompensatedSum(sum: values[step], compensation: compensations[step]).result
    case .avg:
      let sum = CompensatedSum(sum: values[step], compensation: compensations[step]).result
      guard sum.isFinite else { throw Overflow() }
      return sum / counts[step]
    case .count: return counts[step]
    case .group: return 1
    default: return values[step]
    }
  }

  /// The sum is not finite.
  struct Overflow: Error {}
}
