import NeedletailEnvironment

/// Verifies every byte of parts: the header against the folder's name and the catalog, each file against the header,
/// each block against its own checksum.
struct PartScrub {
  let fileSystem: any FileSystem
  /// The data folder.
  let folder: String

  /// What a part's header says, or why it cannot be believed.
  func header(of id: PartID) throws(FileError) -> Result<PartHeader, StorageDamage> {
    let path = "parts/\(id.folderName)/\(PartHeader.fileName)"
    let bytes: [UInt8]
    guard try fileSystem.status(folder + "/parts/" + id.folderName) != nil else {
      return .failure(
        StorageDamage(path: "parts/" + id.folderName, reason: "its folder is not there", part: id, losesPart: true))
    }
    // A disk that refuses to read, or a missing permission, is no damage: it is thrown.
    guard let status = try fileSystem.status(folder + "/" + path), status.kind == .file else {
      return .failure(StorageDamage(path: path, reason: "it is not there", part: id, losesPart: true))
    }
    guard status.size <= UInt64(PartHeader.bytesMax) else {
      return .failure(
        StorageDamage(path: path, reason: "it is impossibly large", part: id, losesPart: true))
    }
    bytes = try fileSystem.readAll(folder + "/" + path, maxBytes: PartHeader.bytesMax)
    do throws(PartHeaderDamage) {
      let header = try PartHeader.decode(bytes)
      guard header.id == id else {
        return .failure(
          StorageDamage(path: path, reason: "it belongs to the part \(header.id)", part: id, losesPart: true))
      }
      // A name leads nowhere but into the part's own folder.
      guard header.files.allSatisfy({ !$0.name.isEmpty && !$0.name.contains("/") && !$0.name.hasPrefix(".") }) else {
        return .failure(
          StorageDamage(path: path, reason: "it lists a file of an impossible name", part: id, losesPart: true))
      }
      return .success(header)
    } catch {
      return .failure(
        StorageDamage(path: path, offset: 0, reason: error.damage.rawValue, part: id, losesPart: true))
    }
  }

  /// The part as a catalog would list it.
  func record(_ header: PartHeader) throws(FileError) -> PartRecord {
    let path = folder + "/parts/\(header.id.folderName)/\(PartHeader.fileName)"
    let own = try fileSystem.status(path)?.size ?? 0
    return PartRecord(
      id: header.id, summary: header.summary, bytes: header.files.reduce(own) { $0 &+ $1.size })
  }

  /// Files that are missing, or not as long as the header says: what keeps a part from being opened at all.
  func shape(_ header: PartHeader) throws(FileError) -> [StorageDamage] {
    var damages: [StorageDamage] = []
    for file in header.files {
      let path = "parts/\(header.id.folderName)/\(file.name)"
      guard let status = try fileSystem.status(folder + "/" + path), status.kind == .file else {
        damages.append(StorageDamage(path: path, reason: "it is not there", part: header.id, losesPart: true))
        continue
      }
      guard status.size != file.size else { continue }
      damages.append(
        StorageDamage(
          path: path, offset: min(status.size, file.size),
          reason: "it has \(status.size) bytes where the part's header lists \(file.size)", part: header.id,
          losesPart: true))
    }
    return damages
  }

  /// Everything that is wrong with the bytes of a part's files; the number of blocks that are right.
  func content(_ header: PartHeader) throws(FileError) -> (blocks: Int, damages: [StorageDamage]) {
    var damages: [StorageDamage] = []
    var blocks = 0
    for file in header.files {
      let path = "parts/\(header.id.folderName)/\(file.name)"
      guard try fileSystem.status(folder + "/" + path)?.kind == .file else { continue }
      let scan = try BlockScan(folder + "/" + path, on: fileSystem)
      blocks += scan.blocks
      damages += scan.damages.map {
        StorageDamage(path: path, offset: $0.offset, reason: "a block: \($0.damage.rawValue)", part: header.id)
      }
      // Bytes between blocks, or blocks of another file that pass in the same place.
      if scan.damages.isEmpty, scan.checksum != file.checksum, scan.size == file.size {
        damages.append(
          StorageDamage(
            path: path, reason: "all its blocks are right, and the whole is not what the part's header lists",
            part: header.id))
      }
    }
    return (blocks, damages)
  }
}
