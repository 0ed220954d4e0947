// A scan returns matching events in order of time while it reads as little as it can. Batches and blocks are taken in
// the order of their nearest time; an event is returned as soon as no unread one can come before it, so that with a
// limit what lies wholly behind the last one is never read.
//
// Some damage is found only when a hit's record is made. By then hits further behind may be dropped, as the nearer ones
// seemed to be enough; where they are not, the units are read again from there on. Damage is rare: better to read twice
// then than to read or keep more where there is none.

import NeedletailBlocks
import NeedletailTelemetry

/// The hits of a query in their order, each record once, from the units that may have some.
///
/// It knows nothing of what is made of a hit, so that it is compiled once and not for every kind of record.
struct HitReader {
  private let engine: EventEngine
  private let filter: RowFilter
  private let isNewestFirst: Bool
  /// In the order of their nearest time; nil are those in which no hit was found that can be read.
  private var units: [ScanUnit?] = []
  private var nextUnit = 0
  private var merge: HitMerge
  /// The hit that was returned last, and the number of its unit.
  private var last: (key: EventKey, unit: Int)?
  /// Whether the last hit was left out, so that a copy of it elsewhere has its turn.
  private var isLastLeftOut = false
  /// How many hits the merge keeps beyond those that are wanted, in case that more are left out.
  private var spare = 0
  /// How many hits are still wanted; the caller counts down those that it returned.
  var remaining: Int
  /// What could not be read; nil where that ends the reading instead.
  private(set) var damages: [BlockError]?
  /// How many damages are kept.
  private static let damagesMax = 16
  /// The first `spare`, which doubles as long as it is too small.
  private static let spareMin = 64

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
    var units: [ScanUnit] = []
    for batch in snapshot.batches where batch.timeMin <= query.range.endNanoseconds {
      if batch.timeMax >= query.range.startNanoseconds, batch.batch.tenant == query.tenant {
        units.append(.batch(batch))
      }
    }
    for part in snapshot.parts { try addBlocks(of: part, to: &units) }
    let newestFirst = isNewestFirst
    units.sort { newestFirst ? $0.timeMax > $1.timeMax : $0.timeMin < $1.timeMin }
    self.units = units
  }

  private mutating func addBlocks(of part: EventPart, to units: inout [ScanUnit]) throws(EventEngineError) {
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

  /// The hit that was returned last, of this unit, cannot be read: takes it for none, and where the unit is lost as a
  /// whole, all others of it too.
  mutating func leaveOutLast(_ damage: BlockError, of unit: LoadedUnit) throws(EventEngineError) {
    try leaveOut(damage)
    isLastLeftOut = true
    guard unit.isLost, let number = last?.unit else { return }
    units[number] = nil
    merge.remove(unit: number)
  }

  /// The nearest hit that was not returned yet, and where it is; nil after the last.
  mutating func next() throws(EventEngineError) -> (unit: LoadedUnit, hit: Hit)? {
    while remaining > 0 {
      try readAhead()
      if merge.isSpent {
        startAgain()
        continue
      }
      guard let found = merge.removeNearest() else { return nil }
      guard found.hit.key != last?.key || isLastLeftOut else { continue }
      last = (found.hit.key, found.number)
      isLastLeftOut = false
      return (found.unit, found.hit)
    }
    return nil
  }

  /// So many hits were left out that dropped ones are wanted after all: has the units read again for what is behind the
  /// last hit.
  ///
  /// Every copy of that had its turn, as all hits up to the cutoff had; no unread unit reaches as near.
  private mutating func startAgain() {
    merge = HitMerge(isNewestFirst: isNewestFirst, after: last?.key)
    nextUnit = 0
    spare = min(max(Self.spareMin, spare * 2), HitMerge.hitsToPruneMin)
  }

  /// Reads units until the nearest hit cannot be preceded by an unread row.
  private mutating func readAhead() throws(EventEngineError) {
    while nextUnit < units.count {
      if let unit = units[nextUnit], !isPassed(unit) {
        let bound = isNewestFirst ? unit.timeMax : unit.timeMin
        if let front = merge.front, isNewestFirst ? front.time > bound : front.time < bound { return }
        if Task.isCancelled { throw .cancelled }
        nextUnit += 1
        try read(unit, number: nextUnit - 1)
      } else {
        nextUnit += 1
      }
    }
  }

  /// Whether all rows of the unit are nearer than the last hit.
  private func isPassed(_ unit: ScanUnit) -> Bool {
    guard let time = last?.key.time else { return false }
    return isNewestFirst ? unit.timeMin > time : unit.timeMax < time
  }

  private mutating func read(_ unit: ScanUnit, number: Int) throws(EventEngineError) {
    do throws(BlockError) {
      var hits: [Hit] = []
      if let loaded = try load(unit) {
        loaded.forEachMatch(filter) { key, row in hits.append(Hit(key: key, row: row)) }
        let (limit, overflow) = remaining.addingReportingOverflow(spare)
        merge.add(loaded, number: number, hits, limit: overflow ? .max : limit)
      } else {
        engine.note(skipped: 1)
      }
      if hits.isEmpty { units[number] = nil }
    } catch {
      units[number] = nil
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
