// The bytes of a catalog's content (docs/formats/catalog.md): one form for each content, so that their checksum is the
// content's. The file `catalog.mirror` consists of them, and `catalog.sqlite` keeps the checksum beside its rows.

import NeedletailTelemetry

/// Why bytes are no content.
enum CatalogEncodingDamage: Error, Equatable {
  /// They are not what was written.
  case damaged
  /// Another version of this program wrote them.
  case otherVersion(UInt32)
}

extension CatalogContent {
  private static let magic: UInt64 = 0x3154_4143_544C_444E  // "NDLTCAT1"
  private static let version: UInt32 = 1

  /// The checksum of `encoded()`, at its end.
  var checksum: UInt64 { Checksum.of(unsealed()) }

  /// All of it, with a checksum at the end.
  package func encoded() -> [UInt8] {
    var bytes = unsealed()
    bytes.appendInteger(Checksum.of(bytes))
    return bytes
  }

  private func unsealed() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendInteger(Self.magic)
    bytes.appendInteger(Self.version)
    bytes.appendInteger(changes)
    bytes.append(flushedThroughGeneration == nil ? 0 : 1)
    bytes.appendInteger(flushedThroughGeneration ?? 0)
    bytes.appendInteger(nextPartID.rawValue)
    bytes.appendVarint(UInt64(settings.count))
    for (name, value) in settings.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      bytes.appendPrefixed(Array(name.rawValue.utf8))
      bytes.appendPrefixed(Array(value.utf8))
    }
    bytes.appendVarint(UInt64(parts.count))
    for (_, record) in parts.sorted(by: { $0.key < $1.key }) { bytes.append(record) }
    let tombstones = sortedTombstones
    bytes.appendVarint(UInt64(tombstones.count))
    for tombstone in tombstones {
      bytes.appendInteger(tombstone.part.rawValue)
      bytes.appendPrefixed(tombstone.content)
    }
    bytes.appendVarint(UInt64(damages.count))
    for damage in sortedDamages { bytes.append(damage) }
    return bytes
  }

  /// The content in `bytes`.
  static func decode(_ bytes: [UInt8]) throws(CatalogEncodingDamage) -> CatalogContent {
    guard bytes.count >= 20 else { throw .damaged }
    var stored = bytes.suffix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard Checksum.of(Array(bytes.dropLast(8))) == stored else { throw .damaged }
    stored = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard stored == magic else { throw .damaged }
    let version = bytes[8..<12].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    guard version == Self.version else { throw .otherVersion(version) }
    guard let content = try? read(bytes), content.encoded() == bytes else { throw .damaged }
    return content
  }

  /// The content in `bytes`; nil where they are not what this version wrote.
  package init?(encoded bytes: [UInt8]) {
    guard let content = try? Self.decode(bytes) else { return nil }
    self = content
  }

  private static func read(_ bytes: [UInt8]) throws -> CatalogContent {
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[12..<(bytes.count - 8)]))
      var content = CatalogContent()
      content.changes = try reader.read()
      let isFlushed = try reader.read(UInt8.self) != 0
      let generation = try reader.read(UInt64.self)
      content.flushedThroughGeneration = isFlushed ? generation : nil
      content.nextPartID = PartID(try reader.read(UInt64.self))
      for _ in 0..<(try reader.readCount(elementBytes: 2)) {
        let (name, value) = (try reader.readPrefixedString(), try reader.readPrefixedString())
        guard let setting = CatalogSetting(rawValue: name) else { throw MalformedBytes.invalid("an unknown setting") }
        content.settings[setting] = value
      }
      for _ in 0..<(try reader.readCount(elementBytes: 65)) {
        let record = try readPart(&reader)
        content.parts[record.id] = record
      }
      for _ in 0..<(try reader.readCount(elementBytes: 9)) {
        let part = PartID(try reader.read(UInt64.self))
        content.tombstones[part, default: []].insert(Array(try reader.readPrefixed()))
      }
      for _ in 0..<(try reader.readCount(elementBytes: 29)) { content.damages.insert(try readDamage(&reader)) }
      try reader.expectEnd()
      return content
    }
  }

  private static func readPart(_ reader: inout ByteReader) throws(MalformedBytes) -> PartRecord {
    let id = PartID(try reader.read(UInt64.self))
    guard let kind = PartKind(rawValue: try reader.read(UInt8.self)) else {
      throw .invalid("a part of an unknown kind")
    }
    let (format, level): (UInt32, UInt32) = (try reader.read(), try reader.read())
    let partition = try reader.read(Int64.self)
    let (rows, groups): (UInt64, UInt64) = (try reader.read(), try reader.read())
    let (minTime, maxTime): (Int64, Int64) = (try reader.read(), try reader.read())
    let summary = PartSummary(
      kind: kind, format: format, partition: partition, level: level, rows: rows, groups: groups, minTime: minTime,
      maxTime: maxTime)
    return PartRecord(id: id, summary: summary, bytes: try reader.read())
  }

  private static func readDamage(_ reader: inout ByteReader) throws(MalformedBytes) -> LogDamage {
    let segment = LogSegmentID(generation: try reader.read(), number: try reader.read())
    let (start, stop): (UInt64, UInt64) = (try reader.read(), try reader.read())
    guard start <= stop else { throw .invalid("a damage that ends before it begins") }
    guard try reader.read(UInt8.self) != 0 else {
      return LogDamage(segment: segment, range: start..<stop, sequences: nil)
    }
    let (first, last): (UInt64, UInt64) = (try reader.read(), try reader.read())
    guard first <= last else { throw .invalid("records that end before they begin") }
    return LogDamage(segment: segment, range: start..<stop, sequences: first...last)
  }
}

extension [UInt8] {
  fileprivate mutating func appendPrefixed(_ bytes: [UInt8]) {
    appendVarint(UInt64(bytes.count))
    append(contentsOf: bytes)
  }

  fileprivate mutating func append(_ record: PartRecord) {
    let summary = record.summary
    appendInteger(record.id.rawValue)
    append(summary.kind.rawValue)
    appendInteger(summary.format)
    appendInteger(summary.level)
    appendInteger(summary.partition)
    appendInteger(summary.rows)
    appendInteger(summary.groups)
    appendInteger(summary.minTime)
    appendInteger(summary.maxTime)
    appendInteger(record.bytes)
  }

  fileprivate mutating func append(_ damage: LogDamage) {
    appendInteger(damage.segment.generation)
    appendInteger(damage.segment.number)
    appendInteger(damage.range.lowerBound)
    appendInteger(damage.range.upperBound)
    append(damage.sequences == nil ? 0 : 1)
    guard let sequences = damage.sequences else { return }
    appendInteger(sequences.lowerBound)
    appendInteger(sequences.upperBound)
  }
}
