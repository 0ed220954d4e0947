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
    var total: Double
    /// The time of the newest point, in ms.
    var last: Int64
    /// When the total was zero, in ms; 0 where the sender did not say.
    var start: Int64
    /// The sweep before which the series was last seen.
    var generation: UInt64
  }

  private struct States {
    var bySeries: [SeriesID: State] = [:]
    var generation: UInt64 = 0
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
      package let total: Double
      package let isFirst: Bool
    }

    package fileprivate(set) var rows: [Row] = []
    package fileprivate(set) var rejections = Rejections()
    fileprivate var undo: [(series: SeriesID, before: State?, after: State)] = []
  }

  private let countMax: Int
  private let states = Mutex(States())

  /// Keeps the totals of at most `countMax` series, at about 64 bytes each.
  package init(countMax: Int) { self.countMax = countMax }

  package var count: Int { states.withLock { $0.bySeries.count } }

  /// Adds the points to their totals, in the order of their times.
  package func apply(_ points: [DeltaPoint]) -> Applied {
    let ordered = points.sorted { $0.time < $1.time }
    return states.withLock { states in
      var applied = Applied()
      for point in ordered { apply(point, to: &states, &applied) }
      return applied
    }
  }

  private func apply(_ point: DeltaPoint, to states: inout States, _ applied: inout Applied) {
    let before = states.bySeries[point.series]
    guard var state = before else {
      guard hasRoom(&states) else {
        applied.rejections.add(.deltaLimit, detail: "more than \(countMax) series of delta temporality")
        return
      }
      let start = point.start > 0 && point.start < point.time ? point.start : 0
      let state = State(total: point.value, last: point.time, start: start, generation: states.generation)
      states.bySeries[point.series] = state
      applied.undo.append((point.series, nil, state))
      applied.rows.append(
        Applied.Row(series: point.series, start: start, time: point.time, total: point.value, isFirst: true))
      return
    }
    guard point.time > state.last else {
      applied.rejections.add(
        .deltaNotAfterLast, detail: "a point of delta temporality at \(point.time) ms is not after the last one")
      return
    }
    state.total += point.value
    state.last = point.time
    state.generation = states.generation
    states.bySeries[point.series] = state
    applied.undo.append((point.series, before, state))
    applied.rows.append(
      Applied.Row(series: point.series, start: state.start, time: point.time, total: state.total, isFirst: false))
  }

  /// Where it is full, forgets the series that were not seen since it was last full.
  ///
  /// False where there is none such.
  private func hasRoom(_ states: inout States) -> Bool {
    guard states.bySeries.count >= countMax else { return true }
    let current = states.generation
    states.bySeries = states.bySeries.filter { $0.value.generation == current }
    states.generation += 1
    return states.bySeries.count < countMax
  }

  /// Takes back what was applied but could not be stored, so that the sender's next try counts.
  ///
  /// A series that has moved on since stays.
  package func rollback(_ applied: Applied) {
    states.withLock { states in
      for (series, before, after) in applied.undo.reversed() where states.bySeries[series] == after {
        states.bySeries[series] = before
      }
    }
  }
}

extension DeltaAccumulator.Applied {
  /// The rows as a batch; nil where there are none.
  func batch(tenant: TenantID, batchID: Hash128) -> SeriesBatch? {
    var builder = SeriesBatchBuilder()
    for row in rows {
      builder.beginSeries(row.series, startTimestamp: row.start == 0 ? nil : row.start)
      if row.isFirst, row.start != 0 { builder.append(timestamp: row.start, valueBits: 0.0.bitPattern) }
      builder.append(timestamp: row.time, valueBits: row.total.bitPattern)
    }
    return builder.build(tenant: tenant, batchID: batchID)
  }
}
