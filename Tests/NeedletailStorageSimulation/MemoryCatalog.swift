import NeedletailBlocks
import NeedletailEnvironment

/// A catalog without a disk: each call is atomic, and what it did stays for as long as the object lives.
///
/// It stands in for SQLite where a simulated machine crashes around it, and can be told to fail.
package final class MemoryCatalog: PartCatalog {
  /// How a commit that is told to fail does it.
  package enum Failure: Sendable {
    /// Nothing was done.
    case before
    /// It was done, but the caller is told that it failed: what a lost answer looks like.
    case after
    /// It was not done, but `restart` does it unless another commit succeeded meanwhile: what a commit looks like whose
    /// pages reached the catalog's own log before the error.
    case comesBack
  }

  private struct Change {
    var adding: [PartRecord]
    var removing: [PartID]
    var flushed: UInt64?
    var tombstones: [PartTombstone]
  }

  private struct State {
    var parts: [PartID: PartRecord] = [:]
    var flushed: UInt64?
    var nextID: UInt64 = 1
    var settings: [CatalogSetting: String] = [:]
    var damages: Set<LogDamage> = []
    var tombstones: Set<PartTombstone> = []
    var failure: Failure?
    var failed: Change?

    mutating func apply(_ change: Change) {
      for id in change.removing { parts[id] = nil }
      for record in change.adding {
        parts[record.id] = record
        nextID = max(nextID, record.id.rawValue + 1)
      }
      tombstones.formUnion(change.tombstones)
      tombstones = tombstones.filter { parts[$0.part] != nil }
      if let generation = change.flushed { flushed = max(flushed ?? 0, generation) }
    }
  }

  private let state = Lock(State())
  private let watcher = Lock<(@Sendable () -> Void)?>(nil)

  /// An empty catalog.
  package init() {}

  /// Another catalog that holds the same.
  package func copy() -> MemoryCatalog {
    let copy = MemoryCatalog()
    let now = state.withLock { $0 }
    copy.state.withLock { $0 = now }
    return copy
  }

  /// Makes the next `commit` fail, once.
  package func failNextCommit(_ failure: Failure) { state.withLock { $0.failure = failure } }

  /// Calls `watcher` in the middle of all commits from now on, while every other call to the catalog waits, as one to
  /// SQLite does; nil calls nobody.
  package func watchCommits(_ watcher: (@Sendable () -> Void)?) { self.watcher.withLock { $0 = watcher } }

  /// Does what a database does when it is opened again: a failed commit may come back.
  package func restart() {
    state.withLock { state in
      if let failed = state.failed { state.apply(failed) }
      state.failed = nil
    }
  }

  package func list(_ kind: PartKind) throws(CatalogError) -> [PartRecord] {
    state.withLock { $0.parts.values.filter { $0.summary.kind == kind }.sorted { $0.id < $1.id } }
  }

  package func commit(
    adding: [PartRecord], removing: [PartID], flushedThroughGeneration: UInt64?, tombstones: [PartTombstone]
  ) throws(CatalogError) {
    let watcher = watcher.withLock { $0 }
    let failure: CatalogError? = state.withLock { state in
      watcher?()
      let failure = state.failure
      state.failure = nil
      let change = Change(
        adding: adding, removing: removing, flushed: flushedThroughGeneration, tombstones: tombstones)
      // As a foreign key would have it.
      let added = Set(adding.map(\.id))
      for tombstone in tombstones
      where !added.contains(tombstone.part)
        && (state.parts[tombstone.part] == nil || removing.contains(tombstone.part))
      {
        return CatalogError("a tombstone is of a part that is not listed")
      }
      if failure == .comesBack { state.failed = change }
      if failure == .before || failure == .comesBack { return CatalogError("the commit was told to fail") }
      state.failed = nil
      state.apply(change)
      return failure == .after ? CatalogError("the commit's answer was told to get lost") : nil
    }
    if let failure { throw failure }
  }

  package func tombstones() throws(CatalogError) -> [PartTombstone] {
    state.withLock { state in
      state.tombstones.sorted {
        $0.part == $1.part ? $0.content.lexicographicallyPrecedes($1.content) : $0.part < $1.part
      }
    }
  }

  package func flushedThroughGeneration() throws(CatalogError) -> UInt64? { state.withLock { $0.flushed } }

  package func nextPartID() throws(CatalogError) -> PartID { PartID(state.withLock { $0.nextID }) }

  package func setting(_ name: CatalogSetting) throws(CatalogError) -> String? {
    state.withLock { $0.settings[name] }
  }

  package func set(_ name: CatalogSetting, to value: String) throws(CatalogError) {
    state.withLock { $0.settings[name] = value }
  }

  package func note(_ damages: [LogDamage]) throws(CatalogError) {
    state.withLock { $0.damages.formUnion(damages) }
  }

  package func damages() throws(CatalogError) -> [LogDamage] {
    state.withLock { state in
      state.damages.sorted { ($0.segment, $0.range.lowerBound) < ($1.segment, $1.range.lowerBound) }
    }
  }

  package func forget(_ damages: [LogDamage]) throws(CatalogError) {
    state.withLock { $0.damages.subtract(damages) }
  }
}
