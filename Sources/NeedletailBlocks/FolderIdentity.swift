// Who a data folder is, in a file beside the catalog. The log's checksums are seeded with the identity, so that a
// folder which has lost its catalog could otherwise not read what was acknowledged last. It is also the witness of whose
// folder this is: a catalog of another one is refused (CatalogVerdict). Where there is no whole file a start writes it.

import NeedletailEnvironment

/// What of a data folder never changes.
package struct FolderIdentity: Hashable, Sendable {
  /// 32 hexadecimal digits, made once.
  package var id: String
  /// Over how many slots series are spread.
  package var slotCount: Int

  /// An identity from its parts.
  package init(id: String, slotCount: Int) {
    self.id = id
    self.slotCount = slotCount
  }

  /// A new one.
  init(random: any RandomSource, slotCount: Int) {
    id = PartID(random.next()).folderName + PartID(random.next()).folderName
    self.slotCount = slotCount
  }

  static let fileName = "identity"
  private static let bytesMax = 4096
  private static let title = "Needletail data folder 1"

  /// The file's bytes: text, for whoever looks into the folder, with a checksum at its end.
  func encoded() -> [UInt8] {
    let text = Self.title + "\nid \(id)\nslots \(slotCount)\n"
    return Array((text + "checksum \(Checksum.of(Array(text.utf8)).hexadecimal)\n").utf8)
  }

  /// The identity in `bytes`; nil where they are not what was written.
  static func decode(_ bytes: [UInt8]) -> FolderIdentity? {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == 4, lines[1].hasPrefix("id "), lines[2].hasPrefix("slots "),
      let slots = Int(lines[2].dropFirst(6)), slots > 0
    else { return nil }
    let identity = FolderIdentity(id: String(lines[1].dropFirst(3)), slotCount: slots)
    return identity.encoded() == bytes ? identity : nil
  }

  /// The identity that lies in a data folder; nil where there is none or it is damaged.
  static func read(_ folder: String, on fileSystem: any FileSystem) throws(FileError) -> FolderIdentity? {
    let path = folder + "/" + fileName
    guard let status = try fileSystem.status(path), status.kind == .file, status.size <= UInt64(bytesMax) else {
      return nil
    }
    return decode(try fileSystem.readAll(path, maxBytes: bytesMax))
  }

  /// The same, and nil also where the medium does not give it back: for whoever has a catalog that tells it too.
  static func readIfPossible(_ folder: String, on fileSystem: any FileSystem) throws(FileError) -> FolderIdentity? {
    do throws(FileError) {
      return try read(folder, on: fileSystem)
    } catch {
      guard error.code == .device else { throw error }
      return nil
    }
  }

  /// Puts the identity into a data folder.
  ///
  /// **Durability**: survives a power cut when it returns; before that the folder has the old file or none.
  func write(to folder: String, on fileSystem: any FileSystem) throws(FileError) {
    try fileSystem.replace(Self.fileName, in: folder, with: encoded())
  }
}
