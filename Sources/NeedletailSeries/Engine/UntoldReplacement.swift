// A commit whose answer was lost, and of which the catalog could not tell either whether it was done. Until it can, the
// engine answers from the old parts, which hold the same; nothing else replaces them, or both would be listed. Nothing is
// deleted before it is known, because a deletion has to name the parts that the catalog lists.

import NeedletailBlocks
import NeedletailEnvironment

/// A part in the place of others, as it was to be committed.
struct UntoldReplacement: Sendable {
  /// The new part; nil where nothing was left of the old ones.
  var new: SeriesPart?
  /// The parts that it replaces.
  var old: Set<PartID>
  /// What is deleted of the new part.
  var tombstones: [PartTombstone]
  /// Whether the retention dropped the old ones.
  var isDrop = false

  /// Whether a catalog that lists these parts has it.
  func isDone(in listed: [PartRecord]) -> Bool {
    if let new, !listed.contains(new.record) { return false }
    return !listed.contains { old.contains($0.id) }
  }
}

extension SeriesEngine {
  /// Whether it is not known what became of a replacement of these parts; under `replacing`.
  func isUntold(_ old: Set<PartID>) -> Bool { state.withLock { $0.untold.contains { $0.old == old } } }

  /// Takes over what the catalog turns out to have, of replacements of which that was not known; under `replacing`.
  ///
  /// Throws where the catalog still cannot tell.
  func settleUntold() throws(CatalogError) {
    guard !state.withLock({ $0.untold.isEmpty }) else { return }
    let listed = try catalog.list(.series)
    let untold = state.withLock { state in
      defer { state.untold = [] }
      return state.untold
    }
    for replacement in untold {
      if replacement.isDone(in: listed) {
        take(replacement)
        counters.withLock { counters in
          if replacement.isDrop {
            counters.droppedParts += UInt64(replacement.old.count)
          } else {
            counters.mergedParts += UInt64(replacement.old.count)
          }
        }
        remove(replacement.old)
      } else {
        folder.unmark(replacement.old)
      }
      release(replacement.old)
    }
  }
}
