/// Lists of small numbers, one behind the other in one array.
struct FlatLists: Equatable, Sendable {
  private var starts: [Int32] = [0]
  private var values: [Int32] = []

  var count: Int { starts.count - 1 }

  /// Adds a list behind the others.
  mutating func append(_ list: some Sequence<Int32>) {
    values.append(contentsOf: list)
    starts.append(Int32(clamping: values.count))
  }

  subscript(index: Int) -> ArraySlice<Int32> { values[Int(starts[index])..<Int(starts[index + 1])] }

  /// For each number below `count`, the lists that have it, ascending. O(numbers in all lists).
  func inverted(count: Int) -> FlatLists {
    var result = FlatLists()
    result.starts = [Int32](repeating: 0, count: count + 1)
    for value in values { result.starts[Int(value) + 1] += 1 }
    for index in 0..<count { result.starts[index + 1] += result.starts[index] }
    result.values = [Int32](repeating: 0, count: values.count)
    var next = result.starts
    for list in 0..<self.count {
      for value in self[list] {
        result.values[Int(next[Int(value)])] = Int32(list)
        next[Int(value)] += 1
      }
    }
    return result
  }
}
