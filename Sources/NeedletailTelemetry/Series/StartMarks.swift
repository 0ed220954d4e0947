/// When the counts of a column of samples began, in ms; 0 where nobody told.
///
/// Most samples have the start of the one before, and most columns have none at all: only where it changes is there a mark.
package struct StartMarks: Sendable, Hashable {
  /// From a sample on, up to the next mark.
  package struct Mark: Sendable, Hashable {
    /// The index of the sample.
    package var index: Int
    /// In ms since 1970, or 0.
    package var start: Int64
  }

  /// Ascending; samples before the first have no start.
  package private(set) var marks: [Mark] = []

  /// Marks of samples that have no starts.
  package init() {}

  /// Whether no sample has a start.
  package var isEmpty: Bool { marks.isEmpty }

  /// Notes that the samples from an index on, which is not before those noted so far, have a start.
  package mutating func append(_ start: Int64, from index: Int) {
    if marks.last?.index == index { marks.removeLast() }
    if (marks.last?.start ?? 0) != start { marks.append(Mark(index: index, start: start)) }
  }

  /// The start of one sample.
  ///
  /// O(log marks).
  package func start(of index: Int) -> Int64 {
    let next = firstMark(after: index)
    return next == 0 ? 0 : marks[next - 1].start
  }

  /// The starts of some samples; empty where none of them has one.
  ///
  /// O(samples), or O(log marks) where it is empty.
  package func starts(of range: Range<Int>) -> [Int64] {
    guard !marks.isEmpty, !range.isEmpty else { return [] }
    var next = firstMark(after: range.lowerBound)
    var start = next == 0 ? 0 : marks[next - 1].start
    guard start != 0 || (next < marks.count && marks[next].index < range.upperBound) else { return [] }
    var result: [Int64] = []
    result.reserveCapacity(range.count)
    for index in range {
      while next < marks.count, marks[next].index <= index {
        start = marks[next].start
        next += 1
      }
      result.append(start)
    }
    return result
  }

  /// Calls `body` with the pieces of some samples that have one start each, in order; 0 where nobody told.
  ///
  /// O(pieces).
  package func forEachPiece(of range: Range<Int>, _ body: (_ piece: Range<Int>, _ start: Int64) -> Void) {
    guard !range.isEmpty else { return }
    guard !marks.isEmpty else { return body(range, 0) }
    var next = firstMark(after: range.lowerBound)
    var first = range.lowerBound
    while first < range.upperBound {
      let end = next < marks.count ? min(marks[next].index, range.upperBound) : range.upperBound
      body(first..<end, next == 0 ? 0 : marks[next - 1].start)
      (first, next) = (end, next + 1)
    }
  }

  /// Forgets what is from an index on.
  package mutating func truncate(to count: Int) {
    while let last = marks.last, last.index >= count { marks.removeLast() }
  }

  /// Adds the starts of some samples of another column, as those of the samples from `index` on.
  package mutating func append(_ other: StartMarks, _ range: Range<Int>, at index: Int) {
    guard !range.isEmpty else { return }
    guard !other.isEmpty else { return append(0, from: index) }
    append(other.start(of: range.lowerBound), from: index)
    var next = other.firstMark(after: range.lowerBound)
    while next < other.marks.count, other.marks[next].index < range.upperBound {
      append(other.marks[next].start, from: other.marks[next].index - range.lowerBound + index)
      next += 1
    }
  }

  /// The starts of some of the samples, as those of a column of their own.
  package func piece(_ range: Range<Int>) -> StartMarks {
    var result = StartMarks()
    if !isEmpty { result.append(self, range, at: 0) }
    return result
  }

  /// Takes the first samples out, of all that there are.
  package mutating func removeFirst(_ removed: Int, of count: Int) {
    if !isEmpty { self = piece(removed..<count) }
  }

  /// The start that all of some samples have; nil where they differ.
  package func common(to range: Range<Int>) -> Int64? {
    let next = firstMark(after: range.lowerBound)
    guard next == marks.count || marks[next].index >= range.upperBound else { return nil }
    return next == 0 ? 0 : marks[next - 1].start
  }

  private func firstMark(after index: Int) -> Int {
    var (low, high) = (0, marks.count)
    while low < high {
      let middle = (low + high) / 2
      if marks[middle].index <= index { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
