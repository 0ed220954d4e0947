// The deletions of a part once more, in a file of its folder (docs/formats/part.md). The catalog is the truth on them for
// as long as there is one; the file is for a folder that has lost it. It is written, synced and renamed before the
// catalog's transaction, so that every deletion that was acknowledged stands in it. One that the catalog does not have
// was never acknowledged: the next start writes the file as the catalog says.

import NeedletailEnvironment
import NeedletailTelemetry

/// What stands in the file `deletions` of a part.
package struct NotedDeletions: Sendable, Equatable {
  /// What is deleted of the part, as the catalog keeps it.
  package var contents: Set<[UInt8]> = []
  /// Every generation of the log up to this one was in parts then: a log that comes back with the power must not bring
  /// back what was deleted.
  package var flushedThrough: UInt64 = 0
}

/// The file `deletions` of a part.
struct PartDeletionsFile {
  static let fileName = "deletions"
  static let freshName = "deletions.new"
  private static let magic: UInt64 = 0x314C_4544_544C_444E  // "NDLTDEL1"
  private static let version: UInt32 = 1
  /// Far above what an engine lets stand for one part.
  static let bytesMax = 1 << 30

  let fileSystem: any FileSystem
  /// The part's folder.
  let folder: String

  /// The file's bytes.
  static func encode(_ noted: NotedDeletions, of part: PartID) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendInteger(magic)
    bytes.appendInteger(version)
    bytes.appendInteger(part.rawValue)
    bytes.appendInteger(noted.flushedThrough)
    bytes.appendVarint(UInt64(noted.contents.count))
    for content in noted.contents.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      bytes.appendVarint(UInt64(content.count))
      bytes.append(contentsOf: content)
    }
    bytes.appendInteger(Checksum.of(bytes))
    return bytes
  }

  /// What stands in `bytes`; nil where they are not what was written, or for another part.
  static func decode(_ bytes: [UInt8], of part: PartID) -> NotedDeletions? {
    guard let noted = try? read(bytes, of: part), encode(noted, of: part) == bytes else { return nil }
    return noted
  }

  private static func read(_ bytes: [UInt8], of part: PartID) throws -> NotedDeletions {
    try bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      guard try reader.read(UInt64.self) == magic, try reader.read(UInt32.self) == version,
        try reader.read(UInt64.self) == part.rawValue
      else { throw MalformedBytes.invalid("no deletions of this part") }
      var noted = NotedDeletions(flushedThrough: try reader.read())
      for _ in 0..<(try reader.readCount()) { noted.contents.insert(Array(try reader.readPrefixed())) }
      return noted
    }
  }

  /// What lies in a part's folder: nothing where there is no file, nil where it is damaged.
  func read(of part: PartID) throws(FileError) -> NotedDeletions? {
    let path = folder + "/" + Self.fileName
    guard let status = try fileSystem.status(path) else { return NotedDeletions() }
    guard status.kind == .file, status.size <= UInt64(Self.bytesMax) else { return nil }
    return Self.decode(try fileSystem.readAll(path, maxBytes: Self.bytesMax), of: part)
  }

  /// Puts these deletions into the part's folder, which exists, in place of those that are there.
  ///
  /// Another file, never other bytes of the same: snapshots have a link to it. **Durability**: survives a power cut when
  /// it returns; before that the folder has the old file or none.
  func write(_ noted: NotedDeletions, of part: PartID) throws(FileError) {
    guard noted.contents.isEmpty else {
      return try fileSystem.replace(Self.fileName, in: folder, with: Self.encode(noted, of: part))
    }
    for name in [Self.fileName, Self.freshName] where try fileSystem.status(folder + "/" + name) != nil {
      try fileSystem.remove(folder + "/" + name)
    }
    try fileSystem.syncDirectory(folder)
  }
}
