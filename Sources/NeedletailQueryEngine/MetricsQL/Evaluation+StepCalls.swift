import NeedletailQueryLanguage

// MetricsQL's functions over all steps of a query: `range_*`, `running_*`, and what fills gaps between steps. A step that
// has no number, or NaN, is a gap.

extension Evaluation {
  func stepCall(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    var grid = VectorGrid(width: steps.count)
    var parameter: [Double] = []
    for argument in call.arguments {
      if argument.type == .scalar {
        parameter = try await scalar(argument, steps)
      } else {
        grid = try await vector(argument, steps)
      }
    }
    var row = StepRow(call.function, parameter, steps)
    for index in 0..<grid.count {
      row.load(grid, index)
      row.evaluate()
      row.store(&grid, index)
      try spend(0)
    }
    if !call.function.keepsMetricName { try dropNames(of: &grid, call) }
    // What was no number is gone.
    return grid.selecting((0..<grid.count).filter { row in (0..<grid.width).contains { grid.isPresent(row, $0) } })
  }
}

/// The steps of one series and what becomes of them, in memory that is used for one series after the other.
struct StepRow {
  private let function: Function
  /// The function's own number at each step; empty where it has none.
  private let parameter: [Double]
  private let steps: Steps
  /// A number for every step, NaN in gaps.
  private var cells: [Double]
  /// The steps that have a number.
  private var places: [Int] = []
  private var sorted = SortedWindow()

  init(_ function: Function, _ parameter: [Double], _ steps: Steps) {
    self.function = function
    self.parameter = parameter
    self.steps = steps
    cells = [Double](repeating: .nan, count: steps.count)
  }

  /// Takes a row of a grid in place of the one before.
  mutating func load(_ grid: VectorGrid, _ row: Int) {
    places.removeAll(keepingCapacity: true)
    for step in cells.indices {
      cells[step] = grid.number(row, step) ?? .nan
      if !cells[step].isNaN { places.append(step) }
    }
  }

  /// Puts what has become of it into a row.
  func store(_ grid: inout VectorGrid, _ row: Int) {
    for step in cells.indices {
      if cells[step].isNaN { grid.clear(row, step) } else { grid.set(row, step, cells[step]) }
    }
  }

  mutating func evaluate() {
    guard let first = places.first, let last = places.last else { return }
    switch function {
    case .rangeFirst: fill(cells[first])
    case .rangeLast: fill(cells[last])
    case .rangeSum: fill(sum)
    case .rangeAvg: fill(mean)
    case .rangeMin: fill(least)
    case .rangeMax: fill(greatest)
    case .rangeStdvar: fill(variance)
    case .rangeStddev: fill(variance.squareRoot())
    case .rangeMedian, .rangeQuantile, .rangeMad: fill(ofSorted)
    case .rangeNormalize:
      let (least, width) = (self.least, greatest - self.least)
      for step in places { cells[step] = width == 0 ? 0 : (cells[step] - least) / width }
    case .rangeZscore:
      let (mean, deviation) = (self.mean, variance.squareRoot())
      for step in places { cells[step] = Self.zscore(cells[step], mean, deviation) }
    case .rangeTrimOutliers, .rangeTrimSpikes, .rangeTrimZscore: trim()
    case .rangeLinearRegression: regress()
    case .runningSum, .runningAvg, .runningMin, .runningMax: run()
    case .interpolate: interpolate()
    case .keepLastValue: for step in first..<cells.count where cells[step].isNaN { cells[step] = cells[step - 1] }
    case .keepNextValue:
      for step in (0..<last).reversed() where cells[step].isNaN { cells[step] = cells[step + 1] }
    case .removeResets: removeResets()
    default: smooth()
    }
  }

  private mutating func fill(_ value: Double) { for step in places { cells[step] = value } }

  static func zscore(_ value: Double, _ mean: Double, _ deviation: Double) -> Double {
    value == mean ? 0 : (value - mean) / deviation
  }

  // MARK: One number

  private var sum: Double {
    var sum = CompensatedSum()
    for step in places { sum.add(cells[step]) }
    return sum.result
  }

  private var mean: Double { sum / Double(places.count) }

  private var least: Double { places.reduce(.infinity) { min($0, cells[$1]) } }

  private var greatest: Double { places.reduce(-.infinity) { max($0, cells[$1]) } }

  private var variance: Double {
    let mean = mean
    var squares = CompensatedSum()
    for step in places { squares.add((cells[step] - mean) * (cells[step] - mean)) }
    return squares.result / Double(places.count)
  }

  private var ofSorted: Double {
    mutating get {
      sorted.load(places.map { cells[$0] })
      switch function {
      case .rangeMedian: return sorted.median
      case .rangeQuantile: return sorted.quantile(parameter.first ?? .nan)
      default: return sorted.medianAbsoluteDeviation()
      }
    }
  }

  // MARK: A number for each step

  /// Drops what lies too far out.
  private mutating func trim() {
    let limit = parameter.first ?? .nan
    sorted.load(places.map { cells[$0] })
    let (low, high): (Double, Double)
    switch function {
    case .rangeTrimSpikes: (low, high) = (sorted.quantile(limit / 2), sorted.quantile(1 - limit / 2))
    case .rangeTrimZscore:
      let margin = limit * variance.squareRoot()
      (low, high) = (mean - margin, mean + margin)
    default:
      let median = sorted.median
      let margin = limit * sorted.medianAbsoluteDeviation()
      (low, high) = (median - margin, median + margin)
    }
    for step in places where cells[step] < low || cells[step] > high { cells[step] = .nan }
  }

  private mutating func regress() {
    var times: [Int64] = []
    var values: [Double] = []
    for step in places {
      times.append(steps.time(step))
      values.append(cells[step])
    }
    let line = RangeMath.regression(times.span, values.span, origin: steps.start)
    // One step alone gives no slope.
    let (slope, start) = places.count == 1 ? (0, values[0]) : line
    for step in cells.indices { cells[step] = start + slope * Double(steps.time(step) - steps.start) / 1000 }
  }

  private mutating func run() {
    var (sum, least, greatest) = (CompensatedSum(), Double.infinity, -Double.infinity)
    for (count, step) in places.enumerated() {
      let value = cells[step]
      switch function {
      case .runningMin:
        least = min(least, value)
        cells[step] = least
      case .runningMax:
        greatest = max(greatest, value)
        cells[step] = greatest
      default:
        sum.add(value)
        cells[step] = function == .runningSum ? sum.result : sum.result / Double(count + 1)
      }
    }
  }

  private mutating func interpolate() {
    for (start, end) in zip(places, places.dropFirst()) where end > start + 1 {
      let slope = (cells[end] - cells[start]) / Double(end - start)
      for step in (start + 1)..<end { cells[step] = cells[start] + slope * Double(step - start) }
    }
  }

  private mutating func removeResets() {
    var lost = 0.0
    var previous = 0.0
    for step in places {
      let value = cells[step]
      if value < previous { lost += previous }
      previous = value
      cells[step] = value + lost
    }
  }

  /// An infinite number counts for nothing, as no mean would ever come back from it.
  private mutating func smooth() {
    var mean: Double?
    for step in places {
      let value = cells[step]
      guard value.isFinite else {
        cells[step] = mean ?? .nan
        continue
      }
      let factor = parameter[step].isNaN ? 1 : min(max(parameter[step], 0), 1)
      let next = mean.map { $0 * (1 - factor) + value * factor } ?? value
      mean = next
      cells[step] = next
    }
  }
}
