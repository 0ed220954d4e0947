// A deletion begins with a flush: all that was acknowledged before is in parts then, and what comes later is not. So a
// deletion is told by the parts that it applies to, all that there are: whatever is appended afterwards goes into other
// parts, which nothing names, be it of the same series and times. That needs neither clocks nor numbers of the log, and
// the heads know nothing of deletions.
//
// A part's tombstones live in the catalog, where the transaction that removes the part removes them. Queries leave out
// what they name from that instant on; a merge leaves it out for good. A merge that was under way when a deletion came
// has read its parts already, all of which existed then: the deletion is handed down to the new part.

import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

extension SeriesEngine.State {
  /// Takes the tombstones of the engine's parts; those of other engines' are passed over.
  mutating func add(_ tombstones: [PartTombstone]) {
    let known = Set(parts.map(\.record.id) + unreadable.map(\.record.id))
    deletions = PartDeletions.adding(tombstones.filter { known.contains($0.part) }, to: [:])
  }

  /// How many tombstones there are.
  var tombstoneCount: Int { deletions.values.reduce(0) { $0 + $1.contents.count } }
}

extension SeriesEngine {
  /// Tombstones that there may be at most, counted once for each part.
  static let tombstonesMax = 20_000
  /// The most bytes that one may have.
  static let tombstoneBytesMax = 16 << 10

  /// Deletes the samples, histograms and exemplars within the range (ms, both ends included) of the tenant's series that
  /// satisfy all matchers, of which there has to be one at least.
  ///
  /// All that was acknowledged before the call is gone from every query that begins after it returns; from disk, once
  /// the parts that hold it are merged, rewritten or dropped. What is appended after it returned stays. Flushes first,
  /// and blocks for as long as that takes.
  ///
  /// Lists of label names and values that ask for no series may tell what deleted series had, until then; and a series
  /// may be listed without a sample where several deletions together took all of it.
  ///
  /// **Durability**: survives a power cut when it returns. Throws `.malformed`, `.overloaded` where too many deletions
  /// wait for merges, and `.unavailable`, after which it is not known whether it was done. Returns the parts that it
  /// applies to.
  @discardableResult
  package func delete(
    tenant: TenantID, _ matchers: [LabelMatcher], _ range: TimeRange
  ) throws(SeriesEngineError) -> [PartID] {
    guard !matchers.isEmpty else { throw .malformed("a deletion needs a matcher") }
    guard let journal = currentJournal else { throw .unavailable(reason: "the engine was not started") }
    let deletion = SeriesDeletion(tenant: tenant, matchers: matchers, range: range)
    let content = deletion.encoded()
    guard content.count <= Self.tombstoneBytesMax else { throw .malformed("the matchers are too long") }
    do {
      _ = try journal.flush()
      try journal.removeFlushedLog()
    } catch { throw .unavailable(reason: "\(error)") }
    return try replacing.withLock { (_) throws(SeriesEngineError) in
      do throws(CatalogError) { try settleUntold() } catch { throw .unavailable(reason: "\(error)") }
      // What parts hold that were replaced or dropped must not come back either.
      do throws(FileError) { try folder.retireCondemned() } catch { throw .unavailable(reason: "\(error)") }
      let parts = partsWith(deletion)
      guard !parts.isEmpty else { return [] }
      guard state.withLock({ $0.tombstoneCount }) + parts.count <= Self.tombstonesMax else {
        throw .overloaded("too many deletions wait for their parts to be merged")
      }
      let tombstones = parts.map { PartTombstone(part: $0, content: content) }
      do throws(CatalogError) {
        try folder.commit(to: catalog, tombstones: tombstones)
      } catch {
        // The answer may have been lost after the commit was done: only the catalog can tell.
        guard let listed = try? catalog.tombstones(), Set(listed).isSuperset(of: tombstones) else {
          throw .unavailable(reason: "\(error)")
        }
      }
      let changed = PartDeletions.adding(tombstones, to: state.withLock { $0.deletions })
      state.withLock { $0.deletions.merge(changed) { $1 } }
      changes.withLock { $0.noteAll() }
      return parts
    }
  }

  /// The parts that hold, or may hold, something of what a deletion names.
  private func partsWith(_ deletion: SeriesDeletion) -> [PartID] {
    let (parts, unreadable) = state.withLock { ($0.parts, $0.unreadable) }
    var result = unreadable.filter { $0.record.summary.overlaps(deletion.range) }.map(\.record.id)
    for part in parts where part.overlaps(deletion.range) {
      var deleted = DeletedSeries()
      // One that cannot tell is named: it may be repaired.
      let isTold = (try? deleted.add(deletion, in: PartIndex(part, cache: blocks))) != nil
      if !isTold || !deleted.isEmpty { result.append(part.record.id) }
    }
    return result.sorted()
  }

  /// Rewrites every part that has something deleted, without it, and returns how many were.
  ///
  /// Blocks for as long as that takes. Parts that a merge is working on are left to it, and with them what was deleted
  /// since it began. Where a part is damaged, or writing fails, the others are rewritten all the same, and the first
  /// error is thrown at the end; but at once when its task is cancelled.
  package func cleanTombstones() throws(SeriesMaintenanceError) -> Int {
    try settle()
    var tried: Set<PartID> = []
    var rewritten = 0
    var problem: SeriesMaintenanceError?
    while let part = claimPartToClean(besides: tried) {
      tried.insert(part.record.id)
      if Task.isCancelled {
        release([part.record.id])
        throw .cancelled
      }
      do throws(SeriesMaintenanceError) {
        try replace([part])
        rewritten += 1
      } catch {
        if error == .cancelled { throw error }
        if problem == nil { problem = error }
      }
    }
    if let problem { throw problem }
    return rewritten
  }

  private func claimPartToClean(besides tried: Set<PartID>) -> SeriesPart? {
    state.withLock { state in
      let others = state.claimed.union(state.spared).union(tried)
      let free = state.parts.filter { !others.contains($0.record.id) && state.deletions[$0.record.id] != nil }
      guard let part = free.min(by: { $0.record.id < $1.record.id }) else { return nil }
      state.claimed.insert(part.record.id)
      return part
    }
  }

  /// A part that is worth being rewritten for what is deleted of it, claimed.
  func claimPartToRewrite() -> SeriesPart? {
    let candidates = state.withLock { state in
      let others = state.claimed.union(state.spared)
      return state.parts.filter { !others.contains($0.record.id) }
        .compactMap { part in state.deletions[part.record.id].map { (part, $0) } }
    }
    for (part, deletions) in candidates {
      let index = PartIndex(part, cache: blocks, deletions: deletions)
      guard deletions.areWorthRewriting(index) else { continue }
      let isClaimed = state.withLock { state in
        guard state.parts.contains(where: { $0 === part }) else { return false }
        return !state.spared.contains(part.record.id) && state.claimed.insert(part.record.id).inserted
      }
      if isClaimed { return part }
    }
    return nil
  }
}
