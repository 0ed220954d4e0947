import NeedletailBlocks
import NeedletailTelemetry

/// An open part: its directory and streams in memory, its rows on disk.
///
/// May be shared between threads.
final class EventPart: Sendable {
  let record: PartRecord
  let directory: PartDirectory
  /// The streams by their number in the part.
  let streams: [StreamEntry]
  let data: BlockReader
  /// Shared with the copies that keep to a pace.
  let met: MetDamage

  /// Opens a part; streams that `table` knows already are shared.
  init(_ reader: PartReader, table: StreamTable) throws(BlockError) {
    record = reader.record
    met = MetDamage()
    data = try reader.file(PartFormat.dataFile)
    let root = try reader.file(PartFormat.directoryFile)
    guard let length = UInt32(exactly: root.size) else { throw .damaged(path: root.path, offset: 0, .length) }
    let bytes = try root.read(BlockLocation(offset: 0, length: length), kind: PartBlockKind.directory).bytes
    guard let directory = bytes.withUnsafeBytes({ try? PartDirectory(decoding: $0) }) else {
      throw .damaged(path: root.path, offset: 0, .content)
    }
    var streams: [StreamEntry] = []
    for page in directory.streamPages {
      let bytes = try data.read(page, kind: PartBlockKind.streams).bytes
      var failed = false
      bytes.withUnsafeBytes { bytes in
        do throws(MalformedBytes) { try Self.readStreams(bytes, table, into: &streams) } catch { failed = true }
      }
      if failed { throw .damaged(path: data.path, offset: page.offset, .content) }
    }
    let isKind = directory.isSpans == (record.summary.kind == .spans)
    guard isKind, directory.blocks.allSatisfy({ Int($0.lastStream) < streams.count }) else {
      throw .damaged(path: root.path, offset: 0, .content)
    }
    self.directory = directory
    self.streams = streams
  }

  private init(_ part: EventPart, _ pace: PacedWork) {
    (record, directory, streams, met) = (part.record, part.directory, part.streams, part.met)
    data = part.data.paced(by: pace)
  }

  /// The same part for a merge that keeps to a pace.
  func paced(by pace: PacedWork) -> EventPart { EventPart(self, pace) }

  private static func readStreams(
    _ bytes: UnsafeRawBufferPointer, _ table: StreamTable, into streams: inout [StreamEntry]
  ) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    while !reader.isAtEnd {
      guard let tenant = TenantID(try reader.readPrefixedString()) else { throw .invalid("a stream without a tenant") }
      streams.append(try table.entry(decoding: try reader.readPrefixed(), tenant: tenant))
    }
  }

  var range: (min: Int64, max: Int64) { (record.summary.minTime, record.summary.maxTime) }

  /// The levels that occur in a block; nil where the directory could not tell all of them apart.
  func levels(of block: BlockEntry) -> [String]? {
    guard block.levels >> UInt64(PartFormat.levelsMax) == 0 else { return nil }
    return directory.levels.enumerated().filter { block.levels >> UInt64($0.offset) & 1 == 1 }.map(\.element)
  }

  /// Reads a block.
  func read(_ location: BlockLocation, kind: UInt8) throws(BlockError) -> [UInt8] {
    do throws(BlockError) { return try data.read(location, kind: kind).bytes } catch { throw noted(error) }
  }

  /// The same error, remembered.
  func noted(_ error: BlockError) -> BlockError {
    met.note(error)
    return error
  }

  func tokens(of block: BlockEntry) throws(BlockError) -> TokenFilter? {
    guard block.tokens.length > 0 else { return nil }
    let bytes = try read(block.tokens, kind: PartBlockKind.tokens)
    guard let filter = TokenFilter(bytes) else {
      throw noted(.damaged(path: data.path, offset: block.tokens.offset, .content))
    }
    return filter
  }

  /// Numbers of the blocks that may hold rows of the trace, ascending.
  ///
  /// Reads one page of the index.
  func blocks(of trace: TraceID) throws(BlockError) -> [Int] {
    let key = trace.indexKey
    var low = 0
    var high = directory.tracePages.count
    while low < high {
      let middle = (low + high) / 2
      if directory.tracePages[middle].firstKey <= key { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return [] }
    return try keyedBlocks(key, at: directory.tracePages[low - 1].location, kind: PartBlockKind.traceIndex)
  }

  /// Numbers of the blocks that hold rows of the slot, ascending: of logs by their stream, of spans by their trace.
  func blocks(ofSlot slot: UInt16) throws(BlockError) -> [Int] {
    try keyedBlocks(UInt64(slot), at: directory.slots, kind: PartBlockKind.slotIndex)
  }

  private func keyedBlocks(_ key: UInt64, at location: BlockLocation, kind: UInt8) throws(BlockError) -> [Int] {
    let bytes = try read(location, kind: kind)
    let count = directory.blocks.count
    guard let blocks = bytes.withUnsafeBytes({ try? KeyedBlocks.blocks(of: key, in: $0, blockCount: count) }) else {
      throw noted(.damaged(path: data.path, offset: location.offset, .content))
    }
    return blocks
  }
}
