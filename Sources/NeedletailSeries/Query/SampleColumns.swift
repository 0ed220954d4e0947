import NeedletailTelemetry

/// The rule of `SampleConflict`, within this module so that loops inline it.
enum SampleRule {
  @inline(__always) static func winner(_ left: UInt64, _ right: UInt64) -> UInt64 {
    SampleConflict.winner(left, right)
  }

  /// The start that goes with the winner: its own, or of equal values the latest.
  static func start(_ left: (bits: UInt64, start: Int64), _ right: (bits: UInt64, start: Int64)) -> Int64 {
    if left.bits == right.bits { return max(left.start, right.start) }
    return winner(left.bits, right.bits) == left.bits ? left.start : right.start
  }
}

/// Timestamps (ms) and value bits, side by side.
struct SampleColumns: Sendable {
  var timestamps: [Int64] = []
  var values: [UInt64] = []
  /// When the samples' counts began.
  private(set) var starts = StartMarks()
  /// Where samples are left out, for which others stand; ascending.
  private(set) var omissions: [SampleOmission] = []

  var count: Int { timestamps.count }

  @inline(__always) mutating func append(_ time: Int64, _ bits: UInt64) {
    timestamps.append(time)
    values.append(bits)
  }

  /// Adds two samples that stand for all of a run; their starts are those of the samples before.
  mutating func append(_ summary: RunSummary, _ values: StandIns.Values) {
    let (first, last) =
      switch values {
      case .ends: (summary.first, summary.last)
      case .least: (summary.minimum, summary.minimum)
      case .greatest: (summary.maximum, summary.maximum)
      }
    append(summary.firstTime, first.bitPattern)
    if summary.count > 2 { omissions.append(SampleOmission(index: count, count: summary.count - 2)) }
    append(summary.lastTime, last.bitPattern)
  }

  /// Tells when the counts of the samples to come began, in ms; 0 where nobody told. Whoever adds samples does.
  @inline(__always) mutating func noteStart(_ start: Int64) {
    if start != 0 || !starts.isEmpty { starts.append(start, from: count) }
  }

  /// Tells the starts of some samples of another column, which are to be added next.
  mutating func noteStarts(_ other: StartMarks, _ range: Range<Int>) {
    if !other.isEmpty || !starts.isEmpty { starts.append(other, range, at: count) }
  }

  mutating func removeAll() {
    starts = StartMarks()
    omissions = []
    timestamps.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  mutating func truncate(to count: Int) {
    timestamps.removeLast(timestamps.count - count)
    values.removeLast(values.count - count)
    if !starts.isEmpty { starts.truncate(to: count) }
    while let last = omissions.last, last.index >= count { omissions.removeLast() }
  }

  /// Sorts what lies from `start` on by time and settles what stands at one time.
  ///
  /// O(n) where it is in order already.
  mutating func settle(from start: Int) {
    guard count - start > 1 else { return }
    if isAscending(from: start) { return }
    if !starts.isEmpty { return settleStarted(from: start) }
    var rows: [(time: Int64, bits: UInt64)] = []
    rows.reserveCapacity(count - start)
    for index in start..<count { rows.append((timestamps[index], values[index])) }
    rows.sort { $0.time < $1.time }
    truncate(to: start)
    for row in rows {
      if count > start, timestamps[count - 1] == row.time {
        values[count - 1] = SampleRule.winner(values[count - 1], row.bits)
      } else {
        append(row.time, row.bits)
      }
    }
  }

  /// The same with starts.
  private mutating func settleStarted(from start: Int) {
    let told = starts.starts(of: start..<count)
    var rows: [(time: Int64, bits: UInt64, start: Int64)] = []
    rows.reserveCapacity(count - start)
    for index in start..<count {
      rows.append((timestamps[index], values[index], told.isEmpty ? 0 : told[index - start]))
    }
    rows.sort { $0.time < $1.time }
    truncate(to: start)
    var last: Int64 = 0
    for row in rows {
      if count > start, timestamps[count - 1] == row.time {
        last = SampleRule.start((values[count - 1], last), (row.bits, row.start))
        values[count - 1] = SampleRule.winner(values[count - 1], row.bits)
        starts.append(last, from: count - 1)
      } else {
        last = row.start
        noteStart(last)
        append(row.time, row.bits)
      }
    }
  }

  /// Takes out, from an index on, all samples but those at some times.
  mutating func keep(from start: Int, where isKept: (Int64) -> Bool) {
    let told = starts.starts(of: start..<count)
    let (oldTimes, oldValues) = (Array(timestamps[start...]), Array(values[start...]))
    truncate(to: start)
    noteStart(0)
    for index in oldTimes.indices where isKept(oldTimes[index]) {
      if !told.isEmpty { noteStart(told[index]) }
      append(oldTimes[index], oldValues[index])
    }
  }

  func isAscending(from start: Int) -> Bool {
    timestamps.withUnsafeBufferPointer { times in
      for index in start + 1..<times.count where times[index - 1] >= times[index] { return false }
      return true
    }
  }

  /// Takes out, from `start` on, the samples at `times` (sorted): there a histogram stands, which wins over a number.
  mutating func remove(at times: [Int64], from start: Int) {
    guard !times.isEmpty, count > start else { return }
    var next = 0
    keep(from: start) { time in
      while next < times.count, times[next] < time { next += 1 }
      return next == times.count || times[next] != time
    }
  }
}
