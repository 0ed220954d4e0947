// Merges and retention both replace parts, and may run at the same time, each for as long as it takes. They keep out of
// each other's way by claims, as those of events do: whoever begins takes parts that are claimed by nobody, under the
// state's lock, which is held for no longer than that. A flush takes no claim and needs none: it only adds parts.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

extension SeriesEngine {
  private var mergePolicy: MergePolicy {
    MergePolicy(
      fanIn: max(2, options.mergeFanIn), bytesMax: options.mergedPartBytesMax,
      quietMilliseconds: options.closedDayQuietMilliseconds)
  }

  /// Merges parts of a day into one, until there is nothing to merge; queries, appends, flushes and retention go on
  /// meanwhile, and wait for none of it.
  ///
  /// Blocks for as long as that takes. When its task is cancelled it ends soon, throws `.cancelled`, and leaves the
  /// parts of the merge under way as they were. After any other error it may be called again; where a part turned out
  /// to be damaged, it is left alone until the next start, so that one bad block does not keep all other parts from
  /// being merged. A part of which much is deleted is rewritten by itself. Keeps to a pace where one is given; nobody
  /// else waits for its pauses. Returns how many parts there are fewer.
  package func mergeParts(at pace: PacedWork? = nil) throws(SeriesMaintenanceError) -> Int {
    try settle()
    var merged = 0
    pace?.begin()
    while true {
      if Task.isCancelled { throw .cancelled }
      var chosen = claimPartsToMerge()
      if chosen.isEmpty, let part = claimPartToRewrite() { chosen = [part] }
      guard !chosen.isEmpty else { return merged }
      merged += chosen.count - (try replace(chosen, pace) == nil ? 0 : 1)
    }
  }

  private func claimPartsToMerge() -> [SeriesPart] {
    let (policy, now) = (mergePolicy, now)
    return state.withLock { state in
      let others = state.claimed.union(state.spared)
      let free = state.parts.filter { !others.contains($0.record.id) }
      let ids = Set(policy.choose(free.map(\.record), lastAdded: state.lastAdded, now: now))
      state.claimed.formUnion(ids)
      return free.filter { ids.contains($0.record.id) }
    }
  }

  /// Settles what earlier commits left open.
  func settle() throws(SeriesMaintenanceError) {
    do throws(CatalogError) {
      try replacing.withLock { (_) throws(CatalogError) in try settleUntold() }
    } catch {
      throw .catalog(error)
    }
  }

  func release(_ ids: some Sequence<PartID>) { state.withLock { $0.claimed.subtract(ids) } }

  /// Puts a part with all that is left of some others, which are claimed, in their place; nil where nothing is left.
  ///
  /// Then they are claimed no more, unless it is not known whether the catalog has it: `settleUntold` releases them then.
  @discardableResult
  func replace(_ old: [SeriesPart], _ pace: PacedWork? = nil) throws(SeriesMaintenanceError) -> SeriesPart? {
    var keepsClaims = false
    defer { if !keepsClaims { release(old.map(\.record.id)) } }
    let deletions = state.withLock { $0.deletions }
    let new: SeriesPart?
    do throws(SeriesMaintenanceError) {
      let record = try SeriesPartMerge.merge(
        old, deletions, options: options, slots: slots, to: folder, pace: pace)
      if let record { new = try open(record) } else { new = nil }
    } catch {
      if case .damage(let damage) = error { spare(damage.part, of: old) }
      throw error
    }
    let ids = Set(old.map(\.record.id))
    try replacing.withLock { (_) throws(SeriesMaintenanceError) in
      defer { keepsClaims = isUntold(ids) }
      try commit(new, for: ids, applied: deletions)
    }
    counters.withLock { $0.mergedParts += UInt64(ids.count) }
    remove(ids)
    return new
  }

  /// Puts a part in the place of others, in the catalog and for queries; under `replacing`.
  func commit(
    _ new: SeriesPart?, for ids: Set<PartID>, applied: [PartID: PartDeletions]
  ) throws(SeriesMaintenanceError) {
    var tombstones: [PartTombstone] = []
    if let new {
      let now = state.withLock { $0.deletions }
      let late = ids.reduce(into: Set<[UInt8]>()) { late, id in
        late.formUnion(Set(now[id]?.contents ?? []).subtracting(applied[id]?.contents ?? []))
      }
      tombstones = late.map { PartTombstone(part: new.record.id, content: $0) }
    }
    let added = new.map { [$0.record] } ?? []
    do throws(CatalogError) {
      try folder.commit(to: catalog, adding: added, removing: ids.sorted(), tombstones: tombstones)
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      let untold = UntoldReplacement(new: new, old: ids, tombstones: tombstones)
      let listed = try? catalog.list(.series)
      guard let listed, untold.isDone(in: listed) else {
        // It may still come back, and then needs the folder.
        folder.doubt(added)
        if listed == nil { state.withLock { $0.untold.append(untold) } }
        throw .catalog(error)
      }
    }
    take(UntoldReplacement(new: new, old: ids, tombstones: tombstones))
  }

  /// Puts a part in the place of others for queries, once the catalog has that.
  func take(_ replacement: UntoldReplacement) {
    folder.condemn(replacement.old)
    let late = PartDeletions.adding(replacement.tombstones, to: [:])
    state.withLock { state in
      state.parts.removeAll { replacement.old.contains($0.record.id) }
      if let new = replacement.new { state.parts.append(new) }
      for id in replacement.old { state.deletions[id] = nil }
      state.deletions.merge(late) { $1 }
      guard replacement.isDrop else { return }
      state.unreadable.removeAll { replacement.old.contains($0.record.id) }
      state.spared.subtract(replacement.old)
      let days = Set(state.parts.map(\.record.summary.partition))
      state.lastAdded = state.lastAdded.filter { days.contains($0.key) }
    }
    if replacement.isDrop { changes.withLock { $0.noteAll() } }
  }

  /// Leaves the damaged part alone; all of the merge where it was none of them.
  private func spare(_ id: PartID, of parts: [SeriesPart]) {
    let ids = parts.map(\.record.id)
    state.withLock { $0.spared.formUnion(ids.contains(id) ? [id] : ids) }
  }

  /// Opens a part that was just written; removes it where that fails.
  private func open(_ record: PartRecord) throws(SeriesMaintenanceError) -> SeriesPart {
    do throws(SeriesDamage) {
      return try SeriesPart(record, in: folder)
    } catch {
      remove([record.id])
      throw .damage(error)
    }
  }

  /// Removes folders of parts that the catalog does not list any more.
  ///
  /// Queries that are under way keep the files. A folder that cannot be removed now is a leftover that the next start
  /// removes.
  func remove(_ ids: Set<PartID>) {
    var failures: UInt64 = 0
    for id in ids.sorted() {
      blocks.remove(id)
      do throws(FileError) { try folder.remove(id) } catch { failures += 1 }
    }
    if failures > 0 { counters.withLock { [failures] in $0.partRemovalFailures += failures } }
  }

  // MARK: - Retention

  /// Removes the parts that hold nothing of the retention any more, when it is `now` (ms since 1970), and the oldest
  /// days as long as all parts together take more than the retention's bytes: one transaction of the catalog, then
  /// their folders.
  ///
  /// Queries that run go on reading them. `now` counts as at most a day after the newest sample of any part: a clock
  /// that jumps ahead must not remove everything at once. The newest day is never removed for its size. Parts that are
  /// being merged are left to a later pass. Returns the removed parts.
  @discardableResult
  package func enforceRetention(now: Int64) throws(CatalogError) -> [PartRecord] {
    try replacing.withLock { (_) throws(CatalogError) in try settleUntold() }
    let expired = claimExpiredParts(now: now)
    guard !expired.isEmpty else { return [] }
    let ids = Set(expired.map(\.id))
    var keepsClaims = false
    defer { if !keepsClaims { release(ids) } }
    try replacing.withLock { (_) throws(CatalogError) in
      defer { keepsClaims = isUntold(ids) }
      try drop(ids)
    }
    counters.withLock { $0.droppedParts += UInt64(ids.count) }
    forgetMetadata()
    remove(ids)
    return expired
  }

  /// Drops parts from the catalog, and for queries; under `replacing`.
  func drop(_ ids: Set<PartID>) throws(CatalogError) {
    let replacement = UntoldReplacement(new: nil, old: ids, tombstones: [], isDrop: true)
    do throws(CatalogError) {
      try folder.commit(to: catalog, removing: ids.sorted())
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      let listed = try? catalog.list(.series)
      guard let listed, replacement.isDone(in: listed) else {
        if listed == nil { state.withLock { $0.untold.append(replacement) } }
        throw error
      }
    }
    take(replacement)
  }

  private func claimExpiredParts(now: Int64) -> [PartRecord] {
    state.withLock { state in
      let records = state.parts.map(\.record) + state.unreadable.map(\.record)
      guard let newest = records.map(\.summary.maxTime).max() else { return [] }
      let (latest, isFar) = newest.addingReportingOverflow(Self.dayMilliseconds)
      let earliest = options.retention.earliest(now: isFar ? now : min(now, latest))
      let old = Set(records.filter { $0.summary.maxTime < earliest }.map(\.id))
      let tooMuch = daysOverSize(records.filter { !old.contains($0.id) }, claimed: state.claimed)
      let expired = records.filter {
        !state.claimed.contains($0.id) && (old.contains($0.id) || tooMuch.contains($0.summary.partition))
      }
      state.claimed.formUnion(expired.map(\.id))
      return expired
    }
  }

  /// The oldest days that have to go for the rest to fit into the retention's bytes.
  private func daysOverSize(_ records: [PartRecord], claimed: Set<PartID>) -> Set<Int64> {
    guard let bytesMax = options.retentionBytes else { return [] }
    var bytes = records.reduce(UInt64(0)) { $0 &+ $1.bytes }
    let days = Dictionary(grouping: records) { $0.summary.partition }
    var dropped = Set<Int64>()
    for day in days.keys.sorted().dropLast() where bytes > bytesMax {
      guard let parts = days[day] else { continue }
      // A merge holds the day: a later one must not go before it.
      if parts.contains(where: { claimed.contains($0.id) }) { break }
      dropped.insert(day)
      bytes -= parts.reduce(0) { $0 &+ $1.bytes }
    }
    return dropped
  }

  /// Forgets the descriptions of which no part and no head knows any more, so that others find room.
  ///
  /// O(descriptions in all parts), but holds the lock only for those of the heads.
  func forgetMetadata() {
    let (heads, parts) = state.withLock { ([$0.head, $0.frozen].compactMap { $0 }, $0.parts) }
    var metadata = MetricDescriptions(bytesMax: options.metadataBytesMax)
    metadata.add(of: heads, parts.byAge)
    let seen = Set(parts.map(\.record.id))
    state.withLock { [metadata] state in
      let before = state.metadata
      state.metadata = metadata
      state.metadata.follow(before)
      // What came meanwhile, and what was flushed.
      let later = state.parts.filter { !seen.contains($0.record.id) }
      state.metadata.add(of: [state.head, state.frozen].compactMap { $0 }, later.byAge)
    }
  }
}
