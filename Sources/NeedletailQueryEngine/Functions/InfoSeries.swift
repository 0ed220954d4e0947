import NeedletailTelemetry

/// The info series that were found, by the job and instance that they belong to.
struct InfoSeries {
  /// What `choice` says where there is no info series.
  static let nothing = -1

  /// The info series of one job and instance.
  private struct Group {
    /// The rows of each metric, in the order in which these came up.
    var metrics: [[Int]] = []
    var known: [String: Int] = [:]
    /// Per step the index of what was chosen, once somebody asked.
    var choices: [Int?]
    /// What was chosen: one row of each metric that has any.
    var combinations: [[Int]] = []
    var indexes: [[Int]: Int] = [:]
  }

  /// The times of the newest samples in seconds.
  private let grid: VectorGrid
  private var groups: [Group] = []
  private var ofKey: [LabelSet: Int] = [:]

  /// Over a grid of the times of samples, in which histograms are histograms.
  init(grid: VectorGrid) {
    self.grid = grid
    for row in 0..<grid.count {
      let key = grid.labels[row].keeping(InfoSelector.identifying)
      let name = grid.labels[row].metricName ?? ""
      let index = ofKey[key] ?? groups.count
      if ofKey.updateValue(index, forKey: key) == nil {
        groups.append(Group(choices: Array(repeating: nil, count: grid.width)))
      }
      let metric = groups[index].known[name] ?? groups[index].metrics.count
      if groups[index].known.updateValue(metric, forKey: name) == nil { groups[index].metrics.append([]) }
      groups[index].metrics[metric].append(row)
    }
  }

  /// The info series that belong to a job and instance.
  func group(of key: LabelSet) -> Int? { ofKey[key] }

  /// Which info series count at a step: of each metric the one with the newest sample.
  mutating func choice(_ group: Int, at step: Int) throws -> Int {
    if let known = groups[group].choices[step] { return known }
    var chosen: [Int] = []
    for rows in groups[group].metrics {
      if let newest = try newest(of: rows, at: step) { chosen.append(newest) }
    }
    var choice = Self.nothing
    if !chosen.isEmpty {
      choice = groups[group].indexes[chosen] ?? groups[group].combinations.count
      if groups[group].indexes.updateValue(choice, forKey: chosen) == nil { groups[group].combinations.append(chosen) }
    }
    groups[group].choices[step] = choice
    return choice
  }

  private func newest(of rows: [Int], at step: Int) throws -> Int? {
    var newest: (row: Int, time: Double)?
    var equal: Int?
    for row in rows where grid.isPresent(row, step) {
      guard let time = grid.number(row, step) else {
        throw QueryError.execution("info sample should be float: \(grid.labels[row])")
      }
      if let known = newest, known.time >= time {
        if known.time == time { equal = row }
      } else {
        newest = (row, time)
        equal = nil
      }
    }
    if let newest, let equal {
      throw QueryError.execution(
        "found duplicate series for info metric: \(grid.labels[newest.row]) and \(grid.labels[equal])")
    }
    return newest?.row
  }

  /// The labels of a series with those of a choice; what it has already stays.
  func joined(_ labels: LabelSet, _ group: Int?, _ choice: Int, _ wanted: InfoSelector) throws -> LabelSet {
    guard let group, choice != Self.nothing else { return labels }
    let own = Set(labels.labels.map(\.name))
    var added: [String: String] = [:]
    for row in groups[group].combinations[choice] {
      for label in grid.labels[row].labels where wanted.takes(label.name) && !own.contains(label.name) {
        if let other = added.updateValue(label.value, forKey: label.name), other != label.value {
          throw QueryError.execution("conflicting label: \(label.name)")
        }
      }
    }
    return LabelSet(labels.labels + added.map { Label($0.key, $0.value) })
  }
}
