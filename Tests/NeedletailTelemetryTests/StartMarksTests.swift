import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@Suite("When counts of a column began")
struct StartMarksTests {
  /// Starts of a column, one by one, and the marks that stand for them.
  private struct Column {
    var starts: [Int64] = []
    var marks = StartMarks()

    init(_ generator: inout TelemetryGenerator) {
      for _ in 0..<generator.int(0...20) { add(generator.pick([0, 0, 3, 3, 3, 4])) }
    }

    mutating func add(_ start: Int64) {
      marks.append(start, from: starts.count)
      starts.append(start)
    }

    func range(_ generator: inout TelemetryGenerator) -> Range<Int> {
      let bounds = [generator.int(0...starts.count), generator.int(0...starts.count)].sorted()
      return bounds[0]..<bounds[1]
    }
  }

  @Test("are told for each sample as they were noted, whatever is done to the column", arguments: 1...40)
  func random(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 22_000_000)
    var column = Column(&generator)
    for _ in 0..<40 {
      let range = column.range(&generator)
      switch generator.int(0...4) {
      case 0: column.add(generator.pick([0, 3, 4, -1]))
      case 1:
        let other = Column(&generator)
        let taken = other.range(&generator)
        column.marks.append(other.marks, taken, at: column.starts.count)
        column.starts += other.starts[taken]
      case 2:
        column.marks.truncate(to: range.upperBound)
        column.starts.removeLast(column.starts.count - range.upperBound)
        // What comes next says so itself.
        column.add(0)
      case 3:
        column.marks.removeFirst(range.lowerBound, of: column.starts.count)
        column.starts.removeFirst(range.lowerBound)
      default:
        column.marks = column.marks.piece(range)
        column.starts = Array(column.starts[range])
      }
      let all = column.range(&generator)
      let expected = Array(column.starts[all])
      let isTold = expected.contains { $0 != 0 }
      #expect(column.starts.indices.map { column.marks.start(of: $0) } == column.starts, "seed \(seed)")
      #expect(
        column.marks.starts(of: all) == expected || (!isTold && column.marks.starts(of: all).isEmpty), "seed \(seed)")
      if !all.isEmpty {
        #expect(column.marks.common(to: all) == (Set(expected).count == 1 ? expected[0] : nil), "seed \(seed)")
      }
    }
  }
}
