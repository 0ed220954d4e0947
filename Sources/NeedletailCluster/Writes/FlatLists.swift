/// Lists of small numbers, one behind the other in one array.
struct FlatLists: Equatable, Sendable {
  private(set) var starts: [Int32] = [0]
  private(set) var values: [Int32] = []

  var count: Int { starts.count - 1 }

  /// Adds a list behind the others.
  mutating func append(_ list: some Sequence<Int32>) {
    values.append(contentsOf: list)
    end()
  }

  /// Adds a number to the list behind the last one; `end` makes it one of the lists.
  mutating func add(_ value: Int32) { values.append(value) }

  mutating func end() { starts.append(Int32(clamping: values.count)) }

  /// Where in `values` a list lies: hot loops go through these, which costs no reference count.
  func range(of index: Int) -> Range<Int> { Int(starts[index])..<Int(starts[index + 1]) }

  subscript(index: Int) -> ArraySlice<Int32> { values[range(of: index)] }

  /// For each number below `count`, the lists that have it, ascending. O(numbers in all lists).
  func inverted(count: Int) -> FlatLists {
    var result = FlatLists()
    result.starts = [Int32](repeating: 0, count: count + 1)
    for value in values { result.starts[Int(value) + 1] += 1 }
    for index in 0..<count { result.starts[index + 1] += result.starts[index] }
    result.values = [Int32](repeating: 0, count: values.count)
    var next = result.starts
    for list in 0..<self.count {
      for place in range(of: list) {
        let value = Int(values[place])
        result.values[Int(next[value])] = Int32(list)
        next[value] += 1
      }
    }
    return result
  }
}
