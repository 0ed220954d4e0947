import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

@testable import NeedletailBlocks

/// What must never be removed: data that something went wrong around.
@Suite struct LeftDataTests {
  /// Refuses every record.
  private final class Refusing: JournalParticipant {
    struct Refusal: Error {}
    let recordKinds = [LogRecordKind.series(1)]
    func replay(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws { throw Refusal() }
    func freeze() {}
    func writeFrozen(to parts: PartsFolder) throws -> [PartRecord] { [] }
    func publishFrozen(_ records: [PartRecord]) throws {}
  }

  private func open(_ disk: FaultyFileSystem, _ catalog: MemoryCatalog) throws -> DataFolder {
    try DataFolder.open(
      "/data", on: disk, random: SeededRandomSource(seed: 77), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in try catalog.placed(at: path, on: disk) })
  }

  @Test(
    "A new catalog beside parts or a log, and no mirror, is refused, and nothing is touched", arguments: [false, true])
  func lostCatalog(flushing: Bool) throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    for number in UInt64(1)...5 { _ = try machine.append(number) }
    machine.journal.commitPending()
    if flushing { _ = try machine.journal.flush() }
    let disk = machine.disk.crash(.syncedOnly)
    try disk.remove("/data/catalog.mirror")
    let bytes = disk.usedBytes
    let error = #expect(throws: DataFolderError.self) { try open(disk, MemoryCatalog()) }
    #expect("\(try #require(error))".contains("catalog.sqlite"))
    #expect(disk.usedBytes == bytes)
    #expect(try Machine(disk, catalog).engine.all == [1, 2, 3, 4, 5])
  }

  @Test(
    "A catalog's write-ahead log without the catalog is refused before a new one is made", arguments: [false, true])
  func loneWriteAheadLog(isEmptied: Bool) throws {
    let catalog = MemoryCatalog()
    let disk = try Machine(FaultyFileSystem(seed: 1), catalog).disk.crash(.everything)
    for name in ["mirror", "sqlite"] { try disk.remove("/data/catalog." + name) }
    try disk.open("/data/catalog.sqlite-wal", .create).write([1, 2, 3], at: 0)
    if isEmptied { _ = try disk.open("/data/catalog.sqlite", .create) }
    let isAsked = Lock(false)
    let error = #expect(throws: DataFolderError.self) {
      try DataFolder.open(
        "/data", on: disk, random: SeededRandomSource(seed: 77), holder: "a test",
        openCatalog: { (_) throws(CatalogError) in
          isAsked.withLock { $0 = true }
          return catalog
        })
    }
    #expect("\(try #require(error))".contains("catalog.sqlite-wal"))
    #expect(!isAsked.withLock { $0 })
    try disk.open("/data/catalog.sqlite", isEmptied ? .readWrite : .create).write([1], at: 0)
    try disk.remove("/data/catalog.sqlite-wal")
    #expect(try Machine(disk, catalog).engine.all.isEmpty)
  }

  @Test("A part that a failed commit was to take out is not removed by a start with an older catalog")
  func marksEndWithTheirReason() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    let old = catalog.copy()
    _ = try machine.append(1)
    _ = try machine.journal.flush()
    let part = try #require(try catalog.list(.series).first)
    catalog.failNextCommit(.before)
    #expect(throws: CatalogError.self) {
      try machine.folder.parts.commit(to: machine.folder.catalog, removing: [part.id])
    }
    let disk = machine.disk.crash(.everything)
    try disk.remove("/data/catalog.mirror")
    _ = try Machine(disk, old)
    #expect(try disk.list("/data/quarantine").map(\.name) == [part.id.folderName])
  }

  @Test("A mark that a crash left on a part which is listed is taken off by the next start")
  func startTakesMarksOff() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    _ = try machine.append(1)
    _ = try machine.journal.flush()
    let part = "/data/parts/" + (try #require(try catalog.list(.series).first)).id.folderName
    let disk = machine.disk.crash(.everything)
    try disk.link(part + "/header", to: part + "/header.leaving")
    #expect(try Machine(disk, catalog).engine.all == [1])
    #expect(try disk.status(part + "/header.leaving") == nil)
  }

  @Test(
    "Begun anew beside an old identity, a folder opens wherever the power is cut", arguments: CrashSurvival.allCases)
  func begunAnew(survival: CrashSurvival) throws {
    var call = 0
    var isCut = true
    while isCut {
      let old = try Machine(FaultyFileSystem(seed: 1), nil).disk.crash(.everything)
      for name in ["parts", "log"] { try old.removeTree("/data/" + name) }
      for name in try old.list("/data").map(\.name) where name.hasPrefix("catalog") { try old.remove("/data/" + name) }
      try old.syncDirectory("/data")
      old.powerOff(atCall: old.callCount + call)
      isCut = (try? Machine(old, nil)) == nil
      let machine = try Machine(old.crash(survival), nil)
      _ = try machine.append(1)
      machine.journal.commitPending()
      #expect(try Machine(machine.disk.crash(.syncedOnly), nil).engine.all == [1], "call \(call)")
      call += 1
    }
    #expect(call > 20)
  }

  @Test("An identity that the disk does not give back is written anew from the catalog")
  func unreadableIdentity() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    _ = try machine.append(1)
    machine.journal.commitPending()
    let disk = machine.disk.crash(.syncedOnly)
    disk.fail(.read, onPathsEnding: "/identity", times: 1, number: 5)
    #expect(try Machine(disk, catalog).engine.all == [1])
    #expect(try FolderIdentity.read("/data", on: disk) != nil)
    // Nothing else tells it without a catalog: then it is no time to repair.
    for name in ["sqlite", "mirror"] { try disk.remove("/data/catalog." + name) }
    disk.fail(.read, onPathsEnding: "/identity", times: 2, number: 5)
    let inspector = StorageInspector(
      "/data", on: disk, isInUse: false,
      openCatalog: { (path) throws(CatalogError) in try FileCatalog(path: path, on: disk) })
    #expect(throws: FileError.self) { try inspector.survey() }
  }

  @Test("A failed commit that comes back after a kill finds its parts; they go once a later commit succeeded")
  func commitComesBack() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    for number in UInt64(1)...5 { _ = try machine.append(number) }
    machine.journal.commitPending()
    catalog.failNextCommit(.comesBack)
    #expect(throws: CatalogError.self) { try machine.journal.flush() }
    catalog.restart()
    let again = try Machine(machine.disk.crash(.everything), catalog)
    #expect(again.engine.all == [1, 2, 3, 4, 5])
    _ = try again.append(6)
    catalog.failNextCommit(.comesBack)
    #expect(throws: CatalogError.self) { try again.journal.flush() }
    #expect(try again.disk.list("/data/parts").count == 2)
    _ = try again.journal.flush()
    #expect(try again.disk.list("/data/parts").count == 2)
    catalog.restart()
    #expect(try Machine(again.disk.crash(.everything), catalog).engine.all == [1, 2, 3, 4, 5, 6])
  }

  @Test("Many open parts take few open files, and a removed part is readable until its last reader is gone")
  func manyParts() throws {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
    var readers: [BlockReader] = []
    var locations: [BlockLocation] = []
    for number in 0..<400 as Range<UInt64> {
      let writer = try folder.makePart()
      locations.append(try writer.makeFile("rows").append([UInt8(truncatingIfNeeded: number)], kind: 1))
      let record = try writer.finish(
        PartSummary(
          kind: .logs, format: 1, partition: 0, level: 0, rows: 1, groups: 1, minTime: 0, maxTime: 0))
      readers.append(try folder.open(record).file("rows"))
    }
    #expect(folder.openFiles.count <= 256)
    for id in 1...400 as ClosedRange<UInt64> { try folder.remove(PartID(id)) }
    for (index, reader) in readers.enumerated() {
      #expect(try reader.read(locations[index]).bytes == [UInt8(truncatingIfNeeded: index)])
    }
    #expect(folder.openFiles.count <= 256)
    readers = []
    #expect(folder.openFiles.count == 0)
    #expect(try disk.list("/parts").isEmpty)
  }

  @Test("A log with records of an unknown kind is not opened")
  func unknownKind() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    _ = try machine.append(1)
    machine.journal.commitPending()
    let disk = machine.disk.crash(.syncedOnly)
    let folder = try open(disk, catalog)
    let error = #expect(throws: DataFolderError.self) {
      try folder.startJournal(
        participants: [], clock: ManualClock(), options: JournalOptions(commitsOnOwnThread: false))
    }
    #expect("\(try #require(error))".contains("kind 1,"))
    folder.close()
    #expect(try Machine(disk, catalog).engine.all == [1])
  }

  @Test("A segment of which an engine refused a record outlives the flush under a second name")
  func refusedRecords() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog)
    _ = try machine.append(1)
    machine.journal.commitPending()
    var disk = machine.disk.crash(.syncedOnly)
    let names = try disk.list("/data/log").map(\.name)
    let bytes = try disk.readAll("/data/log/" + (try #require(names.first)), maxBytes: 10_000)
    for _ in 0..<2 {
      let folder = try open(disk, catalog)
      let (journal, report) = try folder.startJournal(
        participants: [Refusing()], clock: ManualClock(), options: JournalOptions(commitsOnOwnThread: false))
      #expect(report.refusals.count == 1)
      disk = disk.crash(.syncedOnly)
      journal.close()
    }
    let folder = try open(disk, catalog)
    let (journal, _) = try folder.startJournal(
      participants: [Refusing()], clock: ManualClock(), options: JournalOptions(commitsOnOwnThread: false))
    _ = try journal.flush()
    #expect(try disk.list("/data/log").map(\.name) == names.map { $0 + ".refused" })
    let kept = try disk.readAll("/data/log/" + (names.first ?? "") + ".refused", maxBytes: 10_000)
    #expect(kept == bytes)
  }

  @Test("A rotten record in the last group of a log costs no record behind it")
  func rotInLastGroup() throws {
    let catalog = MemoryCatalog()
    let machine = try Machine(FaultyFileSystem(seed: 1), catalog, segmentBytes: 1 << 20)
    for number in UInt64(1)...4 {
      _ = try machine.append(number * 5)
      _ = try machine.append(number * 5 + 1)
      _ = try machine.append(number * 5 + 2)
      machine.journal.commitPending()
    }
    let all = machine.engine.all
    let disk = machine.disk.crash(.syncedOnly)
    let path = "/data/log/" + (try #require(try disk.list("/data/log").first).name)
    let size = Int(try #require(try disk.status(path)).size)
    for byte in 0..<size {
      let copy = disk.copy(seed: 2)
      copy.flip(path, byte: byte, bit: byte & 7)
      let found = try Machine(copy, catalog, segmentBytes: 1 << 20)
      let lost = Set(all).subtracting(found.engine.all)
      #expect(lost.count <= 1, "byte \(byte): lost \(lost.sorted())")
      if let number = lost.first, number != all.last {
        #expect(found.report.damages.count == 1 && found.report.tornTail == nil, "byte \(byte)")
      }
    }
  }
}
