// Prometheus' counters only rise; OpenTelemetry's may be sent as changes. The accumulator keeps the total of each
// such series and turns changes into totals.
//
// Limits, which come with keeping totals in memory. After a restart totals begin at zero again: to queries that is a
// counter reset, which `rate` and `increase` know. Points of one series must arrive in order; one that is not newer
// than the last is taken for a repetition and left out. And two nodes that receive changes of one series keep two
// totals: senders of changes belong on one node.

import NeedletailTelemetry
import NeedletailWire
import Synchronization

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
    /// How often a total was moved on.
    private var version: UInt64 = 0

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

  /// What points came to, and how to take it back.
  package struct Applied: Sendable {
    /// A sample of a total.
    ///
    /// The row of a series that begins has two: zero at its start, and the first total.
    package struct Row: Equatable, Sendable {
      package let series: SeriesID
      package let start: Int64
      package let time: Int64
      package let total: DeltaValue
      package let isFirst: Bool
      /// Whether it is the first row of its sender's point.
      package let beginsPoint: Bool
    }

    package fileprivate(set) var rows: [Row] = []
    /// Counted in points of the sender.
    package fileprivate(set) var rejections = Rejections()
    /// About what the rows take in batches, in bytes.
    package fileprivate(set) var byteCount = 0
    /// As many as rows: what was before, and what tells whether the series has moved on since.
    fileprivate var undo: [(series: SeriesID, before: State?, version: UInt64)] = []
    /// Whether the rest of the request is refused.
    fileprivate var isFull = false
  }

  /// A value of a point, and the total that it would come to.
  private struct Step {
    let point: DeltaPoint
    let before: State?
    let total: DeltaValue

    /// What of the row stands beside its total, in bytes.
    private static let rowBytes = 28

    var hasZero: Bool { before == nil && point.start > 0 && point.start < point.time }
    var growth: Int { total.weight - (before?.total.weight ?? 0) }
    var byteCount: Int { Self.rowBytes + total.byteCount + (hasZero ? total.zero.byteCount : 0) }
  }

  /// A series that was not seen for so long, in ms, makes room for a new one where there is none: 15 minutes, which
  /// no sender of changes is silent for, but one that is gone.
  static let idleMilliseconds: Int64 = 15 * 60_000
  /// Room is looked for at most once in so long, in ms: it costs a walk over all series.
  private static let sweepMilliseconds: Int64 = 10_000

  private let countMax: Int
  private let requestBytesMax: Int
  private let states = Mutex(States())

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
  /// Of the values of one point of the sender, as a histogram's, all are taken or none.
  package func apply(_ values: [DeltaPoint], now: Int64) -> Applied {
    var ordered = values.sorted { ($0.time, $0.point) < ($1.time, $1.point) }
    // No total is finer than its changes, so that these can be coarsened before the lock is taken.
    for (index, point) in ordered.enumerated() {
      guard let value = point.value.coarsened else { continue }
      ordered[index] = DeltaPoint(
        series: point.series, start: point.start, time: point.time, value: value, point: point.point)
    }
    return states.withLock { [ordered] states in
      var applied = Applied()
      var steps: [Step] = []
      var rest = ordered[...]
      while let first = rest.first {
        let group = rest.prefix { $0.time == first.time && $0.point == first.point }
        rest = rest[group.endIndex...]
        guard !applied.isFull else {
          reject(&applied)
          continue
        }
        if prepare(group, states, &steps, &applied), admit(steps, now: now, &states, &applied) {
          take(steps, now: now, &states, &applied)
        }
      }
      return applied
    }
  }

  /// Works out the totals that the values of a point come to; false, and the point is rejected, where there are none.
  private func prepare(
    _ group: ArraySlice<DeltaPoint>, _ states: States, _ steps: inout [Step], _ applied: inout Applied
  ) -> Bool {
    steps.removeAll(keepingCapacity: true)
    for point in group {
      let before = states.bySeries[point.series]
      if let before, point.time <= before.last {
        applied.rejections.add(
          .deltaNotAfterLast, detail: "a point of delta temporality at \(point.time) ms is not after the last one")
        return false
      }
      guard let total = (before?.total ?? point.value.zero).adding(point.value) else {
        applied.rejections.add(
          .invalidHistogram, detail: "a total would have more than \(DeltaValue.bucketsMax) buckets")
        return false
      }
      steps.append(Step(point: point, before: before, total: total))
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
      let (point, before) = (step.point, step.before)
      // A series that a point names twice counts once.
      if steps.count > 1, let last = states.bySeries[point.series]?.last, last >= point.time { continue }
      let state = State(
        total: step.total, last: point.time, start: before?.start ?? (step.hasZero ? point.start : 0), seen: now,
        version: states.nextVersion())
      states.set(state, for: point.series)
      applied.undo.append((point.series, before, state.version))
      applied.rows.append(
        Applied.Row(
          series: point.series, start: state.start, time: point.time, total: step.total, isFirst: before == nil,
          beginsPoint: beginsPoint))
      applied.byteCount += step.byteCount
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
    for step in steps where step.before != nil { states.bySeries[step.point.series]?.seen = now }
    states.bySeries = states.bySeries.filter { now &- $0.value.seen < Self.idleMilliseconds }
    states.weight = states.bySeries.values.reduce(0) { $0 + $1.total.weight }
    return states.weight + growth <= countMax
  }

  /// Takes back the rows that were applied but are not stored, so that the sender's next try counts and what the store
  /// will never take moves no total.
  ///
  /// `stored` are ranges of rows that are stored, rising. A series that has moved on since stays.
  package func rollback(_ applied: Applied, except stored: [Range<Int>] = []) {
    guard stored.reduce(0, { $0 + $1.count }) < applied.undo.count else { return }
    states.withLock { states in
      var end = applied.undo.count
      for range in stored.reversed() {
        Self.rollback(applied.undo[range.upperBound..<end], &states)
        end = range.lowerBound
      }
      Self.rollback(applied.undo[..<end], &states)
    }
  }

  private static func rollback(
    _ rows: ArraySlice<(series: SeriesID, before: State?, version: UInt64)>, _ states: inout States
  ) {
    for (series, before, version) in rows.reversed() where states.bySeries[series]?.version == version {
      states.set(before, for: series)
    }
  }
}
