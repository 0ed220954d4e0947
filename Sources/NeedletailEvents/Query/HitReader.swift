// A scan returns matching events in order of time while it reads as little as it can. Batches and blocks are taken in
// the order of their nearest time; an event is returned as soon as no unread one can come before it, so that with a
// limit what lies wholly behind the last one is never read.

import NeedletailBlocks
import NeedletailTelemetry

/// The hits of a query in their order, each record once, from the units that may have some.
///
/// It knows nothing of what is made of a hit, so that it is compiled once and not for every kind of record.
struct HitReader {
  private let engine: EventEngine
  private let filter: RowFilter
  private let isNewestFirst: Bool
  private var units: [ScanUnit] = []
  private var nextUnit = 0
  private var merge: HitMerge
  private var lastKey: EventKey?
  /// How many hits are still wanted; the caller counts down those that it returned.
  var remaining: Int
  /// What could not be read; nil where that ends the reading instead.
  private(set) var damages: [BlockError]?
  /// How many damages are kept.
  private static let damagesMax = 16

  /// With `damages`, the snapshot's own, what is damaged is left out and added to them; without, it is thrown.
  init(
    _ engine: EventEngine, _ query: EventQuery, snapshot: EventEngine.Snapshot, damages: [BlockError]?
  ) throws(EventEngineError) {
    self.engine = engine
    self.damages = damages.map { Array($0.prefix(Self.damagesMax)) }
    filter = RowFilter(query, isSpans: engine.isSpans)
    isNewestFirst = query.direction == .newestFirst
    merge = HitMerge(isNewestFirst: isNewestFirst)
    remaining = max(0, query.limit ?? .max)
    for batch in snapshot.batches where batch.timeMin <= query.range.endNanoseconds {
      if batch.timeMax >= query.range.startNanoseconds, batch.batch.tenant == query.tenant {
        units.append(.batch(batch))
      }
    }
    for part in snapshot.parts { try addBlocks(of: part) }
    let newestFirst = isNewestFirst
    units.sort { newestFirst ? $0.timeMax > $1.timeMax : $0.timeMin < $1.timeMin }
  }

  private mutating func addBlocks(of part: EventPart) throws(EventEngineError) {
    let range = filter.query.range
    guard part.range.min <= range.endNanoseconds, part.range.max >= range.startNanoseconds else { return }
    let isWanted = part.streams.map { filter.rest(of: $0) != nil }
    guard isWanted.contains(true) else { return }
    var numbers = Array(part.directory.blocks.indices)
    if let traceID = filter.traceID {
      do throws(BlockError) { numbers = try part.blocks(of: traceID) } catch {
        try leaveOut(error)
        return
      }
    }
    for number in numbers {
      let entry = part.directory.blocks[number]
      guard entry.timeMin <= range.endNanoseconds, entry.timeMax >= range.startNanoseconds,
        isWanted[Int(entry.firstStream)...Int(entry.lastStream)].contains(true)
      else { continue }
      if filter.asksLevel, let levels = part.levels(of: entry), !filter.mayMatch(levels: levels) { continue }
      units.append(.block(part, entry))
    }
  }

  /// Notes that something cannot be read and is missing from the answer; throws where nothing may be missing.
  private mutating func leaveOut(_ damage: BlockError) throws(EventEngineError) {
    engine.note(failed: 1)
    guard let known = damages else { throw .block(damage) }
    if known.count < Self.damagesMax, !known.contains(damage) { damages?.append(damage) }
  }

  /// The hit that was returned last cannot be read: takes it for none, so that a copy of it elsewhere has its turn.
  mutating func leaveOutLast(_ damage: BlockError) throws(EventEngineError) {
    try leaveOut(damage)
    lastKey = nil
  }

  /// The nearest hit that was not returned yet, and where it is; nil after the last.
  mutating func next() throws(EventEngineError) -> (unit: LoadedUnit, hit: Hit)? {
    while remaining > 0 {
      try readAhead()
      guard let found = merge.removeNearest() else { return nil }
      guard found.hit.key != lastKey else { continue }
      lastKey = found.hit.key
      return found
    }
    return nil
  }

  /// Reads units until the nearest hit cannot be preceded by an unread row.
  private mutating func readAhead() throws(EventEngineError) {
    while nextUnit < units.count {
      let bound = isNewestFirst ? units[nextUnit].timeMax : units[nextUnit].timeMin
      if let nearest = merge.nearest, isNewestFirst ? nearest.time > bound : nearest.time < bound { return }
      try readUnit()
    }
  }

  private mutating func readUnit() throws(EventEngineError) {
    if Task.isCancelled { throw .cancelled }
    let number = nextUnit
    nextUnit += 1
    do throws(BlockError) {
      guard let unit = try load(units[number]) else {
        engine.note(skipped: 1)
        return
      }
      var hits: [Hit] = []
      unit.forEachMatch(filter) { key, row in hits.append(Hit(key: key, row: row)) }
      merge.add(unit, hits, limit: remaining)
    } catch {
      try leaveOut(error)
    }
  }

  /// The unit with the columns that the filter looks at; nil where its token filter shows that nothing in it matches.
  private func load(_ unit: ScanUnit) throws(BlockError) -> LoadedUnit? {
    switch unit {
    case .batch(let batch): return .batch(batch)
    case .block(let part, let entry):
      if filter.asksTokens, let tokens = try part.tokens(of: entry) {
        let rests = part.streams[Int(entry.firstStream)...Int(entry.lastStream)].compactMap { filter.rest(of: $0) }
        guard filter.mayMatch(tokens, rests: rests) else { return nil }
      }
      let columns = try BlockColumns(part, entry)
      try columns.load(filter.columns)
      engine.note(read: 1)
      return .columns(columns)
    }
  }
}
