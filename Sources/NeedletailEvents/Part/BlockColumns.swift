import NeedletailBlocks
import NeedletailTelemetry

/// The columns of one block of a part, each group read when it is first needed.
///
/// Used by one thread at a time.
final class BlockColumns {
  let part: EventPart
  let entry: BlockEntry
  private(set) var loaded: Set<ColumnGroup> = []
  /// Why a group could not be read: the disk is not asked again for each row.
  private var failure: BlockError?
  private(set) var times: [Int64] = []
  private var seconds: [Int64] = []
  private var streamOf: [UInt32] = []
  private var keys: [UInt64] = []
  private var kinds: [UInt8] = []
  private var statuses: [UInt8] = []
  private var flags: [UInt32] = []
  private var traces: [UInt64] = []
  private var spans: [UInt64] = []
  private var names = TextColumn()
  private var texts = TextColumn()
  private var bodies = TextColumn()
  private var attributes = TextColumn()
  private var nested = TextColumn()
  private var states = TextColumn()

  init(_ part: EventPart, _ entry: BlockEntry) throws(BlockError) {
    self.part = part
    self.entry = entry
    try load([.core, .keys])
  }

  var rowCount: Int { entry.rowCount }

  /// Whether a group could not be read; then no further one can.
  var isLost: Bool { failure != nil }

  func stream(of row: Int) -> StreamEntry { part.streams[Int(streamOf[row])] }

  /// None where the traces are not loaded, or are not stored.
  func trace(of row: Int) -> TraceID {
    traces.isEmpty ? .none : TraceID(high: traces[row * 2], low: traces[row * 2 + 1])
  }

  func key(of row: Int) -> EventKey { EventKey(time: times[row], content: keys[row]) }

  /// Reads those of the groups that are not there yet.
  func load(_ groups: some Sequence<ColumnGroup>) throws(BlockError) {
    if let failure { throw failure }
    do throws(BlockError) { try read(groups) } catch {
      failure = error
      throw error
    }
  }

  private func read(_ groups: some Sequence<ColumnGroup>) throws(BlockError) {
    for group in groups where !loaded.contains(group) {
      let location = entry.locations[group.position]
      if location.length > 0 {
        let block = try part.read(location, kind: group.rawValue)
        var failed = false
        block.withUnsafeBytes { bytes in
          do throws(MalformedBytes) { try decode(group, bytes) } catch { failed = true }
        }
        if failed { throw part.noted(.damaged(path: part.data.path, offset: location.offset, .content)) }
      } else if group == .core || group == .keys {
        throw .damaged(path: part.data.path, offset: 0, .content)
      }
      loaded.insert(group)
    }
  }

  /// Calls `body` with the row; columns of groups that are not loaded are zero or empty.
  ///
  /// The row is valid during the call, in which no further group may be loaded.
  func withRow<Result>(_ row: Int, _ body: (EventRow) -> Result) -> Result {
    withExtendedLifetime(self) { body(event(row)) }
  }

  /// The row, valid for as long as the columns live and as they are; kept out of line, once for all callers.
  @inline(never) private func event(_ row: Int) -> EventRow {
    let hasTraces = !traces.isEmpty
    return EventRow(
      time: times[row], secondTime: seconds[row], key: EventKey(time: times[row], content: keys[row]),
      traceID: hasTraces ? TraceID(high: traces[row * 2], low: traces[row * 2 + 1]) : .none,
      spanID: hasTraces ? SpanID(spans[row * 2]) : .none,
      parentSpanID: hasTraces ? SpanID(spans[row * 2 + 1]) : .none, kind: kinds.isEmpty ? 0 : kinds[row],
      status: statuses.isEmpty ? 0 : statuses[row], flags: flags.isEmpty ? 0 : flags[row], name: names[row],
      text: texts[row], body: bodies[row], attributes: attributes[row], nested: nested[row], state: states[row])
  }

  private func decode(_ group: ColumnGroup, _ bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    switch group {
    case .core: try decodeCore(&reader)
    case .keys: keys = try fixedWords(&reader, rowCount)
    case .context:
      let kinds = Array(try reader.read(count: rowCount))
      let statuses = Array(try reader.read(count: rowCount))
      var flags: [UInt32] = []
      for _ in 0..<rowCount {
        guard let value = UInt32(exactly: try reader.readVarint()) else { throw .invalid("flags out of range") }
        flags.append(value)
      }
      (self.kinds, self.statuses, self.flags) = (kinds, statuses, flags)
    case .traces:
      let traces = try fixedWords(&reader, rowCount * 2)
      spans = try fixedWords(&reader, rowCount * 2)
      self.traces = traces
    case .names:
      names = try dictionary(&reader)
      texts = try dictionary(&reader)
    case .bodies: bodies = try texts(&reader, bytes)
    case .attributes: attributes = try texts(&reader, bytes)
    case .nested: nested = try texts(&reader, bytes)
    case .states: states = try texts(&reader, bytes)
    }
    guard reader.isAtEnd else { throw .invalid("bytes after the last column") }
  }

  private func decodeCore(_ reader: inout ByteReader) throws(MalformedBytes) {
    var streamOf: [UInt32] = []
    for stream in entry.firstStream...entry.lastStream {
      let run = try reader.readVarint()
      guard run <= UInt64(rowCount - streamOf.count) else { throw .invalid("more rows than the block has") }
      streamOf.append(contentsOf: repeatElement(stream, count: Int(run)))
    }
    guard streamOf.count == rowCount else { throw .invalid("fewer rows than the block has") }
    var times: [Int64] = []
    var time: Int64 = 0
    for _ in 0..<rowCount {
      time &+= try reader.readSignedVarint()
      guard time >= entry.timeMin, time <= entry.timeMax else { throw .invalid("a time outside the block's") }
      times.append(time)
    }
    var seconds: [Int64] = []
    for row in 0..<rowCount { seconds.append(times[row] &+ (try reader.readSignedVarint())) }
    (self.streamOf, self.times, self.seconds) = (streamOf, times, seconds)
  }

  private func fixedWords(_ reader: inout ByteReader, _ count: Int) throws(MalformedBytes) -> [UInt64] {
    let bytes = try reader.read(count: count * 8)
    return (0..<count).map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
  }

  private func texts(_ reader: inout ByteReader, _ whole: UnsafeRawBufferPointer) throws(MalformedBytes) -> TextColumn {
    var places: [Range<Int>] = []
    places.reserveCapacity(min(rowCount, whole.count))
    var end = 0
    for _ in 0..<rowCount {
      guard let length = Int(exactly: try reader.readVarint()), length <= whole.count - end else { throw .truncated }
      places.append(end..<(end + length))
      end += length
    }
    return TextColumn(copying: try reader.read(count: end), places)
  }

  private func dictionary(_ reader: inout ByteReader) throws(MalformedBytes) -> TextColumn {
    let count = try reader.readVarint()
    guard count <= UInt64(reader.remaining) else { throw .truncated }
    var distinct: [Range<Int>] = []
    let start = reader.offset
    for _ in 0..<count {
      let text = try reader.readPrefixed()
      let end = reader.offset - start
      distinct.append((end - text.count)..<end)
    }
    let bytes = UnsafeRawBufferPointer(rebasing: reader.bytes[start..<reader.offset])
    var places: [Range<Int>] = []
    for _ in 0..<rowCount {
      guard let index = Int(exactly: try reader.readVarint()), index < distinct.count else {
        throw .invalid("a row names no text")
      }
      places.append(distinct[index])
    }
    return TextColumn(copying: bytes, places)
  }
}
