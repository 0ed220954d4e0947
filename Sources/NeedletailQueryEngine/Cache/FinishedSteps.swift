import NeedletailTelemetry

/// The value of an expression at some steps, and as of when.
struct FinishedSteps: Sendable {
  let steps: Steps
  /// Numbers alone.
  let grid: VectorGrid
  /// The source's mark as of which it holds.
  let mark: UInt64

  /// About what it takes, in bytes.
  var byteCount: Int {
    grid.values.capacity * MemoryLayout<Double>.stride + grid.marks.capacity * MemoryLayout<Int32>.stride
      + grid.labels.reduce(0) { $0 + $1.canonicalBytes.count + 64 }
  }

  /// The longest run of steps that look at none of the changed times and lie within, or right beside, those of a query;
  /// nil where there is none.
  func unchanged(_ changed: [ClosedRange<Int64>], _ reach: StepReach, for wanted: Steps) -> Steps? {
    var best: Range<Int>?
    var start: Int?
    // What changed is in order, and what the steps look at moves on with them.
    var next = changed.startIndex
    for index in 0...steps.count {
      var holds = index < steps.count
      if holds {
        let (earliest, latest) = (steps.time(index) + reach.earliest, steps.time(index) + reach.latest)
        while next < changed.endIndex, changed[next].upperBound < earliest { next += 1 }
        holds = next == changed.endIndex || changed[next].lowerBound > latest
      }
      if holds {
        start = start ?? index
        continue
      }
      if let first = start, touches(first..<index, wanted), index - first > best?.count ?? 0 { best = first..<index }
      start = nil
    }
    return best.map {
      Steps(start: steps.time($0.lowerBound), end: steps.time($0.upperBound - 1), interval: steps.interval)
    }
  }

  private func touches(_ range: Range<Int>, _ wanted: Steps) -> Bool {
    steps.time(range.lowerBound) <= wanted.end + steps.interval
      && steps.time(range.upperBound - 1) >= wanted.start - steps.interval
  }
}

extension Steps {
  /// The index of a step's time, which may lie outside.
  func index(of time: Int64) -> Int { Int((time - start) / interval) }

  /// The steps before a time.
  func before(_ time: Int64) -> Steps {
    Steps(start: start, end: min(end, time - interval), interval: interval)
  }

  /// The steps after a time.
  func after(_ time: Int64) -> Steps {
    Steps(start: max(start, time + interval), end: end, interval: interval)
  }
}

/// Puts a grid together from others that have some of its steps each.
struct GridPatchwork {
  private let steps: Steps
  private(set) var grid: VectorGrid
  private var rows: [LabelSet: Int] = [:]

  init(_ steps: Steps) {
    self.steps = steps
    grid = VectorGrid(width: steps.count)
  }

  /// Takes over those steps of a grid that are among the patchwork's and, where given, within `range`.
  ///
  /// Fails where the patchwork gets more rows than `evaluation` may make.
  mutating func add(
    _ other: VectorGrid, _ theirs: Steps, within range: Steps? = nil, for evaluation: Evaluation
  ) throws {
    let start = max(steps.start, theirs.start, range?.start ?? .min)
    let end = min(steps.end, theirs.end, range?.end ?? .max)
    guard start <= end else { return }
    let count = Int((end - start) / steps.interval) + 1
    let from = theirs.index(of: start)
    let to = steps.index(of: start)
    for row in 0..<other.count {
      guard (from..<from + count).contains(where: { other.isPresent(row, $0) }) else { continue }
      let labels = other.labels[row]
      let target: Int
      if let known = rows[labels] {
        target = known
      } else {
        try evaluation.reserve(rows: grid.count + 1, steps)
        target = grid.addRow(labels)
        rows[labels] = target
      }
      for step in 0..<count where other.isPresent(row, from + step) {
        grid.set(target, to + step, other.cell(row, from + step))
      }
    }
  }
}
