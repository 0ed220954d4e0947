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
      try catalog.commit(adding: [new.record], removing: Array(ids), flushedThroughGeneration: nil)
    } catch {
      // The answer may have been lost after the commit was done: only the catalog can tell.
      guard let listed = try? catalog.list(partKind) else { throw .catalog(error) }
      if !listed.contains(new.record) {
        remove([new.record.id])
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
  /// Returns how many.
  package func enforceRetention(now: Int64) throws(EventEngineError) -> Int {
    guard let retention = options.retentionNanoseconds else { return 0 }
    let (oldest, overflow) = now.subtractingReportingOverflow(retention)
    guard !overflow else { return 0 }
    return try maintenance.withLock { _ throws(EventEngineError) in
      let records = state.withLock { $0.parts.map(\.record) + $0.unreadable.map(\.record) }
      let expired = Set(records.filter { $0.summary.maxTime < oldest }.map(\.id))
      guard !expired.isEmpty else { return 0 }
      do throws(CatalogError) {
        try catalog.commit(adding: [], removing: Array(expired), flushedThroughGeneration: nil)
      } catch {
        throw .catalog(error)
      }
      let live = state.withLock { state in
        state.parts.removeAll { expired.contains($0.record.id) }
        state.unreadable.removeAll { expired.contains($0.record.id) }
        state.statistics.droppedParts += UInt64(expired.count)
        var live = state.head.streamIdentities.union(state.frozen?.streamIdentities ?? [])
        for part in state.parts { live.formUnion(part.streams.map(\.identity)) }
        return live
      }
      streams.keep(live)
      remove(expired)
      return expired.count
    }
  }
}
