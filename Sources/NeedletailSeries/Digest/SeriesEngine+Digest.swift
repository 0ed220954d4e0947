import NeedletailTelemetry

// What a digest is of: all samples, histograms and exemplars that the engine holds in the window and that no deletion
// names, each series' settled as queries settle them, but a float sample that a histogram hides counts too. So two
// engines that were given the same agree, in whatever order it came and however often, whether it lies in a head, in
// many parts or in one. Retention counts by whole days: of a day that has begun to leave it, nothing is told, since how
// much of it is still there depends on how parts were merged.

extension SeriesEngine {
  /// The digest of what the engine holds of a slot in a window; of nothing where the map has no such slot.
  ///
  /// Exact always. Where the window lies in one head or part, or in several that follow each other in time, and nothing
  /// of it is deleted, a block of each part tells, and the sums that a head keeps up; of a head not where something came
  /// late, or into too many windows. Otherwise the slot's series are read in that window, for which every series that a
  /// head has something of is looked at. What is appended meanwhile may be in it or not. Blocks.
  package func digest(slot: UInt16, window: SeriesWindow) throws(SeriesDigestError) -> SeriesDigest {
    guard Int(slot) < slots.count else { return SeriesDigest() }
    return try digestReading(window, only: slot).run()[Int(slot)]
  }

  /// The digests of all slots in a window, by slot; as `digest` has them.
  ///
  /// Reads what it must in one pass, one series after the other. Blocks.
  package func digests(window: SeriesWindow) throws(SeriesDigestError) -> [SeriesDigest] {
    try digestReading(window, only: nil).run()
  }

  private func digestReading(
    _ window: SeriesWindow, only slot: UInt16?
  ) throws(SeriesDigestError) -> DigestReading {
    let (heads, parts, deletions, unreadable) = state.withLock { state in
      ([state.head] + (state.frozen.map { [$0] } ?? []), state.parts, state.deletions, state.unreadable)
    }
    var reading = DigestReading(window, slots, only: slot)
    let (start, isBeforeAll) = window.day.multipliedReportingOverflow(by: Self.dayMilliseconds)
    let earliest = options.retention.earliest(now: now)
    guard earliest == .min || (!isBeforeAll && start >= earliest) else { return reading }
    let range = window.range
    for entry in unreadable where entry.record.summary.overlaps(range) { throw .damage(entry.damage) }
    for head in heads { reading.add(head) }
    do throws(SeriesDamage) {
      for part in parts where part.overlaps(range) {
        let own = deletions[part.record.id]
        let index = PartIndex(part, cache: blocks, deletions: own)
        try reading.add(part, index, isTold: !(own?.touches(range) ?? false))
      }
    } catch { throw .damage(error) }
    return reading
  }
}
