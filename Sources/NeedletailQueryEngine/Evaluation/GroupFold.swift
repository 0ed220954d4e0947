import NeedletailQueryLanguage
import NeedletailTelemetry

// What an aggregation keeps while rows come and go: a value or three for each group and step, however many series there
// are. In blocks, since nobody knows how many groups there will be.

/// Reduces rows to one row for each group, portion by portion, in the order in which they are added.
///
/// Gives what all of them together would be reduced to, bit for bit, or throws `Unfit`; of parts that were reduced by themselves
/// what another order of additions makes. 4 to 20 bytes a group and step.
struct GroupFold: Sendable {
  /// The rows have to be there all at once: a mean cannot be had from the sum, or rows may have become alike without
  /// their metric's name; or sums of histograms take more than rows may.
  struct Unfit: Error {}

  private static let blockCells = 512

  let rule: GroupingRule
  let operation: AggregationOperation
  let width: Int
  /// Whether rows have lost what tells metrics of one name apart.
  private let dropsNames: Bool
  private let groupsInBlock: Int
  private var blocks: [NumberReduction] = []
  private(set) var labels: [LabelSet] = []
  private var numbers: [LabelSet: Int] = [:]
  private var losesName: [Bool] = []
  private(set) var names = MetricNames()
  /// How many rows were added.
  private(set) var rows = 0
  /// Whether parts of the series were reduced by themselves.
  private(set) var hasParts = false
  /// Whether there were histograms that the operation passes over.
  private(set) var ignoresHistograms = false
  /// What histograms come to at each step, of the groups that have some and an operation that adds them up.
  private var histograms: [Int: [Accumulator]] = [:]
  /// What these weigh, in samples.
  private var histogramWeight = 0
  private let histogramWeightMax: Int

  /// A fold over `width` steps; nil where the operation does not reduce a group to one value.
  ///
  /// Sums of histograms may weigh so many samples in all; with none they are unfit.
  init?(_ node: Aggregation, width: Int, dropsNames: Bool, histogramWeightMax: Int = 0) {
    guard NumberReduction(node.operation, width: 0) != nil else { return nil }
    rule = GroupingRule(node)
    operation = node.operation
    self.width = width
    self.dropsNames = dropsNames
    self.histogramWeightMax = histogramWeightMax
    groupsInBlock = max(1, Self.blockCells / max(1, width))
  }

  /// How many values it keeps; a histogram counts for as many as it weighs.
  var cellCount: Int { labels.count * width + histogramWeight }

  /// Adds the rows of a portion, whose groups are those of `rule`.
  mutating func add(_ portion: Evaluation.Portion, _ groups: RowGroups) throws(Unfit) {
    names.append(portion.names)
    if dropsNames, names.mayMerge { throw Unfit() }
    if !portion.grid.histograms.isEmpty {
      switch operation {
      case .sum, .avg, .count, .group: break
      default: ignoresHistograms = true
      }
    }
    let targets = groups.labels.map { number(of: $0) }
    rows += portion.grid.count
    let addsHistograms = !portion.grid.histograms.isEmpty && (operation == .sum || operation == .avg)
    for (row, group) in groups.ofRow.enumerated() {
      let target = targets[group]
      blocks[target / groupsInBlock].add(portion.grid, row: row, to: target % groupsInBlock)
      if addsHistograms { addHistograms(of: portion.grid, row: row, to: target) }
      if portion.grid.losesName[row] { losesName[target] = true }
    }
    guard histogramWeight <= histogramWeightMax else { throw Unfit() }
  }

  private mutating func addHistograms(of grid: VectorGrid, row: Int, to group: Int) {
    // Taken out of the table, so that it is not copied.
    var cells = histograms.removeValue(forKey: group) ?? []
    for step in 0..<width {
      guard let histogram = grid.histogram(row, step) else { continue }
      if cells.isEmpty { cells = [Accumulator](repeating: Accumulator(operation), count: width) }
      if !cells[step].hasHistogram { histogramWeight += histogram.sampleWeight }
      cells[step].add(histogram)
    }
    if !cells.isEmpty { histograms[group] = cells }
  }

  /// The number of a group, a new one where it was not met before.
  private mutating func number(of group: LabelSet) -> Int {
    if let known = numbers[group] { return known }
    let number = labels.count
    numbers[group] = number
    labels.append(group)
    losesName.append(false)
    if number / groupsInBlock == blocks.count,
      let block = NumberReduction(operation, width: width, groups: groupsInBlock)
    {
      blocks.append(block)
    }
    return number
  }

  /// A row of each group, in the order in which they were met, of parts in that of their labels; a group loses the metric's
  /// name where a row does and that is to be known.
  ///
  /// What was made of parts has to be what all rows in any order would come to, or it is unfit.
  func result(losingNames: Bool) throws(Unfit) -> (grid: VectorGrid, remarks: Accumulator.Remarks) {
    var remarks = Accumulator.Remarks()
    var result = VectorGrid(width: width)
    result.reserve(rows: labels.count)
    let order = Array(labels.indices)
    for number in hasParts ? RowOrder.labels(labels).sorted(order) : order {
      let row = result.addRow(labels[number], losesName: losingNames && losesName[number])
      let block = blocks[number / groupsInBlock]
      do throws(NumberReduction.Overflow) {
        for step in 0..<width {
          if hasParts { try block.checkOrder(at: step, of: number % groupsInBlock) }
          let value = try block.result(at: step, of: number % groupsInBlock)
          if var cell = histograms[number]?[step], cell.hasHistogram {
            // A group that has both at a step has no value there.
            if value == nil { result.set(row, step, cell.result) } else { remarks.insert(.mixed) }
            remarks.formUnion(cell.remarks)
          } else if let value {
            result.set(row, step, value)
          }
        }
      } catch { throw Unfit() }
    }
    return (result, remarks)
  }

  // MARK: - Parts

  /// Whether groups have a value beside how many rows had one.
  var hasValues: Bool { operation != .count && operation != .group }

  /// What a group came to at a step.
  func part(at step: Int, of group: Int) -> NumberReduction.Part {
    blocks[group / groupsInBlock].part(at: step, of: group % groupsInBlock)
  }

  /// Adds what a part of the series was reduced to by itself; the operation and the steps have to be the same.
  mutating func add(_ other: GroupFold) throws(Unfit) {
    hasParts = true
    names.append(other.names)
    if dropsNames, names.mayMerge { throw Unfit() }
    if other.ignoresHistograms { ignoresHistograms = true }
    rows += other.rows
    for (group, labels) in other.labels.enumerated() {
      let target = number(of: labels)
      do throws(NumberReduction.Overflow) {
        for step in 0..<width {
          try blocks[target / groupsInBlock].add(
            other.part(at: step, of: group), at: step, to: target % groupsInBlock)
        }
      } catch { throw Unfit() }
    }
  }

  /// Adds a group that was not met before, with what it came to at each step; false where it was.
  mutating func add(_ group: LabelSet, _ parts: [NumberReduction.Part]) -> Bool {
    guard numbers[group] == nil else { return false }
    let target = number(of: group)
    for (step, part) in parts.enumerated().prefix(width) {
      blocks[target / groupsInBlock].set(part, at: step, of: target % groupsInBlock)
    }
    return true
  }

  /// Takes note of what was met beside groups.
  mutating func note(_ names: MetricNames, rows: Int, ignoresHistograms: Bool) {
    self.names.append(names)
    self.rows = rows
    self.ignoresHistograms = ignoresHistograms
  }
}
