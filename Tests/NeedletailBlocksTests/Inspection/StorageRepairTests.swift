import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// What a repair brings back, and that it never makes anything worse, wherever it is cut off.
@Suite struct StorageRepairTests {
  /// What happens to a folder before it is repaired, and what a server finds afterwards.
  enum Harm: String, CaseIterable {
    case nothing, lostCatalog, damagedCatalog, lostIdentity, lostCatalogAndIdentity, damagedHeader, missingPart, cutFile
    case damagedHeaderAndCatalog, damagedDeletions, lostCatalogAndDeletions
    case lostDatabase, damagedDatabase, oldDatabase, damagedMirror, damagedHeaderAndDatabase

    func strike(_ folder: TestFolder) throws {
      let files = TestFolder.files
      switch self {
      case .nothing: break
      case .lostCatalog: try loseCatalog(folder)
      case .damagedCatalog:
        try TestFolder.flip(folder.path + "/catalog.sqlite", at: 3)
        try TestFolder.flip(folder.path + "/catalog.mirror", at: 70)
      case .lostDatabase: try files.remove(folder.path + "/catalog.sqlite")
      case .damagedDatabase: try TestFolder.flip(folder.path + "/catalog.sqlite", at: 3)
      case .damagedMirror: try TestFolder.flip(folder.path + "/catalog.mirror", at: 70)
      case .oldDatabase: try makeOlder(folder)
      case .damagedHeaderAndDatabase:
        try TestFolder.flip(try folder.part(1) + "/header", at: 30)
        try files.remove(folder.path + "/catalog.sqlite")
      case .lostIdentity: try files.remove(folder.path + "/identity")
      case .lostCatalogAndIdentity:
        try loseCatalog(folder)
        try files.remove(folder.path + "/identity")
      case .damagedHeader: try TestFolder.flip(try folder.part(1) + "/header", at: 30)
      case .missingPart: try files.removeTree(try folder.part(1))
      case .cutFile:
        let file = try files.open(try folder.part(1) + "/rows", .readWrite)
        defer { file.close() }
        try file.truncate(to: 10)
      case .damagedHeaderAndCatalog:
        try TestFolder.flip(try folder.part(1) + "/header", at: 30)
        try loseCatalog(folder)
      case .damagedDeletions: try TestFolder.flip(try folder.part(0) + "/deletions", at: 20)
      case .lostCatalogAndDeletions:
        try TestFolder.flip(try folder.part(0) + "/deletions", at: 20)
        try loseCatalog(folder)
      }
    }

    private func loseCatalog(_ folder: TestFolder) throws {
      for name in ["/catalog.sqlite", "/catalog.mirror"] { try TestFolder.files.remove(folder.path + name) }
    }

    /// Leaves the mirror as it is, and takes the last change of the database back.
    private func makeOlder(_ folder: TestFolder) throws {
      let catalog = try SQLiteCatalog(path: folder.path + "/catalog.sqlite")
      var content = try catalog.content()
      content.changes -= 1
      content.tombstones = [:]
      try catalog.replace(with: content)
    }

    var losesPart: Bool {
      [.damagedHeader, .missingPart, .cutFile, .damagedHeaderAndCatalog, .damagedHeaderAndDatabase].contains(self)
    }

    /// What is deleted after the repair.
    var deletions: [[UInt8]] { self == .lostCatalogAndDeletions ? [] : TestFolder.deletions }

    /// What a server finds after the repair.
    var left: [UInt64] {
      let lost = losesPart ? TestFolder.parts[1] : self == .lostCatalogAndIdentity ? TestFolder.logged : []
      return TestFolder.everything.filter { !lost.contains($0) }
    }
  }

  private func withFolder(_ harm: Harm, _ body: (TestFolder) throws -> Void) throws {
    try withScratchFolder(inMemory: true) { scratch in
      let folder = try TestFolder(making: scratch + "/data")
      try harm.strike(folder)
      try body(folder)
    }
  }

  @Test(
    "After a repair every checksum holds, a server finds all that was not damaged, and nothing is left to repair",
    arguments: Harm.allCases)
  func repairs(harm: Harm) throws {
    try withFolder(harm) { folder in
      #expect(try folder.verify().damages.isEmpty == (harm == .nothing))
      let plan = try folder.repair()
      #expect(plan.steps.isEmpty == (harm == .nothing))
      let left = try folder.verify().damages
      #expect(left.isEmpty, "\(left)")
      #expect(try folder.repair().steps.isEmpty)
      #expect(try folder.numbers() == harm.left)
      #expect(try folder.tombstones() == harm.deletions)
      let kept = try folder.survey().quarantined
      let keepsPart = harm.losesPart && harm != .missingPart
      #expect(kept.contains { PartID(folderName: $0) != nil } == keepsPart, "\(kept)")
      if harm == .lostCatalogAndIdentity { #expect(kept.contains { $0.hasSuffix(".log") }, "\(kept)") }
    }
  }

  @Test(
    "A repair that is killed at any call loses nothing, and the next one comes to the same end",
    arguments: Harm.allCases)
  func killed(harm: Harm) throws {
    for calls in 0..<200 {
      var isDone = false
      try withFolder(harm) { folder in
        let files = StoppingFileSystem(changes: calls)
        do {
          try folder.repair(on: files)
          isDone = !files.isStopped
        } catch is StorageRepairError {}
        let (before, remarks) = (try folder.survey(), try folder.repair().remarks.joined())
        // The next one still says what comes back, whether the first came as far as the catalog or not.
        if harm == .lostCatalogAndDeletions, before.catalogProblem != nil || !before.damagedDeletions.isEmpty {
          #expect(remarks.contains("is there again"), "after \(calls) calls")
        }
        #expect(try folder.verify().damages.isEmpty, "after \(calls) calls")
        #expect(try folder.numbers() == harm.left, "after \(calls) calls")
        #expect(try folder.tombstones() == harm.deletions, "after \(calls) calls")
        let parts = try folder.survey().parts.count
        let kept = try folder.survey().quarantined.filter { PartID(folderName: $0) != nil }.count
        #expect(parts + kept == (harm == .missingPart ? 2 : 3), "after \(calls) calls")
      }
      if isDone { return }
    }
    Issue.record("it makes more calls than were tried")
  }

  @Test("A part that was moved and not yet unlisted is damage that the next repair ends, and no leftover")
  func between() throws {
    try withFolder(.damagedHeader) { folder in
      // What a server would find if it were started between the two halves of a step: damage, and not a leftover.
      let plan = StorageRepairPlan(
        try folder.survey(), try folder.verify(), freshID: "", removesLeftovers: false)
      guard case .quarantinePart(let id, _)? = plan.steps.first else {
        Issue.record("no quarantine: \(plan)")
        return
      }
      try TestFolder.files.createDirectory(folder.path + "/quarantine")
      try TestFolder.files.rename(
        folder.path + "/parts/" + id.folderName, to: folder.path + "/quarantine/" + id.folderName)
      #expect(try folder.verify().damages.map(\.part) == [id])
      try folder.repair()
      #expect(try folder.survey().quarantined == [id.folderName])
      #expect(try folder.verify().damages.isEmpty)
    }
  }

  @Test("Folders that no catalog lists are named, and removed only when that is asked for")
  func leftovers() throws {
    try withFolder(.nothing) { folder in
      let name = "00000000000000ff"
      try TestFolder.files.createDirectory(folder.path + "/parts/" + name)
      #expect(try folder.survey().leftovers == [name])
      let plan = try folder.repair()
      #expect(plan.steps.isEmpty && plan.remarks.contains { $0.contains(name) })
      #expect(try folder.survey().leftovers == [name])
      #expect(try folder.repair(removesLeftovers: true).steps == [.removeLeftover(name: name)])
      #expect(try folder.survey().leftovers.isEmpty)
    }
  }

  @Test("A catalog or folder of another version is nothing to repair, and stays as it is", arguments: [true, false])
  func otherVersion(isNewer: Bool) throws {
    try withFolder(.nothing) { folder in
      let path = folder.path + "/catalog.sqlite"
      do {
        let catalog = try SQLiteCatalog(path: path)
        if isNewer {
          try TestFolder.files.remove(folder.path + "/catalog.mirror")
          try catalog.database.withLock { database in try database.run("PRAGMA user_version = 99") }
        } else {
          try catalog.set(.layoutVersion, to: "7")
        }
      }
      let survey = try folder.survey()
      #expect(survey.isOfOtherVersion)
      let problem = try #require(survey.catalogProblem)
      #expect(problem.contains(isNewer ? "its tables have version 99" : "layout version 7"), "\(problem)")
      let plan = try folder.repair()
      #expect(plan.steps.isEmpty && plan.remarks.contains { $0.contains(problem) }, "\(plan)")
      #expect(try folder.survey().quarantined.isEmpty && TestFolder.files.status(path) != nil)
    }
  }

  @Test("Deletions that a start finds missing or wrong beside their parts are written as the catalog has them")
  func startsWriteDeletions() throws {
    try withFolder(.nothing) { folder in
      let file = try folder.part(0) + "/deletions"
      let bytes = try TestFolder.files.readAll(file, maxBytes: 1 << 20)
      try TestFolder.files.remove(file)
      // What a deletion leaves that was cut off before its commit.
      let stray = PartDeletionsFile(fileSystem: TestFolder.files, folder: try folder.part(1))
      let id = try #require(PartID(folderName: String(stray.folder.suffix(16))))
      try stray.write(NotedDeletions(contents: [[9]], flushedThrough: 1), of: id)
      #expect(try folder.verify().damages.map { folder.path + "/" + $0.path } == [file])
      _ = try folder.numbers()
      #expect(try TestFolder.files.readAll(file, maxBytes: 1 << 20) == bytes)
      #expect(try TestFolder.files.status(stray.folder + "/deletions") == nil)
    }
  }

  @Test("A damaged block alone moves nothing: the rest of its part is served")
  func damagedBlock() throws {
    try withFolder(.nothing) { folder in
      try TestFolder.flip(try folder.part(1) + "/rows", at: 30)
      let plan = try folder.repair()
      #expect(plan.steps.isEmpty && plan.remarks.contains { $0.contains("damaged blocks") }, "\(plan)")
      #expect(try folder.survey().parts.count == 3)
    }
  }
}
