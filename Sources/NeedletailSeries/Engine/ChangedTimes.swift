/// Which times changed, and when: enough to tell whether an answer of before would be the same now.
///
/// By the minute for the last day, as one for whatever is older. Changes are numbered; a mark is the number of the last
/// one.
struct ChangedTimes: Sendable {
  private static let bucketMilliseconds: Int64 = 60_000
  private static let bucketsMax: Int64 = 1440

  /// The number of the last change.
  private(set) var mark: UInt64 = 0
  /// The last change of each bucket: that of bucket `n` is at `n` modulo their number.
  private var marks = [UInt64](repeating: 0, count: Int(bucketsMax))
  /// The newest bucket; nil before the first change.
  private var newest: Int64?
  /// The last change of any bucket that has left.
  private var older: UInt64 = 0
  /// Where the retention's edge was last, in ms.
  private var edge = Int64.min
  /// The last change that concerned all times.
  private var all: UInt64 = 0

  /// Notes a change of something within these times, in ms.
  ///
  /// O(minutes that the times span), a day's at most.
  mutating func note(_ times: ClosedRange<Int64>) {
    mark += 1
    let last = Self.bucket(of: times.upperBound)
    advance(to: last)
    guard let newest else { return }
    let oldest = newest - Self.bucketsMax + 1
    let first = Self.bucket(of: times.lowerBound)
    if first < oldest { older = mark }
    guard last >= oldest else { return }
    for bucket in max(first, oldest)...last { marks[Self.place(of: bucket)] = mark }
  }

  /// Notes a change that may concern any time.
  mutating func noteAll() {
    mark += 1
    all = mark
  }

  /// Notes where the retention's edge is now, in ms: where a clock was set back, what it hid is seen again.
  mutating func moveEdge(to edge: Int64) {
    if edge < self.edge { noteAll() }
    self.edge = edge
  }

  /// The times within a range (ms, both ends included) of which something may have changed after `mark`, in order.
  ///
  /// O(minutes within the range, a day's at most).
  func changed(since mark: UInt64, within range: ClosedRange<Int64>) -> [ClosedRange<Int64>] {
    if all > mark { return [range] }
    guard let newest, self.mark > mark else { return [] }
    let oldest = newest - Self.bucketsMax + 1
    var changed: [ClosedRange<Int64>] = []
    func add(_ start: Int64, _ end: Int64) {
      let (start, end) = (max(start, range.lowerBound), min(end, range.upperBound))
      guard start <= end else { return }
      if let last = changed.last, last.upperBound == .max || last.upperBound + 1 >= start {
        changed[changed.count - 1] = last.lowerBound...end
      } else {
        changed.append(start...end)
      }
    }
    if older > mark, oldest > Self.bucket(of: .min) { add(.min, Self.start(of: oldest) - 1) }
    let first = max(oldest, Self.bucket(of: range.lowerBound))
    let last = min(newest, Self.bucket(of: range.upperBound))
    guard first <= last else { return changed }
    for bucket in first...last where marks[Self.place(of: bucket)] > mark {
      let (end, isBeyond) = Self.start(of: bucket).addingReportingOverflow(Self.bucketMilliseconds - 1)
      add(Self.start(of: bucket), isBeyond ? .max : end)
    }
    return changed
  }

  /// Makes a bucket the newest one, unless it is older.
  private mutating func advance(to bucket: Int64) {
    guard let newest else {
      self.newest = bucket
      return
    }
    guard bucket > newest else { return }
    // Buckets that are jumped over leave as well.
    for entering in max(newest, bucket - Self.bucketsMax) + 1...bucket {
      let place = Self.place(of: entering)
      older = max(older, marks[place])
      marks[place] = 0
    }
    self.newest = bucket
  }

  private static func bucket(of time: Int64) -> Int64 {
    let quotient = time / bucketMilliseconds
    return time % bucketMilliseconds < 0 ? quotient - 1 : quotient
  }

  private static func start(of bucket: Int64) -> Int64 {
    let (start, overflow) = bucket.multipliedReportingOverflow(by: bucketMilliseconds)
    return overflow ? .min : start
  }

  private static func place(of bucket: Int64) -> Int { Int(((bucket % bucketsMax) + bucketsMax) % bucketsMax) }
}
