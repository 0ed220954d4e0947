import NeedletailEnvironment

/// Whether every checksum of a data folder holds.
package struct StorageVerification: Sendable {
  /// What does not hold.
  package var damages: [StorageDamage] = []
  /// How many parts were read.
  package var parts = 0
  /// How many blocks are as they were written.
  package var blocks = 0
  /// How many records of the log are as they were written.
  package var records: UInt64 = 0

  /// Nothing was read yet.
  package init() {}
}

/// What only an engine knows of its parts: why one cannot be opened, nil where it can.
package typealias PartCheck = (_ record: PartRecord, _ folder: PartsFolder) -> StorageDamage?

extension StorageInspector {
  /// Reads all that the survey lists, and compares it with every checksum that there is.
  ///
  /// Changes nothing. In a folder that is in use parts may go while they are read, and the log's end is being written:
  /// neither is taken for damage.
  package func verify(_ survey: StorageSurvey, check: PartCheck) throws(FileError) -> StorageVerification {
    var result = StorageVerification()
    if let problem = survey.catalogProblem {
      result.damages.append(StorageDamage(path: CatalogPlace.fileName, reason: problem))
    }
    result.damages += survey.catalogDamages
    // Of a folder in use it may have been committed meanwhile.
    for id in survey.unlisted where !isInUse {
      result.damages.append(
        StorageDamage(
          path: "parts/\(id.folderName)",
          reason: "the catalog does not list it, and it has a header: the next start moves it to \(Quarantine.name)/"))
    }
    if !survey.hasIdentityFile {
      let isThere = try fileSystem.status(path + "/" + FolderIdentity.fileName) != nil
      result.damages.append(
        StorageDamage(
          path: FolderIdentity.fileName,
          reason: isThere
            ? "it is damaged, or belongs to another folder"
            : survey.catalogProblem == nil ? "it is not there; the next start writes it" : "it is not there"))
    }
    // A deletion is noted beside the part ahead of the catalog: the other way round something was lost.
    for id in survey.forgottenDeletions where !isInUse {
      result.damages.append(
        StorageDamage(
          path: "parts/\(id.folderName)/\(PartDeletionsFile.fileName)",
          reason: "it lacks what the catalog has as deleted; the next start writes it", part: id))
    }
    for id in survey.damagedDeletions {
      result.damages.append(
        StorageDamage(
          path: "parts/\(id.folderName)/\(PartDeletionsFile.fileName)", offset: 0,
          reason: "what is deleted of the part cannot be read", part: id))
    }
    let folder = PartsFolder(path: path + "/parts", fileSystem: fileSystem, nextID: PartID(.max))
    for record in survey.parts {
      var found = StorageVerification()
      do throws(FileError) {
        found = try verify(record, isListed: survey.catalogProblem == nil, folder, check)
      } catch {
        guard isInUse, error.code == .notFound else { throw error }
      }
      if isInUse, !found.damages.isEmpty, try isGone(record) { continue }
      result.parts += 1
      result.blocks += found.blocks
      result.damages += found.damages
    }
    for damage in survey.log.damages {
      if isInUse, damage.segment == survey.log.segments.last?.segment { continue }
      result.damages.append(Self.damage(damage))
    }
    if survey.identity == nil, !survey.log.segments.isEmpty {
      result.damages.append(
        StorageDamage(path: "log", reason: "it cannot be read without the folder's identity, which nothing tells"))
    }
    result.records = survey.log.segments.reduce(0) { $0 &+ ($1.records ?? 0) }
    return result
  }

  private func verify(
    _ record: PartRecord, isListed: Bool, _ folder: PartsFolder, _ check: PartCheck
  ) throws(FileError) -> StorageVerification {
    var result = StorageVerification()
    let scrub = PartScrub(fileSystem: fileSystem, folder: path)
    let header: PartHeader
    switch try scrub.header(of: record.id) {
    case .failure(let damage):
      result.damages = [damage]
      return result
    case .success(let found): header = found
    }
    if isListed {
      let own = try scrub.record(header)
      if own != record {
        result.damages.append(
          StorageDamage(
            path: "parts/\(record.id.folderName)/\(PartHeader.fileName)",
            reason: "it is not what the catalog lists", part: record.id, losesPart: own.summary != record.summary))
      }
    }
    let shape = try scrub.shape(header)
    let content = try scrub.content(header)
    result.blocks = content.blocks
    result.damages += shape + content.damages
    // What the engine says adds something only where the files are there.
    if !result.damages.contains(where: \.losesPart), let damage = check(record, folder) {
      result.damages.append(damage)
    }
    return result
  }

  private func isGone(_ record: PartRecord) throws(FileError) -> Bool {
    switch try place.verdict(isInUse: isInUse) {
    case .database(let content, _, _), .mirror(let content, _): content.parts[record.id] != record
    case .none, .lost, .unclear, .otherVersion: false
    }
  }

  private static func damage(_ damage: LogDamage) -> StorageDamage {
    let reason =
      damage.sequences.map {
        "\(damage.range.count) bytes cannot be read; records \($0.lowerBound) to \($0.upperBound) missing"
      } ?? "nothing of it can be read: it is another folder's, or damaged all over; the next start moves it to "
      + "\(Quarantine.name)/"
    return StorageDamage(
      path: "log/" + damage.segment.fileName, offset: damage.range.lowerBound, reason: reason)
  }
}
