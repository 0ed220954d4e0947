// Merges and retention both replace parts, and may run at the same time, each for as long as it takes. They keep out of
// each other's way by claims: whoever begins takes parts that are claimed by nobody, under the state's lock, which is
// held for no longer than that; so neither waits for the other's disk, and no part is dropped while a merge carries its
// rows over, or merged while it is dropped. A flush takes no claim and needs none: it only adds parts. The catalog puts
// the commits of all three in a row.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

extension EventEngine {
  /// Merges small parts of a day into one, until there is nothing to merge; queries, appends, flushes and retention go
  /// on meanwhile, and wait for none of it.
  ///
  /// Blocks for as long as that takes. When its task is cancelled it ends at the next block, throws `.cancelled`, and
  /// leaves the parts of the merge under way as they were. After any other error it may be called again; where a part
  /// turned out to be damaged, the parts of that merge are left alone until the next start, so that one bad block does
  /// not keep all other parts from being merged. Keeps to a pace where one is given; nobody else waits for its pauses.
  /// Returns how many parts there are fewer.
  package func mergeParts(at pace: PacedWork? = nil) throws(EventEngineError) -> Int {
    var merged = 0
    pace?.begin()
    while true {
      if Task.isCancelled { throw .cancelled }
      let chosen = claimPartsToMerge()
      guard !chosen.isEmpty else { return merged }
      defer { release(chosen.map(\.record.id)) }
      try replace(chosen, pace)
      merged += chosen.count - 1
    }
  }

  private func claimPartsToMerge() -> [EventPart] {
    state.withLock { state in
      let chosen = PartMerge.choose(state.parts, without: state.claimed.union(state.spared))
      state.claimed.formUnion(chosen.map(\.record.id))
      return chosen
    }
  }

  func release(_ ids: some Sequence<PartID>) { state.withLock { $0.claimed.subtract(ids) } }

  private func replace(_ old: [EventPart], _ pace: PacedWork?) throws(EventEngineError) {
    let new: EventPart
    do throws(EventEngineError) {
      new = try open(try PartMerge.merge(old, isSpans: isSpans, slots: slots, to: folder, pace: pace))
    } catch {
      if case .cancelled = error { throw error }
      note(failed: 1)
      if case .block(.damaged) = error { state.withLock { $0.spared.formUnion(old.map(\.record.id)) } }
      throw error
    }
    let ids = Set(old.map(\.record.id))
    do throws(CatalogError) {
      try folder.commit(to: catalog, adding: [new.record], removing: Array(ids))
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      guard let listed = try? catalog.list(partKind) else {
        folder.doubt([new.record])
        // Merged again they would be listed twice.
        state.withLock { $0.spared.formUnion(ids) }
        throw .catalog(error)
      }
      if !listed.contains(new.record) {
        // It may still come back, and then needs the folder.
        folder.doubt([new.record])
        throw .catalog(error)
      }
    }
    state.withLock { state in
      state.parts.removeAll { ids.contains($0.record.id) }
      state.parts.append(new)
      state.statistics.mergedParts += UInt64(ids.count)
    }
    remove(ids)
  }

  /// Opens a part that was just written; removes it where that fails.
  private func open(_ record: PartRecord) throws(EventEngineError) -> EventPart {
    do throws(BlockError) {
      return try EventPart(try folder.open(record), table: streams)
    } catch {
      remove([record.id])
      throw .block(error)
    }
  }

  /// Removes folders of parts that the catalog does not list any more.
  ///
  /// Queries that are under way keep the open files.
  private func remove(_ ids: Set<PartID>) {
    var failures: UInt64 = 0
    for id in ids { do throws(FileError) { try folder.remove(id) } catch { failures += 1 } }
    state.withLock { $0.statistics.partRemovalFailures += failures }
  }

  /// Drops the parts whose newest event is beyond the retention, readable or not.
  ///
  /// `now`, in nanoseconds since 1970, counts as at most a day after the newest event of any part: a clock that jumps
  /// ahead must not drop everything at once. Also forgets the streams that nothing is of any more, whether there is a
  /// retention or not. Parts that are being merged are left to a later pass. Returns how many parts were dropped.
  package func enforceRetention(now: Int64) throws(EventEngineError) -> Int {
    let expired = claimExpiredParts(now: now)
    defer { release(expired) }
    if !expired.isEmpty { try drop(expired) }
    let (live, parts) = state.withLock { state in
      (state.head.streamIdentities.union(state.frozen?.streamIdentities ?? []), state.parts)
    }
    streams.keep(parts.reduce(into: live) { live, part in live.formUnion(part.streams.map(\.identity)) })
    return expired.count
  }

  private func claimExpiredParts(now: Int64) -> Set<PartID> {
    guard let retention = options.retentionNanoseconds else { return [] }
    return state.withLock { state in
      let records = state.parts.map(\.record) + state.unreadable.map(\.record)
      guard let newest = records.map(\.summary.maxTime).max() else { return [] }
      let (latest, isFar) = newest.addingReportingOverflow(PartFormat.nanosecondsPerDay)
      let (oldest, overflow) = (isFar ? now : min(now, latest)).subtractingReportingOverflow(retention)
      guard !overflow else { return [] }
      let expired = Set(records.filter { $0.summary.maxTime < oldest }.map(\.id)).subtracting(state.claimed)
      state.claimed.formUnion(expired)
      return expired
    }
  }

  func drop(_ expired: Set<PartID>) throws(EventEngineError) {
    do throws(CatalogError) {
      try folder.commit(to: catalog, removing: Array(expired))
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      guard let listed = try? catalog.list(partKind), !listed.contains(where: { expired.contains($0.id) }) else {
        throw .catalog(error)
      }
    }
    state.withLock { state in
      state.parts.removeAll { expired.contains($0.record.id) }
      state.unreadable.removeAll { expired.contains($0.record.id) }
      state.spared.subtract(expired)
      state.statistics.droppedParts += UInt64(expired.count)
    }
    remove(expired)
  }
}
