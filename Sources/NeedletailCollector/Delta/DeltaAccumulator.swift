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
  struct State: Equatable, Sendable {
    var total: DeltaValue
    /// The time of the newest point, in ms.
    var last: Int64
    /// When the total was zero, in ms; 0 where the sender did not say.
    var start: Int64
    /// When the newest point came in, in ms of the receiver's clock.
    var seen: Int64
  }

  private struct States {
    var bySeries: [SeriesID: State] = [:]
    /// What all totals cost together, in entries.
    var weight = 0
    /// When room was last made, in ms of the receiver's clock.
    var swept: Int64?

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
    /// As many as rows.
    fileprivate var undo: [(series: SeriesID, before: State?, after: State)] = []
  }

  /// A series that was not seen for so long, in ms, makes room for a new one where there is none: 15 minutes, which
  /// no sender of changes is silent for, but one that is gone.
  static let idleMilliseconds: Int64 = 15 * 60_000
  /// Room is looked for at most once in so long, in ms: it costs a walk over all series.
  private static let sweepMilliseconds: Int64 = 10_000

  private let countMax: Int
  private let states = Mutex(States())

  /// Keeps the totals of at most `countMax` series, at about 64 bytes each; a histogram counts as several.
  package init(countMax: Int) { self.countMax = countMax }

  package var count: Int { states.withLock { $0.bySeries.count } }

  /// Adds the points to their totals, in the order of their times; `now` is the receiver's time in ms since 1970.
  ///
  /// Of the values of one point of the sender, as a histogram's, all are taken or none.
  package func apply(_ values: [DeltaPoint], now: Int64) -> Applied {
    let ordered = values.sorted { ($0.time, $0.point) < ($1.time, $1.point) }
    return states.withLock { states in
      var applied = Applied()
      var rest = ordered[...]
      while let first = rest.first {
        let group = rest.prefix { $0.time == first.time && $0.point == first.point }
        rest = rest[group.endIndex...]
        apply(group, now: now, to: &states, &applied)
      }
      return applied
    }
  }

  private func apply(
    _ group: ArraySlice<DeltaPoint>, now: Int64, to states: inout States, _ applied: inout Applied
  ) {
    var growth = 0
    for value in group {
      guard let state = states.bySeries[value.series] else {
        growth += value.value.weight
        continue
      }
      guard value.time > state.last else {
        applied.rejections.add(
          .deltaNotAfterLast, detail: "a point of delta temporality at \(value.time) ms is not after the last one")
        return
      }
      growth += max(0, value.value.weight - state.total.weight)
    }
    guard growth == 0 || hasRoom(for: growth, now: now, &states) else {
      applied.rejections.add(.deltaLimit, detail: "more than \(countMax) series of delta temporality")
      return
    }
    var beginsPoint = true
    for value in group {
      let before = states.bySeries[value.series]
      var state = before ?? State(total: value.value.zero, last: .min, start: 0, seen: now)
      // A series that a point names twice counts once.
      guard value.time > state.last else { continue }
      if before == nil, value.start > 0, value.start < value.time { state.start = value.start }
      state.total = state.total.adding(value.value)
      state.last = value.time
      state.seen = now
      states.set(state, for: value.series)
      applied.undo.append((value.series, before, state))
      applied.rows.append(
        Applied.Row(
          series: value.series, start: state.start, time: value.time, total: state.total, isFirst: before == nil,
          beginsPoint: beginsPoint))
      beginsPoint = false
    }
  }

  /// Where it is full, forgets the series that have been idle for long.
  ///
  /// False where that does not make enough room. What is in use is never forgotten for what is new: a flood of new
  /// series must not reset the totals of all others.
  private func hasRoom(for growth: Int, now: Int64, _ states: inout States) -> Bool {
    if states.weight + growth <= countMax { return true }
    if let swept = states.swept, now >= swept, now &- swept < Self.sweepMilliseconds { return false }
    states.swept = now
    states.bySeries = states.bySeries.filter { now &- $0.value.seen < Self.idleMilliseconds }
    states.weight = states.bySeries.values.reduce(0) { $0 + $1.total.weight }
    return states.weight + growth <= countMax
  }

  /// Takes back the rows of `range` that were applied but could not be stored, so that the sender's next try counts.
  ///
  /// A series that has moved on since stays.
  package func rollback(_ applied: Applied, _ range: Range<Int>) {
    states.withLock { states in
      for (series, before, after) in applied.undo[range].reversed() where states.bySeries[series] == after {
        states.set(before, for: series)
      }
    }
  }
}

extension DeltaAccumulator.Applied {
  /// Some of the rows as a batch.
  struct Part {
    let batch: SeriesBatch
    let rows: Range<Int>
    /// Points of the sender.
    let pointCount: Int
    /// Zeros at the start of series, which no sender counts.
    let zeroCount: Int
  }

  /// A batch is cut before it grows larger than this many bytes: a row has 60 at most, that of a histogram some KiB.
  static let cutBytes = Frame.bytesMax - (1 << 20)

  /// The rows as batches that fit into frames.
  ///
  /// They are named after `batchID`, downwards.
  func parts(tenant: TenantID, batchID: Hash128, cutBytes: Int = cutBytes) -> [Part] {
    var parts: [Part] = []
    var builder = SeriesBatchBuilder()
    var begin = 0
    var (pointCount, zeroCount) = (0, 0)
    func cut(at end: Int) {
      let id = Hash128(high: batchID.high, low: batchID.low &- UInt64(parts.count))
      if let batch = builder.build(tenant: tenant, batchID: id) {
        parts.append(Part(batch: batch, rows: begin..<end, pointCount: pointCount, zeroCount: zeroCount))
      }
      begin = end
      (pointCount, zeroCount) = (0, 0)
    }
    for (index, row) in rows.enumerated() {
      // The values of one point stay together.
      if row.beginsPoint, builder.byteCountEstimate > cutBytes { cut(at: index) }
      builder.beginSeries(row.series, startTimestamp: row.start == 0 ? nil : row.start)
      if row.isFirst, row.start != 0 {
        builder.append(timestamp: row.start, row.total.zero)
        zeroCount += 1
      }
      builder.append(timestamp: row.time, row.total)
      if row.beginsPoint { pointCount += 1 }
    }
    cut(at: rows.count)
    return parts
  }
}
