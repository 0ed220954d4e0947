// The `header` file of a part (docs/formats/part.md): it gets its name last, so a folder without a whole header is no
// part. Without a catalog it alone tells which folders are parts: it has another name until all that is deleted of the
// part is noted beside it, and loses its name as soon as the catalog does not list the part any more.

import NeedletailTelemetry

/// One of the files that a part consists of.
package struct PartFile: Hashable, Sendable {
  /// Its name within the part's folder.
  package var name: String
  /// Its size in bytes.
  package var size: UInt64
  /// The XXH3-64 checksum of the whole file.
  package var checksum: UInt64
}

/// What a part's header file says.
package struct PartHeader: Hashable, Sendable {
  /// The part's number; a folder that was renamed does not pass.
  package var id: PartID
  /// What the engine told about it.
  package var summary: PartSummary
  /// The other files, by name.
  package var files: [PartFile]

  static let fileName = "header"
  /// Its name in a part that no commit was tried with.
  static let draftName = "header.new"
  /// Its name in a part that the catalog does not list any more.
  static let replacedName = "header.replaced"
  /// Its second name in a part that a commit is to take out of the catalog: where the catalog does not list the part, and
  /// not because it was lost, nobody wants it any more.
  static let leavingName = "header.leaving"
  static let bytesMax = 1 << 20
  private static let magic: UInt64 = 0x3154_5250_544C_444E  // "NDLTPRT1"
  private static let version: UInt32 = 1

  /// The header file's bytes.
  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendInteger(Self.magic)
    bytes.appendInteger(Self.version)
    bytes.appendInteger(summary.format)
    bytes.appendInteger(id.rawValue)
    bytes.append(summary.kind.rawValue)
    bytes.append(contentsOf: [0, 0, 0])
    bytes.appendInteger(summary.level)
    bytes.appendInteger(summary.partition)
    bytes.appendInteger(summary.rows)
    bytes.appendInteger(summary.groups)
    bytes.appendInteger(summary.minTime)
    bytes.appendInteger(summary.maxTime)
    bytes.appendVarint(UInt64(files.count))
    for file in files {
      bytes.appendVarint(UInt64(file.name.utf8.count))
      bytes.append(contentsOf: file.name.utf8)
      bytes.appendInteger(file.size)
      bytes.appendInteger(file.checksum)
    }
    bytes.appendInteger(Checksum.of(bytes))
    return bytes
  }

  /// The header in `bytes`, or what is wrong with them.
  static func decode(_ bytes: [UInt8]) throws(PartHeaderDamage) -> PartHeader {
    guard bytes.count >= 20 else { throw .damaged(.truncated) }
    var result: Result<PartHeader, PartHeaderDamage> = .failure(.damaged(.content))
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(PartHeaderDamage) in
        let content = UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count - 8)])
        let stored = UInt64(
          littleEndian: buffer.loadUnaligned(fromByteOffset: buffer.count - 8, as: UInt64.self))
        guard content.loadUnaligned(as: UInt64.self) == magic.littleEndian else { throw .damaged(.magic) }
        guard Checksum.of(content) == stored else { throw .damaged(.checksum) }
        guard content.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == version.littleEndian else {
          throw .damaged(.version)
        }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: content[12...]))
        do throws(MalformedBytes) { return try decodeFields(&reader) } catch { throw .damaged(.content) }
      }
    }
    return try result.get()
  }

  private static func decodeFields(_ reader: inout ByteReader) throws(MalformedBytes) -> PartHeader {
    let format = try reader.read(UInt32.self)
    let id = PartID(try reader.read(UInt64.self))
    guard let kind = PartKind(rawValue: try reader.read(UInt8.self)) else {
      throw .invalid("a part of an unknown kind")
    }
    _ = try reader.read(count: 3)
    let level = try reader.read(UInt32.self)
    let partition = try reader.read(Int64.self)
    let rows = try reader.read(UInt64.self)
    let groups = try reader.read(UInt64.self)
    let minTime = try reader.read(Int64.self)
    let maxTime = try reader.read(Int64.self)
    let count = try reader.readCount(elementBytes: 17)
    var files: [PartFile] = []
    files.reserveCapacity(count)
    for _ in 0..<count {
      let name = try reader.readPrefixedString()
      files.append(PartFile(name: name, size: try reader.read(), checksum: try reader.read()))
    }
    try reader.expectEnd()
    let summary = PartSummary(
      kind: kind, format: format, partition: partition, level: level, rows: rows, groups: groups, minTime: minTime,
      maxTime: maxTime)
    return PartHeader(id: id, summary: summary, files: files)
  }
}

/// Why a header file is none.
struct PartHeaderDamage: Error, Equatable {
  /// What is wrong.
  var damage: BlockError.Damage

  static func damaged(_ damage: BlockError.Damage) -> Self { Self(damage: damage) }
}
