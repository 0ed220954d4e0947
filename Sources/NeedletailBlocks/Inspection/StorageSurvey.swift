import NeedletailEnvironment

/// What is in a data folder.
package struct StorageSurvey: Sendable {
  /// The folder's path.
  package var path: String
  /// Who it is; nil where neither the catalog nor the file beside it tells.
  package var identity: FolderIdentity?
  /// Whether the file beside the catalog tells the same.
  package var hasIdentityFile = false
  /// Why there is no catalog to be read; nil where there is one.
  package var catalogProblem: String?
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
  /// Names in `parts/` that no catalog lists.
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
  /// Opens the catalog at a path; of a folder that is in use, for reading alone.
  package typealias OpenCatalog = (_ path: String) throws(CatalogError) -> any PartCatalog

  static let catalogName = "catalog.sqlite"
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
    for name in [Self.catalogName, "parts", "log"] where try fileSystem.status(path + "/" + name) != nil {
      return true
    }
    return false
  }

  /// What is in the folder.
  ///
  /// Reads the catalog, the log and, where there is no catalog, the header of each part.
  package func survey() throws(FileError) -> StorageSurvey {
    var survey = StorageSurvey(path: path)
    let beside = try FolderIdentity.read(path, on: fileSystem)
    if try fileSystem.status(path + "/" + Self.catalogName)?.kind == .file {
      do throws(CatalogError) { try read(&survey) } catch {
        survey.catalogProblem = "\(error)"
        survey.isOfOtherVersion = error.isOfOtherVersion
        survey.parts = []
        survey.deletions = [:]
        survey.flushedThrough = nil
      }
    } else {
      survey.catalogProblem = "there is no \(Self.catalogName)"
    }
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

  private func read(_ survey: inout StorageSurvey) throws(CatalogError) {
    let catalog = try openCatalog(path + "/" + Self.catalogName)
    guard let layout = try catalog.setting(.layoutVersion) else { throw CatalogError("it is blank") }
    guard layout == DataFolder.layoutVersion else { throw DataFolder.unknownLayout(layout) }
    guard let id = try catalog.setting(.folderID), let slots = Int(try catalog.setting(.slotCount) ?? ""), slots > 0
    else { throw CatalogError("it does not tell the folder's identity or slots") }
    for kind in PartKind.allCases { survey.parts += try catalog.list(kind) }
    for tombstone in try catalog.tombstones() {
      survey.deletions[tombstone.part, default: []].insert(tombstone.content)
    }
    survey.flushedThrough = try catalog.flushedThroughGeneration()
    survey.notedDamages = try catalog.damages()
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
