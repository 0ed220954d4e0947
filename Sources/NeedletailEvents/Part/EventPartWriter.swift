import NeedletailBlocks
import NeedletailTelemetry

/// Writes rows of one day as a part: sorted by stream, then time, in blocks of some thousand rows.
struct EventPartWriter {
  /// A row to be written: flat, so that sorting moves no objects.
  struct Reference {
    var stream: UInt32
    var key: EventKey
    /// Which of the sources has the row, and its number there.
    var source: UInt32
    var row: UInt32
  }

  /// Where the rows are.
  protocol Source {
    /// Calls `body` with the row that a reference names.
    mutating func withRow(_ reference: Reference, _ body: (EventRow) -> Void) throws(EventEngineError)
  }

  private let isSpans: Bool
  private let slots: EventSlots
  private let data: BlockWriter
  private var directory: PartDirectory
  private var columns = BlockColumnsWriter()
  private var tokens = TokenFilterBuilder()
  private var levels: UInt64 = 0
  private var levelIndices: [String: Int] = [:]
  private var attributeNames: [String: Set<[UInt8]>] = [:]
  private var attributeNameCount = 0
  private var traces: [KeyedBlocks.Pair] = []
  private var slotPairs: Set<KeyedBlocks.Pair> = []
  private var digests = EventDigestTable()

  /// Sorts the references, which are all of one day, drops those that name the same record, and writes the rows as a
  /// part, at a pace where one is given; leaves nothing behind where the source or a file throws.
  static func write(
    _ references: consuming [Reference], of source: some Source, streams: [StreamEntry], isSpans: Bool,
    slots: SlotMap, level: UInt32, to parts: PartsFolder, pace: PacedWork? = nil
  ) throws(EventEngineError) -> PartRecord {
    // In their place: those of a large merge take a hundred megabytes and more.
    var sorted = references
    sorted.sort { $0.stream != $1.stream ? $0.stream < $1.stream : $0.key < $1.key }
    let part = try EventEngineError.wrapping { () throws(BlockError) in try parts.makePart(pace: pace) }
    do throws(EventEngineError) {
      return try write(
        sorted, of: source, streams: streams, isSpans: isSpans, slots: slots, level: level, as: part)
    } catch {
      part.discard()
      throw error
    }
  }

  private static func write(
    _ references: [Reference], of source: some Source, streams: [StreamEntry], isSpans: Bool, slots: SlotMap,
    level: UInt32, as part: PartWriter
  ) throws(EventEngineError) -> PartRecord {
    var source = source
    var rowCount: UInt64 = 0
    var previous: Reference?
    let data = try EventEngineError.wrapping { () throws(BlockError) in try part.makeFile(PartFormat.dataFile) }
    var writer = EventPartWriter(isSpans: isSpans, slots: slots, data: data)
    // The part numbers only the streams that it has, in the order of the rows.
    var used: [StreamEntry] = []
    var current: UInt32?
    var (timeMin, timeMax) = (Int64.max, Int64.min)
    for reference in references {
      if let previous, previous.stream == reference.stream, previous.key == reference.key { continue }
      previous = reference
      rowCount += 1
      if reference.stream != current {
        current = reference.stream
        used.append(streams[Int(reference.stream)])
      }
      timeMin = min(timeMin, reference.key.time)
      timeMax = max(timeMax, reference.key.time)
      let number = UInt32(truncatingIfNeeded: used.count - 1)
      let stream = streams[Int(reference.stream)]
      try source.withRow(reference) { writer.append($0, stream, number: number) }
      if writer.columns.isFull { try EventEngineError.wrapping { () throws(BlockError) in try writer.endBlock() } }
    }
    let summary = PartSummary(
      kind: isSpans ? .spans : .logs, format: PartFormat.version, partition: PartFormat.day(timeMin), level: level,
      rows: rowCount, groups: 0, minTime: timeMin, maxTime: timeMax)
    do throws(BlockError) { return try writer.finish(part, used, summary) } catch { throw .block(error) }
  }

  /// Writes what follows the rows, and the directory.
  private mutating func finish(
    _ part: PartWriter, _ streams: [StreamEntry], _ summary: PartSummary
  ) throws(BlockError) -> PartRecord {
    try endBlock()
    try writeStreams(streams)
    try writeIndexes()
    let root = try part.makeFile(PartFormat.directoryFile)
    _ = try root.append(directory.encoded(), kind: PartBlockKind.directory)
    var summary = summary
    summary.groups = UInt64(isSpans ? Set(traces.map(\.key)).count : streams.count)
    return try part.finish(summary)
  }

  private init(isSpans: Bool, slots: SlotMap, data: BlockWriter) {
    self.isSpans = isSpans
    self.slots = EventSlots(map: slots, isSpans: isSpans)
    self.data = data
    directory = PartDirectory(isSpans: isSpans, slotCount: slots.count)
  }

  private mutating func append(_ row: EventRow, _ stream: StreamEntry, number: UInt32) {
    let block = UInt32(truncatingIfNeeded: directory.blocks.count)
    columns.append(row, stream: number)
    if !row.body.isEmpty { EncodedValue(bytes: row.body).withText { tokens.add($0) } }
    EncodedAttributes(bytes: row.attributes).forEach { key, value in
      value.withText { tokens.add($0) }
      // What the directory lists is bounded in number and length, so that it stays one block whatever is sent.
      if attributeNameCount < PartFormat.attributeNamesMax, key.count <= PartFormat.attributeKeyBytesMax,
        attributeNames[stream.tenant.description, default: []].insert(Array(key)).inserted
      {
        attributeNameCount += 1
      }
      return true
    }
    if !isSpans { note(level: RowLabel.level(row, stream)) }
    if row.traceID.isValid {
      let pair = KeyedBlocks.Pair(key: row.traceID.indexKey, block: block)
      if traces.last != pair { traces.append(pair) }
    }
    let slot = slots.slot(row.traceID, stream)
    digests.add(.event(stream, row.key), slot: slot, time: row.time)
    slotPairs.insert(KeyedBlocks.Pair(key: UInt64(slot), block: block))
  }

  private mutating func note(level: String) {
    if let index = levelIndices[level] {
      levels |= 1 << UInt64(index)
    } else if levelIndices.count < PartFormat.levelsMax, level.utf8.count <= PartFormat.levelBytesMax {
      levels |= 1 << UInt64(levelIndices.count)
      levelIndices[level] = levelIndices.count
      directory.levels.append(level)
    } else {
      levels |= 1 << UInt64(PartFormat.levelsMax)
    }
  }

  private mutating func endBlock() throws(BlockError) {
    guard columns.rowCount > 0 else { return }
    var locations: [BlockLocation] = []
    for (group, bytes) in columns.encoded() {
      locations.append(
        bytes.isEmpty ? BlockLocation(offset: 0, length: 0) : try data.append(bytes, kind: group.rawValue, level: 3))
    }
    let filter = try data.append(tokens.build(), kind: PartBlockKind.tokens)
    directory.blocks.append(
      BlockEntry(
        rowCount: columns.rowCount, timeMin: columns.timeMin, timeMax: columns.timeMax,
        firstStream: columns.firstStream, lastStream: columns.lastStream, levels: levels, tokens: filter,
        locations: locations))
    columns = BlockColumnsWriter()
    levels = 0
  }

  private mutating func writeStreams(_ streams: [StreamEntry]) throws(BlockError) {
    var page = ByteWriter()
    for (index, stream) in streams.enumerated() {
      page.appendPrefixed(stream.tenant.description)
      stream.encoded.withUnsafeBytes { page.appendPrefixed($0) }
      guard page.count >= PartFormat.streamPageBytes || index == streams.count - 1 else { continue }
      directory.streamPages.append(try data.append(page.bytes, kind: PartBlockKind.streams, level: 3))
      page.removeAll()
    }
  }

  private mutating func writeDigests() throws(BlockError) {
    for window in digests.windows {
      guard let times = EventWindow.times(window) else { continue }
      let bytes = TimedDigest.encoded(digests.rows(window), from: times.lowerBound)
      let location = try data.append(bytes, kind: PartBlockKind.digests)
      directory.digests.append(PartDirectory.WindowPlace(window: window, location: location))
    }
  }

  private mutating func writeIndexes() throws(BlockError) {
    traces = Array(Set(traces)).sorted()
    var start = 0
    while start < traces.count {
      var end = min(start + PartFormat.traceIndexPageEntries, traces.count)
      while end < traces.count, traces[end].key == traces[end - 1].key { end += 1 }
      let location = try data.append(KeyedBlocks.encode(traces[start..<end]), kind: PartBlockKind.traceIndex)
      directory.tracePages.append(PartDirectory.TracePage(firstKey: traces[start].key, location: location))
      start = end
    }
    let pairs = slotPairs.sorted()
    directory.slots = try data.append(KeyedBlocks.encode(pairs[...]), kind: PartBlockKind.slotIndex)
    try writeDigests()
    directory.attributeNames = attributeNames.sorted { $0.key < $1.key }.map { tenant, keys in
      let names = Set(keys.map { LabelName.of(String(decoding: $0, as: UTF8.self)) })
      return PartDirectory.TenantNames(tenant: tenant, names: names.sorted())
    }
  }
}
