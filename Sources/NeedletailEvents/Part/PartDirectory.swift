import NeedletailBlocks
import NeedletailTelemetry

/// What the directory tells of one block of rows.
struct BlockEntry: Equatable {
  var rowCount: Int
  /// Earliest and latest time of its rows, both included, in nanoseconds since 1970.
  var timeMin: Int64
  var timeMax: Int64
  /// Its rows are of these streams and all between them, by number in the part.
  var firstStream: UInt32
  var lastStream: UInt32
  /// Bits of the directory's levels that occur.
  var levels: UInt64
  /// The token filter; a length of 0 means that there is none.
  var tokens: BlockLocation
  /// Where each column group lies, by `ColumnGroup.position`; a length of 0 means that all its columns are empty.
  var locations: [BlockLocation]
}

/// The table of contents of a part: one block, read when the part is opened.
struct PartDirectory: Equatable {
  struct TracePage: Equatable {
    /// The first trace key of the page.
    var firstKey: UInt64
    var location: BlockLocation
  }

  /// Label names of a tenant's attributes, sorted, at most `PartFormat.attributeNamesMax` of all tenants together.
  struct TenantNames: Equatable {
    var tenant: String
    var names: [String]
  }

  /// Digests of a window.
  struct WindowPlace: Equatable {
    /// Hours since 1970.
    var window: Int64
    var location: BlockLocation
  }

  /// The format that it was read from, or is written in.
  var version = PartFormat.version
  var isSpans: Bool
  var slotCount: Int
  var streamPages: [BlockLocation] = []
  var levels: [String] = []
  var attributeNames: [TenantNames] = []
  var blocks: [BlockEntry] = []
  var tracePages: [TracePage] = []
  var slots = BlockLocation(offset: 0, length: 0)
  /// Ascending; none in format 1.
  var digests: [WindowPlace] = []

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(PartFormat.magic)
    writer.append(version)
    writer.append(UInt8(isSpans ? 1 : 0))
    writer.appendVarint(UInt64(slotCount))
    writer.appendVarint(UInt64(streamPages.count))
    for page in streamPages { Self.encode(page, to: &writer) }
    Self.encode(levels, to: &writer)
    writer.appendVarint(UInt64(attributeNames.count))
    for names in attributeNames {
      writer.appendPrefixed(names.tenant)
      Self.encode(names.names, to: &writer)
    }
    writer.appendVarint(UInt64(blocks.count))
    for block in blocks {
      writer.appendVarint(UInt64(block.rowCount))
      writer.append(block.timeMin)
      writer.append(block.timeMax)
      writer.appendVarint(UInt64(block.firstStream))
      writer.appendVarint(UInt64(block.lastStream))
      writer.append(block.levels)
      Self.encode(block.tokens, to: &writer)
      for location in block.locations { Self.encode(location, to: &writer) }
    }
    writer.appendVarint(UInt64(tracePages.count))
    for page in tracePages {
      writer.append(page.firstKey)
      Self.encode(page.location, to: &writer)
    }
    Self.encode(slots, to: &writer)
    guard version > 1 else { return writer.bytes }
    writer.appendVarint(UInt64(digests.count))
    for place in digests {
      writer.append(place.window)
      Self.encode(place.location, to: &writer)
    }
    return writer.bytes
  }

  private static func encode(_ texts: [String], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(texts.count))
    for text in texts { writer.appendPrefixed(text) }
  }

  private static func encode(_ location: BlockLocation, to writer: inout ByteWriter) {
    writer.appendVarint(location.offset)
    writer.appendVarint(UInt64(location.length))
  }

  init(isSpans: Bool, slotCount: Int) {
    self.isSpans = isSpans
    self.slotCount = slotCount
  }

  init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard try reader.read(UInt32.self) == PartFormat.magic else { throw .invalid("no directory of events") }
    version = try reader.read(UInt32.self)
    guard PartFormat.versions.contains(version) else { throw .invalid("unknown version of the directory") }
    isSpans = try reader.read(UInt8.self) == 1
    slotCount = Int(truncatingIfNeeded: try reader.readVarint())
    guard SlotMap(count: slotCount) != nil else { throw .invalid("an impossible number of slots") }
    for _ in 0..<(try Self.count(&reader)) { streamPages.append(try Self.location(&reader)) }
    levels = try Self.texts(&reader)
    for _ in 0..<(try Self.count(&reader)) {
      let tenant = try reader.readPrefixedString()
      attributeNames.append(TenantNames(tenant: tenant, names: try Self.texts(&reader)))
    }
    for _ in 0..<(try Self.count(&reader)) { blocks.append(try Self.block(&reader)) }
    for _ in 0..<(try Self.count(&reader)) {
      let key = try reader.read(UInt64.self)
      tracePages.append(TracePage(firstKey: key, location: try Self.location(&reader)))
    }
    slots = try Self.location(&reader)
    if version > 1 {
      for _ in 0..<(try Self.count(&reader)) {
        let window = try reader.read(Int64.self)
        guard digests.last.map({ $0.window < window }) ?? true else { throw .invalid("windows are out of order") }
        digests.append(WindowPlace(window: window, location: try Self.location(&reader)))
      }
    }
    guard reader.isAtEnd, levels.count <= PartFormat.levelsMax else { throw .invalid("a directory that goes on") }
  }

  private static func texts(_ reader: inout ByteReader) throws(MalformedBytes) -> [String] {
    var texts: [String] = []
    for _ in 0..<(try count(&reader)) { texts.append(try reader.readPrefixedString()) }
    return texts
  }

  private static func block(_ reader: inout ByteReader) throws(MalformedBytes) -> BlockEntry {
    let rows = try reader.readVarint()
    let (timeMin, timeMax) = (try reader.read(Int64.self), try reader.read(Int64.self))
    guard let first = UInt32(exactly: try reader.readVarint()), let last = UInt32(exactly: try reader.readVarint()),
      rows > 0, rows <= UInt64(PartFormat.blockRowsMax), timeMin <= timeMax, first <= last
    else { throw .invalid("an impossible block") }
    let levels = try reader.read(UInt64.self)
    let tokens = try location(&reader)
    var locations: [BlockLocation] = []
    for _ in ColumnGroup.allCases { locations.append(try location(&reader)) }
    return BlockEntry(
      rowCount: Int(rows), timeMin: timeMin, timeMax: timeMax, firstStream: first, lastStream: last, levels: levels,
      tokens: tokens, locations: locations)
  }

  private static func location(_ reader: inout ByteReader) throws(MalformedBytes) -> BlockLocation {
    let offset = try reader.readVarint()
    guard let length = UInt32(exactly: try reader.readVarint()) else { throw .invalid("an impossible location") }
    return BlockLocation(offset: offset, length: length)
  }

  private static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> UInt64 {
    let count = try reader.readVarint()
    guard count <= UInt64(reader.remaining) else { throw .truncated }
    return count
  }
}
