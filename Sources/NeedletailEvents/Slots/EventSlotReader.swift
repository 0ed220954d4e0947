import NeedletailBlocks
import NeedletailTelemetry

/// A source of rows of slots: a head's batches, or a part.
enum SlotSource {
  case batches([HeadBatch])
  case part(EventPart)
}

/// Where a row stands in its source: the number of its batch or block, and its own there.
struct EventPlace: Comparable {
  var unit: UInt32
  var row: UInt32

  static func < (left: Self, right: Self) -> Bool {
    left.unit != right.unit ? left.unit < right.unit : left.row < right.row
  }
}

/// A row without what it says.
struct EventReference {
  /// The stream's identity, or the hash of the trace.
  var key: Hash128
  var stream: StreamEntry
  var event: EventKey
  var place: EventPlace

  var digest: RangeDigest { .event(stream, event) }
}

/// Reads which rows sources have within some times.
struct EventSlotReader {
  let slots: EventSlots

  /// Calls `body` with each row of a source within the times; of parts only blocks that have something of the slot are
  /// read, where one is given, so that rows of others may be told too.
  func forEach(
    _ source: SlotSource, in times: ClosedRange<Int64>, slot: UInt16?, _ body: (EventReference) -> Void
  ) throws(SlotContentsError) {
    switch source {
    case .batches(let batches):
      for (unit, batch) in batches.enumerated() where times.overlaps(batch.timeMin...batch.timeMax) {
        forEach(batch, UInt32(truncatingIfNeeded: unit), in: times, body)
      }
    case .part(let part):
      do throws(BlockError) { try forEach(part, in: times, slot, body) } catch { throw .damage("\(error)") }
      if Task.isCancelled { throw .cancelled }
    }
  }

  private func forEach(
    _ batch: HeadBatch, _ unit: UInt32, in times: ClosedRange<Int64>, _ body: (EventReference) -> Void
  ) {
    batch.batch.withRows { rows in
      for row in batch.rows where times.contains(rows.time(Int(row))) {
        let stream = batch.streams[rows.streamIndex(Int(row))]
        body(
          EventReference(
            key: slots.key(rows.traceID(Int(row)), stream), stream: stream,
            event: EventKey(time: rows.time(Int(row)), content: rows.contentID(Int(row)).low),
            place: EventPlace(unit: unit, row: row)))
      }
    }
  }

  private func forEach(
    _ part: EventPart, in times: ClosedRange<Int64>, _ slot: UInt16?, _ body: (EventReference) -> Void
  ) throws(BlockError) {
    let blocks = try slot.map { (slot) throws(BlockError) in try part.blocks(ofSlot: slot) }
    for block in blocks ?? Array(part.directory.blocks.indices) {
      if Task.isCancelled { return }
      let entry = part.directory.blocks[block]
      guard times.overlaps(entry.timeMin...entry.timeMax) else { continue }
      let columns = try BlockColumns(part, entry)
      if slots.isSpans { try columns.load([.traces]) }
      for row in 0..<columns.rowCount where times.contains(columns.times[row]) {
        let stream = columns.stream(of: row)
        body(
          EventReference(
            key: slots.key(columns.trace(of: row), stream), stream: stream, event: columns.key(of: row),
            place: EventPlace(unit: UInt32(truncatingIfNeeded: block), row: UInt32(truncatingIfNeeded: row))))
      }
    }
  }
}

extension EventPart {
  /// What the part has of each slot in a window, by slot.
  ///
  /// One of format 1, which has no digests, is read.
  func digests(
    _ window: Int64, _ reader: EventSlotReader
  ) throws(SlotContentsError) -> [(slot: UInt16, row: TimedDigest)] {
    guard let times = EventWindow.times(window) else { return [] }
    guard directory.version > 1 else { return try readDigests(window, reader) }
    guard let place = directory.digests.first(where: { $0.window == window }) else { return [] }
    do throws(BlockError) {
      let bytes = try read(place.location, kind: PartBlockKind.digests)
      guard let rows = bytes.withUnsafeBytes({ try? TimedDigest.decode($0, times) }) else {
        throw noted(.damaged(path: data.path, offset: place.location.offset, .content))
      }
      return rows
    } catch { throw .damage("\(error)") }
  }

  /// The same out of the rows themselves.
  func readDigests(
    _ window: Int64, _ reader: EventSlotReader
  ) throws(SlotContentsError) -> [(slot: UInt16, row: TimedDigest)] {
    guard let times = EventWindow.times(window) else { return [] }
    var table = EventDigestTable()
    try reader.forEach(.part(self), in: times, slot: nil) { row in
      table.add(row.digest, slot: reader.slots.map.slot(of: row.key), time: row.event.time)
    }
    return table.rows(window)
  }

  /// The windows that the part has, or may have, anything of.
  var digestedWindows: [Int64] {
    if directory.version > 1 { return directory.digests.map(\.window) }
    // A part is of one day.
    let (first, last) = (EventWindow.of(record.summary.minTime), EventWindow.of(record.summary.maxTime))
    return first <= last && last - first < 24 ? Array(first...last) : []
  }
}
