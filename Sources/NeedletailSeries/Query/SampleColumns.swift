import NeedletailTelemetry

/// The rule of `SampleConflict`, within this module so that loops inline it.
enum SampleRule {
  @inline(__always) static func winner(_ left: UInt64, _ right: UInt64) -> UInt64 {
    SampleConflict.winner(left, right)
  }
}

/// Timestamps (ms) and value bits, side by side.
struct SampleColumns: Sendable {
  var timestamps: [Int64] = []
  var values: [UInt64] = []

  var count: Int { timestamps.count }

  @inline(__always) mutating func append(_ time: Int64, _ bits: UInt64) {
    timestamps.append(time)
    values.append(bits)
  }

  mutating func removeAll() {
    timestamps.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  mutating func truncate(to count: Int) {
    timestamps.removeLast(timestamps.count - count)
    values.removeLast(values.count - count)
  }

  /// Sorts what lies from `start` on by time and settles what stands at one time.
  ///
  /// O(n) where it is in order already.
  mutating func settle(from start: Int) {
    guard count - start > 1 else { return }
    if isAscending(from: start) { return }
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

  private func isAscending(from start: Int) -> Bool {
    timestamps.withUnsafeBufferPointer { times in
      for index in start + 1..<times.count where times[index - 1] >= times[index] { return false }
      return true
    }
  }

  /// Takes out, from `start` on, the samples at `times` (sorted): there a histogram stands, which wins over a number.
  mutating func remove(at times: [Int64], from start: Int) {
    guard !times.isEmpty, count > start else { return }
    let (oldTimes, oldValues) = (Array(timestamps[start...]), Array(values[start...]))
    truncate(to: start)
    var next = 0
    for (time, bits) in zip(oldTimes, oldValues) {
      while next < times.count, times[next] < time { next += 1 }
      if next < times.count, times[next] == time { continue }
      append(time, bits)
    }
  }
}
