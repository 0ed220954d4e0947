// A scan returns matching events in order of time while it reads as little as it can. Batches and blocks are taken in
// the order of their nearest time; an event is returned as soon as no unread one can come before it. With a limit only
// that many candidates are kept, and what lies wholly behind the last of them is never read.

import NeedletailBlocks
import NeedletailTelemetry

/// An event with its stream.
package struct EventHit<Record: Sendable>: Sendable {
  package let stream: StreamEntry
  package let record: Record
}

/// The answer to a query, page by page.
///
/// Used by one thread at a time; dropping it ends the reading. It sees the data as of the time that it was made.
package final class EventScan<Record: Sendable> {
  private struct Candidate {
    var key: EventKey
    var unit: Int
    var row: UInt32
  }

  private let engine: EventEngine
  private let filter: RowFilter
  private let make: (EventRow, StreamEntry) throws(MalformedBytes) -> Record
  private let isNewestFirst: Bool
  private var units: [ScanUnit]
  private var nextUnit = 0
  private var loaded: [Int: LoadedUnit] = [:]
  /// Sorted from `position` on, unless `isSorted` is false.
  private var candidates: [Candidate] = []
  private var position = 0
  private var isSorted = true
  private var remaining: Int
  private var lastKey: EventKey?
  /// The time of the nearest candidate while units are being read.
  private var nearest: Int64?
  private let columns: [ColumnGroup]

  /// `make` makes a record of a row; it sees the groups of columns that it asks for as `columns`.
  init(
    _ engine: EventEngine, _ query: EventQuery, snapshot: EventEngine.Snapshot,
    columns: [ColumnGroup] = ColumnGroup.allCases,
    make: @escaping (EventRow, StreamEntry) throws(MalformedBytes) -> Record
  ) throws(EventEngineError) {
    self.engine = engine
    self.columns = columns
    self.make = make
    filter = RowFilter(query, isSpans: engine.isSpans)
    isNewestFirst = query.direction == .newestFirst
    remaining = max(0, query.limit ?? .max)
    units = []
    for batch in snapshot.batches where batch.timeMin <= query.range.endNanoseconds {
      if batch.timeMax >= query.range.startNanoseconds, batch.batch.tenant == query.tenant {
        units.append(.batch(batch))
      }
    }
    for part in snapshot.parts { try addBlocks(of: part) }
    let newestFirst = isNewestFirst
    units.sort { newestFirst ? $0.timeMax > $1.timeMax : $0.timeMin < $1.timeMin }
  }

  private func addBlocks(of part: EventPart) throws(EventEngineError) {
    let range = filter.query.range
    guard part.range.min <= range.endNanoseconds, part.range.max >= range.startNanoseconds else { return }
    let isWanted = part.streams.map { filter.rest(of: $0) != nil }
    guard isWanted.contains(true) else { return }
    var numbers = Array(part.directory.blocks.indices)
    if let traceID = filter.traceID {
      do throws(BlockError) { numbers = try part.blocks(of: traceID) } catch {
        engine.note(failed: 1)
        throw .block(error)
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

  /// The next events, at most `count`; none after the last.
  package func next(upTo count: Int = 1024) throws(EventEngineError) -> [EventHit<Record>] {
    var page: [EventHit<Record>] = []
    while page.count < count, remaining > 0 {
      try readAhead()
      guard position < candidates.count else { break }
      let candidate = candidates[position]
      position += 1
      guard candidate.key != lastKey else { continue }
      lastKey = candidate.key
      guard let unit = loaded[candidate.unit] else { continue }
      do throws(EventEngineError) {
        let (stream, record) = try unit.make(candidate.row, columns, make)
        page.append(EventHit(stream: stream, record: record))
      } catch {
        engine.note(failed: 1)
        throw error
      }
      remaining -= 1
    }
    releaseReturned()
    return page
  }

  /// Reads units until the nearest candidate cannot be preceded by an unread row.
  private func readAhead() throws(EventEngineError) {
    while nextUnit < units.count {
      let bound = isNewestFirst ? units[nextUnit].timeMax : units[nextUnit].timeMin
      sortCandidates()
      if position < candidates.count {
        let time = candidates[position].key.time
        if isNewestFirst ? time > bound : time < bound { return }
      }
      // All units that begin at or before the nearest candidate are needed; sorting waits until they are read.
      nearest = position < candidates.count ? candidates[position].key.time : nil
      try readUnit()
      while nextUnit < units.count, let nearest, candidates.count < pruneThreshold {
        let bound = isNewestFirst ? units[nextUnit].timeMax : units[nextUnit].timeMin
        if isNewestFirst ? nearest > bound : nearest < bound { break }
        try readUnit()
      }
    }
    sortCandidates()
  }

  private var pruneThreshold: Int {
    let (limit, overflow) = remaining.multipliedReportingOverflow(by: 2)
    return overflow ? .max : max(4096, limit) + position
  }

  private func precedes(_ left: EventKey, _ right: EventKey) -> Bool { isNewestFirst ? right < left : left < right }

  private func sortCandidates() {
    guard !isSorted else { return }
    candidates.removeFirst(position)
    position = 0
    let newestFirst = isNewestFirst
    candidates.sort { newestFirst ? $1.key < $0.key : $0.key < $1.key }
    var distinct: [Candidate] = []
    distinct.reserveCapacity(candidates.count)
    for candidate in candidates where candidate.key != distinct.last?.key {
      distinct.append(candidate)
      if distinct.count == remaining { break }
    }
    candidates = distinct
    isSorted = true
    releaseReturned()
  }

  /// Forgets units of which no row waits.
  private func releaseReturned() {
    var waiting: Set<Int> = []
    for candidate in candidates[position...] { waiting.insert(candidate.unit) }
    loaded = loaded.filter { waiting.contains($0.key) }
  }

  private func readUnit() throws(EventEngineError) {
    if Task.isCancelled { throw .cancelled }
    let number = nextUnit
    nextUnit += 1
    do throws(BlockError) {
      guard let unit = try load(units[number]) else {
        engine.note(skipped: 1)
        return
      }
      let before = candidates.count
      unit.forEachMatch(filter) { key, row in
        candidates.append(Candidate(key: key, unit: number, row: row))
        if let known = nearest {
          nearest = isNewestFirst ? max(known, key.time) : min(known, key.time)
        } else {
          nearest = key.time
        }
      }
      guard candidates.count > before else { return }
      isSorted = false
      loaded[number] = unit
    } catch {
      engine.note(failed: 1)
      throw .block(error)
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
