import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

/// The real disk, the real catalog, the real thread.
@Suite struct DataFolderTests {
  func open(_ path: String) throws -> DataFolder {
    try DataFolder.open(
      path + "/data", on: PosixFileSystem(), random: SystemRandomSource(), holder: "process 7 of a test",
      openCatalog: { (path) throws(CatalogError) in try SQLiteCatalog(path: path) })
  }

  @Test("A second opening is refused and told who holds the folder; slots and identity stay")
  func lockAndSettings() throws {
    try withScratchFolder { path in
      let folder = try open(path)
      let error = #expect(throws: DataFolderError.self) { try open(path) }
      #expect("\(try #require(error))".contains("process 7 of a test"))
      folder.close()
      let again = try DataFolder.open(
        path + "/data", on: PosixFileSystem(), random: SystemRandomSource(), slotCount: 7, holder: "x",
        openCatalog: { (path) throws(CatalogError) in try SQLiteCatalog(path: path) })
      #expect(again.slotCount == 1024)
      #expect(again.id == folder.id && again.id.utf8.count == 32)
      again.close()
    }
  }

  @Test("The SQLite catalog does what the one in memory does, and remembers it")
  func catalogs() throws {
    try withScratchFolder { path in
      let memory = MemoryCatalog()
      var sqlite = try SQLiteCatalog(path: path + "/catalog.sqlite")
      var random = SeededGenerator(seed: 1)
      for step in 1...40 {
        let kind = PartKind.allCases[step % 3]
        let record = PartRecord(
          id: PartID(UInt64(step)),
          summary: PartSummary(
            kind: kind, format: 1, partition: .min, level: .max, rows: random.next(), groups: random.next(),
            minTime: .min, maxTime: .max), bytes: random.next())
        let removing = step > 5 ? [PartID(UInt64(step - 5))] : []
        let damage = LogDamage(
          segment: LogSegmentID(generation: UInt64(step), number: 0), range: 3..<9,
          sequences: step % 2 == 0 ? nil : 1...2)
        for catalog in [memory, sqlite] as [any CatalogStore] {
          try catalog.commit(adding: [record], removing: removing, flushedThroughGeneration: UInt64(step / 4))
          try catalog.note([damage, damage])
          try catalog.set(.slotCount, to: String(step))
        }
        if step % 10 == 0 {
          try memory.forget([damage])
          try sqlite.forget([damage])
          sqlite = try SQLiteCatalog(path: path + "/catalog.sqlite")
        }
      }
      for kind in PartKind.allCases { #expect(try memory.list(kind) == sqlite.list(kind)) }
      #expect(try memory.nextPartID() == sqlite.nextPartID())
      #expect(try memory.flushedThroughGeneration() == sqlite.flushedThroughGeneration())
      #expect(try memory.damages() == sqlite.damages())
      #expect(try memory.setting(.slotCount) == sqlite.setting(.slotCount))
    }
  }

  @Test("An append whose body throws leaves no record, and one over the bound is refused")
  func refusals() throws {
    struct Unwanted: Error {}
    let disk = FaultyFileSystem(seed: 1)
    let catalog = MemoryCatalog()
    let machine = try Machine(disk, catalog)
    _ = try machine.append(1)
    #expect(throws: Unwanted.self) {
      try machine.journal.append { transaction in
        try transaction.log(.series(1), TestRecord.bytes(2))
        throw Unwanted()
      }
    }
    _ = try machine.append(3)
    machine.journal.commitPending()
    let reopened = try Machine(disk.crash(.syncedOnly), catalog)
    #expect(reopened.engine.all == [1, 3])
    let huge = [UInt8](repeating: 0, count: LogFormat.payloadBytesMax + 1)
    #expect(throws: JournalError.recordTooLarge(bytes: huge.count)) {
      try reopened.journal.append { transaction in try transaction.log(.series(1), huge) }
    }
    let small = JournalOptions(pendingBytesMax: 1000, commitsOnOwnThread: false)
    let (journal, _) = try reopened.folder.startJournal(
      participants: [try TestEngine(reopened.folder)], clock: ManualClock(), options: small)
    _ = try journal.append { transaction in try transaction.log(.series(1), [UInt8](repeating: 0, count: 2000)) }
    #expect(throws: JournalError.self) { try journal.append { _ in } }
    journal.commitPending()
    _ = try journal.append { _ in }
  }
}
