// A flush: freeze all heads at one instant, write them as parts, commit, publish, delete their log. Every step can fail
// or be cut off by a crash; what makes that harmless is that the catalog's one transaction both lists the parts and
// says that their log generation counts no more.

import NeedletailEnvironment

/// How far the flush of the frozen heads has come.
struct FlushProgress {
  enum Stage {
    /// The heads are frozen; no part of them is committed.
    case frozen
    /// The commit was tried and its outcome is unknown.
    case unknown([[PartRecord]])
    /// The parts are committed; those of the participants from this index on are not published.
    case committed([[PartRecord]], published: Int)
  }

  struct Frozen {
    var generation: UInt64
    var lastSequence: UInt64
    var stage = Stage.frozen
  }

  var frozen: Frozen?
}

extension Journal {
  /// Makes all heads parts: freezes them under the lock, writes them, commits them in one transaction, publishes them,
  /// deletes their log.
  ///
  /// Blocks for as long as that takes; one flush runs at a time. After an error the frozen heads are still there and
  /// answer queries; the next call begins with them. Nothing new since the last flush: no parts.
  package func flush() throws -> FlushReport {
    try flushing.withLock { progress in
      var report = FlushReport()
      if progress.frozen != nil { report.parts += try finish(&progress) }
      if freeze(&progress) { report.parts += try finish(&progress) }
      report.generation = generation &- 1
      return report
    }
  }

  private func freeze(_ progress: inout FlushProgress) -> Bool {
    let frozen: FlushProgress.Frozen? = state.withLock { state in
      guard state.sequence > state.frozen else { return nil }
      defer { state.generation += 1 }
      state.frozen = state.sequence
      for participant in participants { participant.freeze() }
      return FlushProgress.Frozen(generation: state.generation, lastSequence: state.sequence)
    }
    progress.frozen = frozen
    return frozen != nil
  }

  /// Brings the frozen heads as far as it can; returns the parts that were committed for them.
  private func finish(_ progress: inout FlushProgress) throws -> [PartRecord] {
    guard var frozen = progress.frozen else { return [] }
    defer { if progress.frozen != nil { progress.frozen = frozen } }
    if case .unknown(let records) = frozen.stage { frozen.stage = try settle(records, frozen.generation) }
    if case .frozen = frozen.stage {
      let records = try writeParts()
      // From here on, whatever happens, the catalog alone knows.
      frozen.stage = .unknown(records)
      do {
        try parts.commit(
          to: catalog, adding: records.flatMap { $0 }, flushedThroughGeneration: frozen.generation)
        frozen.stage = .committed(records, published: 0)
      } catch {
        frozen.stage = try settle(records, frozen.generation)
        if case .frozen = frozen.stage { throw error }
      }
    }
    guard case .committed(let records, var published) = frozen.stage else { return [] }
    dropLog(through: frozen.generation, lastSequence: frozen.lastSequence)
    while published < participants.count {
      try participants[published].publishFrozen(records[published])
      published += 1
      frozen.stage = .committed(records, published: published)
    }
    progress.frozen = nil
    return records.flatMap { $0 }
  }

  /// Asks the catalog whether a commit took effect.
  ///
  /// When it did not, the parts are written again. Their folders stay for now: the commit may still come back.
  private func settle(_ records: [[PartRecord]], _ generation: UInt64) throws -> FlushProgress.Stage {
    if try (catalog.flushedThroughGeneration() ?? 0) >= generation { return .committed(records, published: 0) }
    parts.doubt(records.flatMap { $0 })
    return .frozen
  }

  private func writeParts() throws -> [[PartRecord]] {
    var records: [[PartRecord]] = []
    do {
      for participant in participants { records.append(try participant.writeFrozen(to: parts)) }
    } catch {
      for record in records.flatMap({ $0 }) { try? parts.remove(record.id) }
      throw error
    }
    return records
  }
}
