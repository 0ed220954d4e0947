import NeedletailQueryLanguage
import NeedletailTelemetry

/// Which group each row of a grid belongs to.
struct RowGroups: Sendable {
  private(set) var labels: [LabelSet] = []
  private(set) var ofRow: [Int] = []
  private var known: [LabelSet: Int] = [:]
  /// The groups of labels that were seen before, where few differ.
  private var seen: [LabelSet: Int] = [:]

  /// The groups of an aggregation.
  init(of grid: VectorGrid, _ rule: GroupingRule) {
    guard !rule.projection.keepsNothing else {
      addToOne(count: grid.count)
      return
    }
    ofRow.reserveCapacity(grid.count)
    for labels in grid.labels { add(labels, rule) }
  }

  /// Adds the next row; there are as few labels as groups where the source told no others.
  private mutating func add(_ labels: LabelSet, _ rule: GroupingRule) {
    guard rule.isProjected else { return add(rule.projection.apply(labels)) }
    if let group = seen[labels] {
      ofRow.append(group)
    } else {
      add(rule.projection.apply(labels))
      seen[labels] = ofRow[ofRow.count - 1]
    }
  }

  private mutating func add(_ group: LabelSet) {
    if let index = known[group] {
      ofRow.append(index)
    } else {
      known[group] = labels.count
      ofRow.append(labels.count)
      labels.append(group)
    }
  }

  /// Puts so many rows into the one group without labels.
  private mutating func addToOne(count: Int) {
    guard count > 0 else { return }
    add(.empty)
    ofRow += repeatElement(0, count: count - 1)
  }

  /// The labels of the groups of which some row has the mark.
  func labels(where marks: [Bool]) -> Set<LabelSet> {
    var result = Set<LabelSet>()
    for (row, group) in ofRow.enumerated() where marks[row] { result.insert(labels[group]) }
    return result
  }

  /// The rows of each group.
  var members: [[Int]] {
    var result = [[Int]](repeating: [], count: labels.count)
    for (row, group) in ofRow.enumerated() { result[group].append(row) }
    return result
  }
}

/// By what an aggregation groups.
struct GroupingRule: Sendable {
  let projection: LabelProjection
  /// Whether the source may have been told that no other labels are needed.
  let isProjected: Bool

  init(_ node: Aggregation) {
    projection =
      node.grouping.isWithout
      ? LabelProjection(dropping: node.grouping.labels) : LabelProjection(keeping: node.grouping.labels)
    isProjected = node.labelsNeeded != nil
  }
}
