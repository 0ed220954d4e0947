import NeedletailTelemetry

// There is one sort of rows, which asks an order what comes first. A closure at every use would be given a sort of its
// own by the compiler, some kilobytes each, and those are slow to build.

/// What rows are sorted by: a number, texts and then labels, or labels only.
struct RowOrder {
  private var numbers: [Double] = []
  private var width = 1
  private var step = 0
  private var texts: [[String]] = []
  private var labels: [LabelSet] = []
  private var ascends = true

  /// By the numbers of a grid at a step, NaN last; every row must have one there.
  static func numbers(of grid: VectorGrid, at step: Int, ascending: Bool) -> RowOrder {
    var order = RowOrder()
    order.numbers = grid.values
    order.width = grid.width
    order.step = step
    order.ascends = ascending
    return order
  }

  /// By a number for each row, NaN last.
  static func numbers(_ numbers: [Double]) -> RowOrder {
    var order = RowOrder()
    order.numbers = numbers
    return order
  }

  /// By labels.
  static func labels(_ labels: [LabelSet]) -> RowOrder {
    var order = RowOrder()
    order.labels = labels
    return order
  }

  /// By the first of each row's texts that differs, as people order names, and by labels where none does.
  static func texts(_ texts: [[String]], labels: [LabelSet], ascending: Bool) -> RowOrder {
    var order = RowOrder()
    order.texts = texts
    order.labels = labels
    order.ascends = ascending
    return order
  }

  /// The rows in this order; those that it does not tell apart stay as they were.
  @inline(never)
  func sorted(_ rows: [Int]) -> [Int] {
    rows.sorted { precedes($0, $1) }
  }

  /// Whether one row comes before another one; neither of two that are not told apart does.
  func precedes(_ left: Int, _ right: Int) -> Bool {
    guard numbers.isEmpty else {
      let (one, other) = (numbers[left * width + step], numbers[right * width + step])
      if one.isNaN || other.isNaN { return !one.isNaN && other.isNaN }
      return ascends ? one < other : one > other
    }
    return textsPrecede(left, right)
  }

  @inline(never)
  private func textsPrecede(_ left: Int, _ right: Int) -> Bool {
    if !texts.isEmpty {
      for index in texts[left].indices where texts[left][index] != texts[right][index] {
        return NaturalOrder.precedes(texts[left][index], texts[right][index]) == ascends
      }
    }
    return labels[left].sortsBefore(labels[right]) == ascends
  }
}
