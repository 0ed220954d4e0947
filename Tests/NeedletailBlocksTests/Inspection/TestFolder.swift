import NeedletailEnvironment
import NeedletailSimulation

@testable import NeedletailBlocks

/// A real data folder with parts of numbers, and what is asked of it.
struct TestFolder {
  let path: String
  static let files = PosixFileSystem()

  /// What was stored in each part.
  static let parts: [[UInt64]] = [[1, 2, 3], [10, 11], [20, 21, 22]]
  /// What was acknowledged after that.
  static let logged: [UInt64] = [30, 31]

  /// What is deleted of the first part.
  static let deletions: [[UInt8]] = [[7], [7, 7, 0]]

  /// Makes the folder: three parts, of one of which something is deleted, and two records in the log.
  ///
  /// `killedCopy` gets what would be there if the process were killed at the end.
  init(making path: String, killedCopy: String? = nil, seed: UInt64 = 9) throws {
    self.path = path
    let (folder, engine, journal) = try Self.open(path, seed: seed)
    func append(_ numbers: [UInt64]) throws {
      for number in numbers {
        _ = try journal.append { transaction in
          try transaction.log(.series(1), TestRecord.bytes(number))
          engine.state.withLock { $0.head.append(number) }
        }
      }
      journal.commitPending()
    }
    for numbers in Self.parts {
      try append(numbers)
      _ = try journal.flush()
    }
    let first = try folder.catalog.list(.series)[0].id
    for content in Self.deletions {
      try folder.parts.commit(to: folder.catalog, tombstones: [PartTombstone(part: first, content: content)])
    }
    try append(Self.logged)
    if let killedCopy { try Self.copy(path, to: killedCopy) }
    journal.close()
    folder.close()
  }

  /// Copies a folder with all that is in it.
  static func copy(_ path: String, to target: String) throws {
    try files.createDirectory(target)
    for entry in try files.list(path) {
      if entry.kind == .directory {
        try copy(path + "/" + entry.name, to: target + "/" + entry.name)
      } else {
        let file = try files.open(target + "/" + entry.name, .create)
        defer { file.close() }
        try file.write(try files.readAll(path + "/" + entry.name, maxBytes: 1 << 24), at: 0)
      }
    }
  }

  /// The folder at `path`, which is there.
  init(at path: String) { self.path = path }

  private static func open(_ path: String, seed: UInt64 = 9) throws -> (DataFolder, TestEngine, Journal) {
    let folder = try DataFolder.open(
      path, on: files, random: SeededRandomSource(seed: seed), holder: "a test",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
    do {
      let engine = try TestEngine(folder)
      let (journal, _) = try folder.startJournal(
        participants: [engine], clock: ManualClock(), options: JournalOptions(commitsOnOwnThread: false))
      return (folder, engine, journal)
    } catch {
      folder.close()
      throw error
    }
  }

  /// All numbers that a server would find.
  func numbers() throws -> [UInt64] { try start().numbers }

  /// What a server would find, what it would say is deleted, and what it would say of the catalog.
  func start() throws -> (numbers: [UInt64], tombstones: [[UInt8]], remark: String?) {
    let (folder, engine, journal) = try Self.open(path)
    defer {
      journal.close()
      folder.close()
    }
    return (engine.all, try folder.catalog.tombstones().map(\.content), folder.remark)
  }

  /// What the catalog says is deleted.
  func tombstones() throws -> [[UInt8]] {
    try SQLiteCatalog(reading: path + "/catalog.sqlite").tombstones().map(\.content)
  }

  static let everything = (parts.flatMap { $0 } + logged).sorted()

  private func inspector() -> StorageInspector {
    StorageInspector(
      path, on: Self.files, isInUse: false,
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(reading: path) })
  }

  func survey() throws -> StorageSurvey { try inspector().survey() }

  func verify() throws -> StorageVerification { try inspector().verify(try survey(), check: { _, _ in nil }) }

  /// Repairs, as far as the file system lets it; returns what the plan said.
  @discardableResult
  func repair(on files: any FileSystem = TestFolder.files, removesLeftovers: Bool = false) throws -> StorageRepairPlan {
    let survey = try survey()
    let plan = StorageRepairPlan(
      survey, try inspector().verify(survey, check: { _, _ in nil }),
      freshID: String(repeating: "ab", count: 16), removesLeftovers: removesLeftovers)
    try StorageRepair(path, on: files) { path throws(CatalogError) in try SQLiteCatalog(path: path) }.run(plan)
    return plan
  }

  /// The folder of the part that holds the numbers of this index.
  func part(_ index: Int) throws -> String {
    path + "/parts/" + (try Self.files.list(path + "/parts").map(\.name).sorted()[index])
  }

  /// Flips a bit of a file.
  static func flip(_ path: String, at offset: UInt64, bit: UInt8 = 2) throws {
    let file = try files.open(path, .readWrite)
    defer { file.close() }
    var byte: [UInt8] = [0]
    _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
    try file.write([byte[0] ^ (1 << bit)], at: offset)
  }
}
