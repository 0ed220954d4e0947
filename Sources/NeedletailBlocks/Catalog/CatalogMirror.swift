import NeedletailEnvironment

/// What one of the places says where a catalog's content should lie.
enum CatalogReading: Sendable, Equatable {
  /// There is nothing.
  case missing
  /// What is there is not what was written, with the words for it.
  case damaged(String)
  /// Another version of this program wrote it, with the words for it.
  case otherVersion(String)
  /// The content.
  case content(CatalogContent)
}

/// The file `catalog.mirror` of a data folder: the content of the catalog once more, as of a change that was made.
struct CatalogMirror {
  static let fileName = "catalog.mirror"
  private static let freshName = "catalog.mirror.new"
  /// Far above what thousands of parts with thousands of deletions take.
  private static let bytesMax = 1 << 30

  /// The data folder.
  let folder: String
  let fileSystem: any FileSystem

  var path: String { folder + "/" + Self.fileName }

  /// What the file says.
  func read() throws(FileError) -> CatalogReading {
    guard let status = try fileSystem.status(path) else { return .missing }
    guard status.kind != .directory, status.size <= UInt64(Self.bytesMax) else {
      return .damaged("it cannot be its file")
    }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.readAll(path, maxBytes: Self.bytesMax)
    } catch {
      // What the medium does not give back any more is gone like what it gives back wrong.
      guard error.code == .device else { throw error }
      return .damaged("\(error)")
    }
    do throws(CatalogEncodingDamage) {
      return .content(try CatalogContent.decode(bytes))
    } catch {
      switch error {
      case .damaged: return .damaged("it is not what was written")
      case .otherVersion(let version):
        return .otherVersion("it has version \(version), which this program does not know")
      }
    }
  }

  /// Puts this content into the file's place.
  ///
  /// **Durability**: survives a power cut when it returns; before that the folder has the old file or none.
  func write(_ content: CatalogContent) throws(FileError) {
    let fresh = folder + "/" + Self.freshName
    if try fileSystem.status(fresh) != nil { try fileSystem.remove(fresh) }
    let file = try fileSystem.open(fresh, .create)
    do throws(FileError) {
      defer { file.close() }
      try file.write(content.encoded(), at: 0)
      try file.sync()
      try fileSystem.rename(fresh, to: path)
      try fileSystem.syncDirectory(folder)
    } catch {
      // It may have taken the last room.
      try? fileSystem.remove(fresh)
      throw error
    }
  }

  /// Takes the file away: none is better than one that lacks a change.
  ///
  /// **Durability**: it does not come back with the power when this returns.
  func remove() throws(FileError) {
    if try fileSystem.status(path) != nil { try fileSystem.remove(path) }
    try fileSystem.syncDirectory(folder)
  }
}
