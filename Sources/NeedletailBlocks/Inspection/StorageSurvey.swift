import NeedletailEnvironment

/// What is in a data folder.
package struct StorageSurvey: Sendable {
  /// The folder's path.
  package var path: String
  /// Who it is; nil where neither the catalog nor the file beside it tells.
  package var identity: FolderIdentity?
  /// Whether the file beside the catalog tells the same.
  package var hasIdentityFile = false
  /// Why there is no catalog to be read, neither `catalog.sqlite` nor its mirror; nil where there is one.
  package var catalogProblem: String?
  /// What is wrong with one of the two, where the other is whole.
  package var catalogDamages: [StorageDamage] = []
  /// Whether the problem is that another version of this program wrote the catalog: then nothing is wrong with it, and
  /// neither verification nor repair is for this version to do.
  package var isOfOtherVersion = false
  /// The last generation of the log whose records are all in parts.
  package var flushedThrough: UInt64?
  /// The parts that the catalog lists or, without one, those whose headers are whole.
  package var parts: [PartRecord] = []
  /// What is deleted of a part: by the catalog or, without one, by the file beside the part.
  package var deletions: [PartID: Set<[UInt8]>] = [:]
  /// Parts whose file of deletions is damaged.
  package var damagedDeletions: [PartID] = []
  /// Parts beside which less stands as deleted than the catalog has.
  package var forgottenDeletions: [PartID] = []
  /// Those parts that the catalog does not list and that have a header all the same: they were committed, or nearly.
  package var unlisted: [PartID] = []
  /// Whether which copy of the catalog counts is for somebody else to say; then a repair does nothing.
  package var isUnclear = false
  /// Names in `parts/` that no catalog lists, but for `unlisted`.
  package var leftovers: [String] = []
  /// The log.
  package var log = LogSurvey()
  /// Damages of the log that a server noted at its start.
  package var notedDamages: [LogDamage] = []
  /// Names in `quarantine/`.
  package var quarantined: [String] = []
  /// Names in `snapshots/`.
  package var snapshots: [String] = []
}

/// Looks into a data folder without changing anything in it.
package struct StorageInspector {
  /// Opens the catalog at a path, for reading alone.
  package typealias OpenCatalog = @Sendable (_ path: String) throws(CatalogError) -> any CatalogStore

  let path: String
  let fileSystem: any FileSystem
  let openCatalog: OpenCatalog
  /// Whether a server may be at work in the folder meanwhile.
  let isInUse: Bool

  /// An inspector of the folder at `path`.
  package init(_ path: String, on fileSystem: any FileSystem, isInUse: Bool, openCatalog: @escaping OpenCatalog) {
    self.path = path
    self.fileSystem = fileSystem
    self.isInUse = isInUse
    self.openCatalog = openCatalog
  }

  /// Whether there is a data folder, or what is left of one.
  package func isDataFolder() throws(FileError) -> Bool {
    for name in [CatalogPlace.fileName, CatalogMirror.fileName]
    where try fileSystem.status(path + "/" + name)?.kind == .file {
      return true
    }
    if try FolderIdentity.read(path, on: fileSystem) != nil { return true }
    // Folders of these names are nothing special: what is in them is.
    let (parts, log) = (try names("parts"), try names("log"))
    return parts.contains { PartID(folderName: $0) != nil } || log.contains { LogSegmentID(fileName: $0) != nil }
  }

  /// What is in the folder.
  ///
  /// Reads the catalog, the log and, where there is no catalog, the header of each part.
  package func survey() throws(FileError) -> StorageSurvey {
    var survey = StorageSurvey(path: path)
    try readCatalog(&survey)
    // Where nothing else tells it, one that cannot be read now is not to be taken for lost.
    let beside =
      survey.identity == nil
      ? try FolderIdentity.read(path, on: fileSystem) : try FolderIdentity.readIfPossible(path, on: fileSystem)
    survey.hasIdentityFile = beside != nil && (survey.identity == nil || survey.identity == beside)
    if survey.identity == nil { survey.identity = beside }
    try listParts(&survey)
    let seal = survey.identity.map { LogSeal(salt: Checksum.of(Array($0.id.utf8))) }
    survey.log = try LogSurvey.read(
      path + "/log", flushedThrough: survey.flushedThrough ?? 0, seal, on: fileSystem)
    survey.quarantined = try names("quarantine")
    survey.snapshots = try names("snapshots")
    return survey
  }

  /// The catalog's place in this folder.
  var place: CatalogPlace { CatalogPlace(folder: path, fileSystem: fileSystem, openStore: openCatalog) }

  private func readCatalog(_ survey: inout StorageSurvey) throws(FileError) {
    switch try place.verdict(isInUse: isInUse) {
    case .database(let content, _, let damage):
      let mirror = damage.map { StorageDamage(path: CatalogMirror.fileName, reason: $0) }
      survey.catalogDamages = [mirror].compactMap { $0 }
      take(content, into: &survey)
    case .mirror(let content, let reason):
      survey.catalogDamages = [
        StorageDamage(path: CatalogPlace.fileName, reason: reason + "; \(CatalogMirror.fileName) has all of it")
      ]
      take(content, into: &survey)
    case .none: survey.catalogProblem = "there is no \(CatalogPlace.fileName)"
    case .lost(let words): survey.catalogProblem = words
    case .unclear(let words): (survey.catalogProblem, survey.isUnclear) = (words, true)
    case .otherVersion(let words): (survey.catalogProblem, survey.isOfOtherVersion) = (words, true)
    }
  }

  private func take(_ content: CatalogContent, into survey: inout StorageSurvey) {
    guard let layout = content.settings[.layoutVersion] else {
      survey.catalogProblem = "it is blank"
      return
    }
    guard layout == DataFolder.layoutVersion else {
      (survey.catalogProblem, survey.isOfOtherVersion) = (DataFolder.unknownLayout(layout).message, true)
      return
    }
    guard let id = content.settings[.folderID], let slots = Int(content.settings[.slotCount] ?? ""), slots > 0 else {
      survey.catalogProblem = "it does not tell the folder's identity or slots"
      return
    }
    survey.parts = Array(content.parts.values)
    survey.deletions = content.tombstones
    survey.flushedThrough = content.flushedThroughGeneration
    survey.notedDamages = content.sortedDamages
    survey.identity = FolderIdentity(id: id, slotCount: slots)
  }

  private func listParts(_ survey: inout StorageSurvey) throws(FileError) {
    let scrub = PartScrub(fileSystem: fileSystem, folder: path)
    let listed = Set(survey.parts.map(\.id))
    for name in try names("parts") {
      let id = PartID(folderName: name)
      if let id, listed.contains(id) { continue }
      if survey.catalogProblem != nil, let id, case .success(let header) = try scrub.header(of: id) {
        survey.parts.append(try scrub.record(header))
      } else if let id, survey.catalogProblem == nil,
        try PartsFolder.mayBeWanted(path + "/parts/" + name, on: fileSystem)
      {
        survey.unlisted.append(id)
      } else {
        survey.leftovers.append(name)
      }
    }
    try readDeletions(&survey)
    survey.parts.sort {
      ($0.summary.kind, $0.summary.partition, $0.id) < ($1.summary.kind, $1.summary.partition, $1.id)
    }
  }

  private func readDeletions(_ survey: inout StorageSurvey) throws(FileError) {
    for id in survey.parts.map(\.id) {
      let file = PartDeletionsFile(fileSystem: fileSystem, folder: path + "/parts/" + id.folderName)
      let noted: NotedDeletions?
      do throws(FileError) {
        noted = try file.read(of: id)
      } catch {
        // A part may go while it is looked at.
        guard isInUse, error.code == .notFound else { throw error }
        continue
      }
      guard let noted else {
        survey.damagedDeletions.append(id)
        continue
      }
      // Where there is a catalog it is right, and the next start of a server writes the file anew.
      if survey.catalogProblem == nil, !noted.contents.isSuperset(of: survey.deletions[id] ?? []),
        try fileSystem.status(path + "/parts/" + id.folderName) != nil
      {
        survey.forgottenDeletions.append(id)
      }
      guard survey.catalogProblem != nil, !noted.contents.isEmpty else { continue }
      survey.deletions[id] = noted.contents
      survey.flushedThrough = max(survey.flushedThrough ?? 0, noted.flushedThrough)
    }
  }

  private func names(_ folder: String) throws(FileError) -> [String] {
    guard try fileSystem.status(path + "/" + folder)?.kind == .directory else { return [] }
    return try fileSystem.list(path + "/" + folder).map(\.name)
  }
}
