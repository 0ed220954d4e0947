import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

extension EventEngine {
  /// Merges small parts of a day into one, until there is nothing to merge; queries go on meanwhile.
  ///
  /// Returns how many parts are gone.
  package func mergeParts() throws(EventEngineError) -> Int {
    try maintenance.withLock { _ throws(EventEngineError) in
      var merged = 0
      while true {
        if Task.isCancelled { throw .cancelled }
        let chosen = PartMerge.choose(state.withLock { $0.parts })
        guard !chosen.isEmpty else { return merged }
        try replace(chosen)
        merged += chosen.count - 1
      }
    }
  }

  private func replace(_ old: [EventPart]) throws(EventEngineError) {
    let new: EventPart
    do throws(BlockError) {
      let record = try PartMerge.merge(old, isSpans: isSpans, slots: slots, to: folder)
      new = try EventPart(try folder.open(record), table: streams)
    } catch {
      note(failed: 1)
      throw .block(error)
    }
    let ids = Set(old.map(\.record.id))
    do throws(CatalogError) {
      try folder.commit(to: catalog, adding: [new.record], removing: Array(ids))
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      guard let listed = try? catalog.list(partKind) else {
        folder.doubt([new.record])
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
  /// retention or not. Returns how many parts were dropped.
  package func enforceRetention(now: Int64) throws(EventEngineError) -> Int {
    try maintenance.withLock { _ throws(EventEngineError) in
      let expired = expiredParts(now: now)
      if !expired.isEmpty { try drop(expired) }
      let (live, parts) = state.withLock { state in
        (state.head.streamIdentities.union(state.frozen?.streamIdentities ?? []), state.parts)
      }
      streams.keep(parts.reduce(into: live) { live, part in live.formUnion(part.streams.map(\.identity)) })
      return expired.count
    }
  }

  private func expiredParts(now: Int64) -> Set<PartID> {
    guard let retention = options.retentionNanoseconds else { return [] }
    let records = state.withLock { $0.parts.map(\.record) + $0.unreadable.map(\.record) }
    guard let newest = records.map(\.summary.maxTime).max() else { return [] }
    let (latest, isFar) = newest.addingReportingOverflow(PartFormat.nanosecondsPerDay)
    let (oldest, overflow) = (isFar ? now : min(now, latest)).subtractingReportingOverflow(retention)
    guard !overflow else { return [] }
    return Set(records.filter { $0.summary.maxTime < oldest }.map(\.id))
  }

  private func drop(_ expired: Set<PartID>) throws(EventEngineError) {
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
      state.statistics.droppedParts += UInt64(expired.count)
    }
    remove(expired)
  }
}
