import NeedletailTelemetry

/// Rows, of which those of one series and time are one: the greatest value counts, whichever came first.
struct RowSet: Equatable {
  enum Change {
    case none
    case new
    case replaced(SimulatedRow)
  }

  private var rows: [SimulatedRow.Key: SimulatedRow] = [:]

  var isEmpty: Bool { rows.isEmpty }
  var count: Int { rows.count }
  var sorted: [SimulatedRow] { rows.values.sorted() }

  /// `byArrival` is wrong: the last one counts.
  @discardableResult
  mutating func insert(_ row: SimulatedRow, byArrival: Bool = false) -> Change {
    guard let old = rows[row.key] else {
      rows[row.key] = row
      return .new
    }
    guard byArrival ? old.value != row.value : old.value < row.value else { return .none }
    rows[row.key] = row
    return .replaced(old)
  }

  /// Whether the row is there, or another value in its place.
  func covers(_ row: SimulatedRow) -> Bool { rows[row.key].map { $0.value >= row.value } ?? false }

  func contains(_ row: SimulatedRow) -> Bool { rows[row.key] == row }

  func isSubset(of others: Set<SimulatedRow>) -> Bool { rows.values.allSatisfy { others.contains($0) } }

  /// Takes out a row, where it is the one that counts.
  mutating func remove(_ row: SimulatedRow) {
    if rows[row.key] == row { rows[row.key] = nil }
  }

  mutating func remove(_ slot: UInt16? = nil, window: Int64) {
    rows = rows.filter { $0.value.window != window || slot != nil && $0.value.slot != slot }
  }

  /// Without what lies before a window.
  func from(_ first: Int64) -> RowSet {
    guard first > .min else { return self }
    var set = RowSet()
    set.rows = rows.filter { $0.key.window >= first }
    return set
  }

  func filter(_ body: (SimulatedRow) -> Bool) -> [SimulatedRow] { rows.values.filter(body) }
}
