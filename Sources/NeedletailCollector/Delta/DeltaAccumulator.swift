// Prometheus' counters only rise; OpenTelemetry's may be sent as changes. The accumulator keeps the total of each
// such series and turns changes into totals.
//
// Limits, which come with keeping totals in memory. After a restart totals begin at zero again: to queries that is a
// counter reset, which `rate` and `increase` know. Points of one series must arrive in order; one that is not newer
// than the last is taken for a repetition and left out. And two nodes that receive changes of one series keep two
// totals: senders of changes belong on one node.

import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailWire

/// Turns changes into totals.
///
/// Bounded; free of clocks; safe to use from any thread.
package final class DeltaAccumulator: Sendable {
  struct State: Sendable {
    var total: DeltaValue
    /// The time of the newest point, in ms.
    var last: Int64
    /// When the total was zero, in ms; 0 where the sender did not say.
    var start: Int64
    /// When the newest point came in, in ms of the receiver's clock.
    var seen: Int64
    /// Tells this state from all others of its series: totals cannot, as NaN is not equal to itself.
    var version: UInt64
  }

  private struct States {
    var bySeries: [SeriesID: State] = [:]
    /// What all totals cost together, in entries.
    var weight = 0
    /// When room was last made, in ms of the receiver's clock.
    var swept: Int64?
    /// How often a total was moved on: the number of the newest state.
    private(set) var version: UInt64 = 0

    /// A number that no state had before.
    mutating func nextVersion() -> UInt64 {
      version &+= 1
      return version
    }

    mutating func set(_ state: State?, for series: SeriesID) {
      weight += (state?.total.weight ?? 0) - (bySeries[series]?.total.weight ?? 0)
      bySeries[series] = state
    }
  }

  /// A value of a point, and the total that it would come to.
  private struct Step {
    let series: SeriesID
    let start: Int64
    let time: Int64
    let before: State?
    let total: DeltaValue
    /// Whether the total begins with this value: of a new series, or of one whose sender turned to another kind.
    let isFirst: Bool

    /// What of the row stands beside its total, in bytes.
    private static let rowBytes = 28

    /// When the total was zero, as far as it is known; 0 where it is not.
    ///
    /// A total that begins anew stands behind what the series was before.
    var totalStart: Int64 {
      if let before, !isFirst { return before.start }
      return start > 0 && start < time ? max(start, before?.last ?? start) : 0
    }

    /// Whether the zero that the total begins with is a sample of its own.
    var hasZero: Bool { isFirst && totalStart > (before?.last ?? 0) }
    var growth: Int { total.weight - (before?.total.weight ?? 0) }
    var byteCount: Int { Self.rowBytes + total.byteCount + (hasZero ? total.zero.byteCount : 0) }
    /// What it keeps in memory until its request is answered.
    var memoryBytes: Int {
      MemoryLayout<Applied.Row>.stride + MemoryLayout<State>.stride + total.memoryBytes
        + (before?.total.memoryBytes ?? 0)
    }
  }

  /// A series that was not seen for so long, in ms, makes room for a new one where there is none: 15 minutes, which
  /// no sender of changes is silent for, but one that is gone.
  static let idleMilliseconds: Int64 = 15 * 60_000
  /// Room is looked for at most once in so long, in ms: it costs a walk over all series.
  private static let sweepMilliseconds: Int64 = 10_000

  private let countMax: Int
  private let requestBytesMax: Int
  private let states = Lock(States())

  /// Keeps the totals of at most `countMax` series, at about 64 bytes each; a histogram counts as several.
  ///
  /// The totals that the points of one request come to take at most `requestBytesMax` bytes in batches.
  package init(countMax: Int, requestBytesMax: Int = IngestLimits().deltaBytesMax) {
    self.countMax = countMax
    self.requestBytesMax = requestBytesMax
  }

  package var count: Int { states.withLock { $0.bySeries.count } }

  /// Adds the points to their totals, in the order of their times; `now` is the receiver's time in ms since 1970.
  ///
  /// Of the values of one point of the sender, as a histogram's, all are taken or none. Points outside `times`, which
  /// the store would refuse, move no total. What rows take in memory is reserved in `budget` before they are made, and
  /// is the caller's to release; where it is not there, no total is moved.
  package func apply(
    _ changes: consuming [DeltaPoint], now: Int64, within times: ClosedRange<Int64> = .min ... .max,
    budget: IngestBudget? = nil
  ) -> Applied {
    var changes = changes
    // No total is finer than its changes, so that these can be coarsened before the lock is taken.
    for index in changes.indices {
      let point = changes[index]
      guard let value = point.value.coarsened else { continue }
      changes[index] = DeltaPoint(
        series: point.series, start: point.start, time: point.time, value: value, point: point.point)
    }
    let order = Self.order(of: changes)
    return states.withLock { [changes] states in
      var applied = Applied(firstVersion: states.version &+ 1, now: now)
      var steps: [Step] = []
      var next = 0
      while next < order.count {
        let first = changes[Int(order[next])]
        let begin = next
        while next < order.count, first.isOfSamePoint(as: changes[Int(order[next])]) { next += 1 }
        guard !applied.isFull else {
          reject(&applied)
          continue
        }
        guard isTakeable(first, times, &applied), prepare(order[begin..<next], changes, states, &steps, &applied),
          admit(steps, now: now, &states, &applied)
        else { continue }
        guard applied.reserve(steps.reduce(0) { $0 + $1.memoryBytes }, in: budget) else {
          rollback(applied, except: [], &states)
          return applied
        }
        take(steps, now: now, &states, &applied)
      }
      return applied
    }
  }

  /// The places of changes by time and point.
  private static func order(of changes: [DeltaPoint]) -> [UInt32] {
    var order = changes.indices.map { UInt32(truncatingIfNeeded: $0) }
    order.sort { left, right in
      let (time, other) = (changes[Int(left)].time, changes[Int(right)].time)
      return time == other ? (changes[Int(left)].point, left) < (changes[Int(right)].point, right) : time < other
    }
    return order
  }

  /// Whether the store will take samples of the point's time; where it will not, the point is rejected.
  private func isTakeable(_ point: DeltaPoint, _ times: ClosedRange<Int64>, _ applied: inout Applied) -> Bool {
    if point.time > times.upperBound {
      applied.rejections.add(
        .tooFarInFuture, detail: "a point of delta temporality at \(point.time) ms lies too far in the future")
      return false
    }
    guard point.time >= times.lowerBound else {
      applied.rejections.add(
        .outOfRetention, detail: "a point of delta temporality at \(point.time) ms is older than what is taken")
      return false
    }
    return true
  }

  /// Works out the totals that the values of a point come to; false, and the point is rejected, where there are none.
  private func prepare(
    _ group: ArraySlice<UInt32>, _ changes: [DeltaPoint], _ states: States, _ steps: inout [Step],
    _ applied: inout Applied
  ) -> Bool {
    steps.removeAll(keepingCapacity: true)
    for index in group {
      let point = changes[Int(index)]
      let before = states.bySeries[point.series]
      if let before, point.time <= before.last {
        applied.rejections.add(
          .deltaNotAfterLast, detail: "a point of delta temporality at \(point.time) ms is not after the last one")
        return false
      }
      guard let (total, beginsAnew) = (before?.total ?? point.value.zero).adding(point.value) else {
        applied.rejections.add(
          .invalidHistogram, detail: "a total would have more than \(DeltaValue.bucketsMax) buckets")
        return false
      }
      steps.append(
        Step(
          series: point.series, start: point.start, time: point.time, before: before, total: total,
          isFirst: before == nil || beginsAnew))
    }
    return true
  }

  /// Whether there is room for the totals of a point; where there is none, the point is rejected.
  private func admit(
    _ steps: [Step], now: Int64, _ states: inout States, _ applied: inout Applied
  ) -> Bool {
    var (growth, bytes) = (0, 0)
    for step in steps {
      growth += step.growth
      bytes += step.byteCount
    }
    guard bytes <= requestBytesMax - applied.byteCount else {
      // Whatever comes behind is refused unseen: working out what may not be kept would hold the lock for nothing.
      applied.isFull = true
      reject(&applied)
      return false
    }
    guard growth <= 0 || hasRoom(for: growth, of: steps, now: now, &states) else {
      applied.rejections.add(.deltaLimit, detail: "more than \(countMax) series of delta temporality")
      return false
    }
    return true
  }

  private func reject(_ applied: inout Applied) {
    applied.rejections.add(
      .requestLimit,
      detail: "the totals of a request's points of delta temporality take more than \(requestBytesMax) bytes")
  }

  private func take(_ steps: [Step], now: Int64, _ states: inout States, _ applied: inout Applied) {
    var beginsPoint = true
    for step in steps {
      // A series that a point names twice counts once.
      if steps.count > 1, let last = states.bySeries[step.series]?.last, last >= step.time { continue }
      let state = State(
        total: step.total, last: step.time, start: step.totalStart, seen: now, version: states.nextVersion())
      states.set(state, for: step.series)
      applied.append(
        Applied.Row(
          series: step.series, start: state.start, time: step.time, total: step.total, hasZero: step.hasZero,
          beginsPoint: beginsPoint, previous: applied.place(of: step.before)), byteCount: step.byteCount)
      beginsPoint = false
    }
  }

  /// Where it is full, forgets the series that have been idle for long.
  ///
  /// False where that does not make enough room. What is in use is never forgotten for what is new: a flood of new
  /// series must not reset the totals of all others. Nor are those of `steps`, which have just come again.
  private func hasRoom(for growth: Int, of steps: [Step], now: Int64, _ states: inout States) -> Bool {
    if states.weight + growth <= countMax { return true }
    if let swept = states.swept, now >= swept, now &- swept < Self.sweepMilliseconds { return false }
    states.swept = now
    for step in steps where step.before != nil { states.bySeries[step.series]?.seen = now }
    states.bySeries = states.bySeries.filter { now &- $0.value.seen < Self.idleMilliseconds }
    states.weight = states.bySeries.values.reduce(0) { $0 + $1.total.weight }
    return states.weight + growth <= countMax
  }

  /// Takes back the rows that were applied but are not stored, so that the sender's next try counts and what the store
  /// will never take moves no total.
  ///
  /// `stored` are ranges of rows that are stored, rising. A series that has moved on since stays.
  package func rollback(_ applied: Applied, except stored: [Range<Int>] = []) {
    guard stored.reduce(0, { $0 + $1.count }) < applied.rows.count else { return }
    states.withLock { rollback(applied, except: stored, &$0) }
  }

  private func rollback(_ applied: Applied, except stored: [Range<Int>], _ states: inout States) {
    var end = applied.rows.count
    for range in stored.reversed() + [0..<0] {
      for index in (range.upperBound..<end).reversed() {
        let series = applied.rows[index].series
        guard states.bySeries[series]?.version == applied.version(ofRow: index) else { continue }
        states.set(applied.stateBefore(row: index), for: series)
      }
      end = range.lowerBound
    }
  }
}

extension DeltaPoint {
  /// Whether both are values of one point of the sender.
  fileprivate func isOfSamePoint(as other: DeltaPoint) -> Bool { time == other.time && point == other.point }
}
