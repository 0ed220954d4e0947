/// What changes in a catalog at once: all of it, or nothing.
package struct CatalogChange: Sendable {
  /// Parts that are listed from now on.
  package var adding: [PartRecord] = []
  /// Parts that are listed no more; their tombstones go with them.
  package var removing: [PartID] = []
  /// Every log generation up to this one is in parts.
  package var flushedThroughGeneration: UInt64?
  /// Deletions from parts that are listed then; one that is there already is not added twice.
  package var tombstones: [PartTombstone] = []
  /// Settings, by name.
  package var settings: [CatalogSetting: String] = [:]
  /// Damaged ranges of the log; one that is noted already is not noted twice.
  package var noting: [LogDamage] = []
  /// Damages that were repaired.
  package var forgetting: [LogDamage] = []

  /// No change.
  package init() {}

  /// Nothing but that these damages were repaired, or are known to whoever would repair them.
  static func forgetting(_ damages: [LogDamage]) -> CatalogChange {
    var change = CatalogChange()
    change.forgetting = damages
    return change
  }

  /// Nothing but that these parts are listed no more.
  static func removing(_ parts: [PartID]) -> CatalogChange {
    var change = CatalogChange()
    change.removing = parts
    return change
  }
}

/// All that a catalog holds, at one instant.
package struct CatalogContent: Hashable, Sendable {
  /// How many changes made it: of two copies of one catalog the one with more is the newer.
  package var changes: UInt64 = 0
  /// The parts that exist.
  package var parts: [PartID: PartRecord] = [:]
  /// What is deleted of a part that is listed.
  package var tombstones: [PartID: Set<[UInt8]>] = [:]
  /// The last generation whose records are all in parts; nil before the first flush.
  package var flushedThroughGeneration: UInt64?
  /// A number above that of every part that was ever committed.
  package var nextPartID = PartID(1)
  /// See `CatalogSetting`.
  package var settings: [CatalogSetting: String] = [:]
  /// The damaged ranges of the log that were noted and not yet repaired.
  package var damages: Set<LogDamage> = []

  /// What a new catalog holds.
  package init() {}

  /// The parts of a kind, by number.
  package func list(_ kind: PartKind) -> [PartRecord] {
    parts.values.filter { $0.summary.kind == kind }.sorted { $0.id < $1.id }
  }

  /// The tombstones of all parts, by part and content.
  package var sortedTombstones: [PartTombstone] {
    tombstones.sorted { $0.key < $1.key }.flatMap { part, contents in
      contents.sorted { $0.lexicographicallyPrecedes($1) }.map { PartTombstone(part: part, content: $0) }
    }
  }

  /// The damages by segment and offset.
  package var sortedDamages: [LogDamage] {
    damages.sorted { left, right in
      (left.segment, left.range.lowerBound, left.range.upperBound)
        < (right.segment, right.range.lowerBound, right.range.upperBound)
    }
  }

  /// Makes a change; throws, half-way, where it adds a part that is listed or a tombstone of one that is not.
  package mutating func apply(_ change: CatalogChange) throws(CatalogError) {
    for id in change.removing {
      parts[id] = nil
      tombstones[id] = nil
    }
    for record in change.adding {
      guard parts.updateValue(record, forKey: record.id) == nil else {
        throw CatalogError("the part \(record.id) is listed already")
      }
      nextPartID = max(nextPartID, PartID(record.id.rawValue &+ 1))
    }
    for tombstone in change.tombstones {
      guard parts[tombstone.part] != nil else {
        throw CatalogError("a tombstone is of the part \(tombstone.part), which is not listed")
      }
      tombstones[tombstone.part, default: []].insert(tombstone.content)
    }
    if let generation = change.flushedThroughGeneration {
      flushedThroughGeneration = max(flushedThroughGeneration ?? 0, generation)
    }
    settings.merge(change.settings) { _, new in new }
    if !change.noting.isEmpty {
      var places = Set(damages.map(\.place))
      for damage in change.noting where places.insert(damage.place).inserted { damages.insert(damage) }
    }
    if !change.forgetting.isEmpty {
      let places = Set(change.forgetting.map(\.place))
      damages = damages.filter { !places.contains($0.place) }
    }
    changes &+= 1
  }
}

extension LogDamage {
  /// What tells one damage from another.
  fileprivate struct Place: Hashable {
    var segment: LogSegmentID
    var range: Range<UInt64>
  }

  fileprivate var place: Place { Place(segment: segment, range: range) }
}
