import NeedletailTelemetry

// The value of an instant vector at all steps: one row of cells per series, in flat arrays. A cell is absent, a number,
// or a histogram, of which the grid keeps the index into one array beside the cells, since most grids have none.

/// A step grid of values per series.
struct VectorGrid: Sendable {
  /// Marks of cells; what is zero or more is the index of a histogram.
  static let absent: Int32 = -2
  static let number: Int32 = -1

  /// The number of steps: the width of a row.
  let width: Int
  /// The labels of the rows.
  private(set) var labels: [LabelSet] = []
  /// Which rows lose the metric's name at the end of the query (`QueryFeatures.delaysNameRemoval`).
  private(set) var losesName: [Bool] = []
  /// Numbers by row and step; meaningless where the cell is no number.
  private(set) var values: [Double] = []
  /// What each cell is.
  private(set) var marks: [Int32] = []
  /// The histograms, in the order in which they were set.
  private(set) var histograms: [NativeHistogram] = []
  /// Whether the order of rows is a result of the query.
  var isOrdered = false

  init(width: Int) { self.width = width }

  /// The number of rows.
  var count: Int { labels.count }

  /// Beyond so many cells room is made as rows come: many of the series that match may have nothing in the range.
  private static let reservedCellsMax = 16_000_000

  /// Makes room for so many more rows at once, and no more.
  mutating func reserve(rows: Int) {
    let rows = labels.count + min(rows, Self.reservedCellsMax / max(1, width))
    labels.reserveCapacity(rows)
    losesName.reserveCapacity(rows)
    values.reserveCapacity(rows * width)
    marks.reserveCapacity(rows * width)
  }

  /// Takes all rows away, and keeps the room that they took.
  mutating func removeAllRows() {
    labels.removeAll(keepingCapacity: true)
    losesName.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    marks.removeAll(keepingCapacity: true)
    histograms.removeAll()
  }

  /// Adds an empty row, and tells its index.
  @discardableResult
  mutating func addRow(_ labels: LabelSet, losesName: Bool = false) -> Int {
    self.labels.append(labels)
    self.losesName.append(losesName)
    values.append(contentsOf: repeatElement(0, count: width))
    marks.append(contentsOf: repeatElement(Self.absent, count: width))
    return self.labels.count - 1
  }

  /// Adds the rows of another grid of the same width behind those that there are.
  mutating func append(_ other: VectorGrid) {
    let known = Int32(truncatingIfNeeded: histograms.count)
    labels += other.labels
    losesName += other.losesName
    values += other.values
    if known == 0 {
      marks += other.marks
    } else {
      for mark in other.marks { marks.append(mark >= 0 ? mark + known : mark) }
    }
    histograms += other.histograms
  }

  /// Takes the last row away again if nothing was set in it.
  mutating func dropLastRowIfEmpty() {
    guard let start = labels.isEmpty ? nil : marks.count - width else { return }
    guard marks[start...].allSatisfy({ $0 == Self.absent }) else { return }
    labels.removeLast()
    losesName.removeLast()
    values.removeLast(width)
    marks.removeLast(width)
  }

  @inline(__always)
  mutating func set(_ row: Int, _ step: Int, _ value: Double) {
    let cell = row &* width &+ step
    values[cell] = value
    marks[cell] = Self.number
  }

  mutating func set(_ row: Int, _ step: Int, _ histogram: NativeHistogram) {
    marks[row * width + step] = Int32(truncatingIfNeeded: histograms.count)
    histograms.append(histogram)
  }

  mutating func set(_ row: Int, _ step: Int, _ cell: Cell) {
    switch cell {
    case .absent: clear(row, step)
    case .number(let value): set(row, step, value)
    case .histogram(let histogram): set(row, step, histogram)
    }
  }

  mutating func clear(_ row: Int, _ step: Int) { marks[row * width + step] = Self.absent }

  @inline(__always)
  func isPresent(_ row: Int, _ step: Int) -> Bool { marks[row &* width &+ step] != Self.absent }

  /// The number at a cell, nil where it is absent or a histogram.
  @inline(__always)
  func number(_ row: Int, _ step: Int) -> Double? {
    let cell = row &* width &+ step
    return marks[cell] == Self.number ? values[cell] : nil
  }

  func histogram(_ row: Int, _ step: Int) -> NativeHistogram? {
    let mark = marks[row * width + step]
    return mark >= 0 ? histograms[Int(mark)] : nil
  }

  func cell(_ row: Int, _ step: Int) -> Cell {
    let cell = row * width + step
    let mark = marks[cell]
    if mark == Self.absent { return .absent }
    return mark == Self.number ? .number(values[cell]) : .histogram(histograms[Int(mark)])
  }

  /// What stands at a cell.
  enum Cell {
    case absent
    case number(Double)
    case histogram(NativeHistogram)
  }

  /// Replaces every number; what becomes of histograms is up to `histogram`, which drops them unless told otherwise.
  mutating func mapNumbers(_ body: (Double) -> Double) {
    for cell in marks.indices {
      if marks[cell] == Self.number { values[cell] = body(values[cell]) } else { marks[cell] = Self.absent }
    }
  }

  /// Replaces every histogram and leaves numbers alone.
  mutating func mapHistograms(_ body: (NativeHistogram) -> NativeHistogram) {
    for index in histograms.indices { histograms[index] = body(histograms[index]) }
  }

  /// Replaces numbers in place, histograms staying.
  mutating func mapOnlyNumbers(_ body: (Double) -> Double) {
    for cell in marks.indices where marks[cell] == Self.number { values[cell] = body(values[cell]) }
  }

  /// Changes the labels of every row, then brings rows of equal labels together.
  mutating func relabel(_ body: (LabelSet) -> LabelSet) throws {
    for row in labels.indices { labels[row] = body(labels[row]) }
    try mergeEqualRows()
  }

  /// Brings rows of equal labels together; fails where two of them have a value at the same step.
  mutating func mergeEqualRows() throws {
    var rows: [LabelSet: Int] = Dictionary(minimumCapacity: count)
    var hasEqual = false
    for row in labels.indices {
      if rows.updateValue(row, forKey: labels[row]) != nil {
        hasEqual = true
        break
      }
    }
    guard hasEqual else { return }
    var merged = VectorGrid(width: width)
    merged.isOrdered = isOrdered
    rows.removeAll(keepingCapacity: true)
    for row in labels.indices {
      let target: Int
      if let known = rows[labels[row]] {
        target = known
      } else {
        target = merged.addRow(labels[row])
        rows[labels[row]] = target
      }
      if losesName[row] { merged.losesName[target] = true }
      for step in 0..<width where isPresent(row, step) {
        guard !merged.isPresent(target, step) else {
          throw QueryError.execution("vector cannot contain metrics with the same labelset")
        }
        merged.set(target, step, cell(row, step))
      }
    }
    self = merged
  }

  /// The rows in another order, or only some of them.
  func selecting(_ rows: [Int]) -> VectorGrid {
    var result = VectorGrid(width: width)
    result.isOrdered = isOrdered
    for row in rows {
      let target = result.addRow(labels[row], losesName: losesName[row])
      for step in 0..<width where isPresent(row, step) { result.set(target, step, cell(row, step)) }
    }
    return result
  }
}

// MARK: - Names that go at the end

extension VectorGrid {
  /// Notes that all rows lose the metric's name, or only those of some labels.
  mutating func loseNames(of some: Set<LabelSet>? = nil) {
    for row in labels.indices where some?.contains(labels[row]) ?? true { losesName[row] = true }
  }

  /// Changes the labels of each row, in which `body` may take back that it loses the metric's name; then brings rows of
  /// equal labels together.
  mutating func relabel(_ body: (LabelSet, inout Bool) -> LabelSet) throws {
    for row in labels.indices { labels[row] = body(labels[row], &losesName[row]) }
    try mergeEqualRows()
  }

  /// Takes the metric's name from the rows that were to lose it.
  mutating func removeLostNames() throws {
    guard losesName.contains(true) else { return }
    try relabel { labels, losesName in
      defer { losesName = false }
      return losesName ? labels.withoutName : labels
    }
  }
}
