import NeedletailBlocks
import NeedletailTelemetry

// What a digest is of: all samples, histograms and exemplars that the engine holds in the window and that no deletion
// names, each series' settled as queries settle them, but a float sample that a histogram hides counts too. So two
// engines that were given the same agree, in whatever order it came and however often, whether it lies in a head, in
// many parts or in one. Retention counts by whole hours: of an hour that has begun to leave it nothing is told, since how
// much of that is still there depends on how parts were merged. What is later no part lacks that was dropped.

/// The state of an engine at one instant, as digests and exports read it.
struct SlotSnapshot {
  let heads: [SeriesHead]
  let parts: [SeriesPart]
  let deletions: [PartID: PartDeletions]
  let unreadable: [(record: PartRecord, damage: SeriesDamage)]
  /// The earliest time, in ms, that is kept.
  let earliest: Int64

  /// Whether something of the window may be told.
  func isKept(_ window: SeriesWindow) -> Bool {
    earliest == .min || window.range.startMilliseconds >= earliest
  }

  /// Throws where something of the window cannot be read.
  func check(_ window: SeriesWindow) throws(SeriesDigestError) {
    for entry in unreadable where entry.record.summary.overlaps(window.range) { throw .damage(entry.damage) }
  }
}

extension SeriesEngine {
  /// By how much, in ms, clocks of replicas may differ without a read missing anything.
  private static let clockToleranceMilliseconds: Int64 = 600_000

  /// The first time, in ms, from which on digests of all replicas tell, also where their clocks are ahead of this one's:
  /// the begin of an hour; the earliest of all where nothing expires.
  ///
  /// What is earlier is about to expire, and replicas may have more of it or less.
  package var comparedFrom: Int64 {
    let earliest = options.retention.earliest(now: now)
    guard earliest > .min else { return .min }
    let ahead = Self.clockToleranceMilliseconds + SeriesWindow.milliseconds - 1
    let (edge, isFar) = earliest.addingReportingOverflow(ahead)
    return isFar ? .max : SeriesWindow(of: edge).range.startMilliseconds
  }

  var slotSnapshot: SlotSnapshot {
    let earliest = options.retention.earliest(now: now)
    return state.withLock { state in
      SlotSnapshot(
        heads: [state.head] + (state.frozen.map { [$0] } ?? []), parts: state.parts, deletions: state.deletions,
        unreadable: state.unread, earliest: earliest)
    }
  }

  /// The digest of what the engine holds of a slot in a window; of nothing where the map has no such slot.
  ///
  /// Exact always. Where the window lies in one head or part, or in several that follow each other in time, and nothing
  /// of it is deleted, a block of each part tells, and the sums that a head keeps up; of a head not where something came
  /// late, or into too many windows. Otherwise the slot's series are read in that window, for which every series that a
  /// head has something of is looked at. What is appended meanwhile may be in it or not. Blocks.
  package func digest(slot: UInt16, window: SeriesWindow) throws(SeriesDigestError) -> SeriesDigest {
    guard Int(slot) < slots.count else { return SeriesDigest() }
    return try digests([window], only: slot, slotSnapshot)[0][Int(slot)]
  }

  /// The digests of all slots in a window, by slot; as `digest` has them.
  ///
  /// Reads what it must in one pass, one series after the other. Blocks.
  package func digests(window: SeriesWindow) throws(SeriesDigestError) -> [SeriesDigest] {
    try digests([window], only: nil, slotSnapshot)[0]
  }

  /// The digests of some windows, which are ascending, by slot; what heads tell is looked up once for all of them.
  func digests(
    _ windows: [SeriesWindow], only slot: UInt16?, _ snapshot: SlotSnapshot
  ) throws(SeriesDigestError) -> [[SeriesDigest]] {
    guard let first = windows.first, let last = windows.last else { return [] }
    let heads = snapshot.heads.map { HeadReading($0, slots, only: slot, first...last) }
    var result: [[SeriesDigest]] = []
    for window in windows { result.append(try digests(window, only: slot, snapshot, heads)) }
    return result
  }

  private func digests(
    _ window: SeriesWindow, only slot: UInt16?, _ snapshot: SlotSnapshot, _ heads: [HeadReading]
  ) throws(SeriesDigestError) -> [SeriesDigest] {
    guard snapshot.isKept(window) else { return [SeriesDigest](repeating: SeriesDigest(), count: slots.count) }
    try snapshot.check(window)
    var reading = DigestReading(window, slots, only: slot)
    for head in heads { reading.add(head) }
    let range = window.range
    do throws(SeriesDamage) {
      for part in snapshot.parts where part.overlaps(range) {
        let own = snapshot.deletions[part.record.id]
        let index = PartIndex(part, cache: blocks, deletions: own)
        try reading.add(part, index, isTold: !(own?.touches(range) ?? false))
      }
    } catch { throw .damage(error) }
    return try reading.run()
  }
}
