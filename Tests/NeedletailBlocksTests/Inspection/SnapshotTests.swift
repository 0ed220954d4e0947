import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

@testable import NeedletailBlocks

/// A snapshot is a data folder by itself, all of it or none, and stays what it was.
@Suite struct SnapshotTests {
  /// Two flushed parts, and a record that is in the log alone.
  private func machine(
    _ disk: FaultyFileSystem = FaultyFileSystem(seed: 3), watched: WatchedFileSystem? = nil
  ) throws -> Machine {
    let machine = try Machine(disk, MemoryCatalog(), watched: watched)
    for numbers in [[1, 2, 3], [4, 5]] as [[UInt64]] {
      for number in numbers { _ = try machine.append(number) }
      machine.journal.commitPending()
      _ = try machine.journal.flush()
    }
    _ = try machine.append(6)
    machine.journal.commitPending()
    return machine
  }

  private func snapshot(_ machine: Machine, named name: String) throws {
    try machine.folder.makeSnapshot(named: name)
  }

  /// All that a server finds in the snapshot.
  private func numbers(_ disk: FaultyFileSystem, _ name: String) throws -> [UInt64] {
    let folder = try DataFolder.open(
      "/data/snapshots/" + name, on: disk, random: SeededRandomSource(seed: 8), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in try FileCatalog(path: path, on: disk) })
    defer { folder.close() }
    return try TestEngine(folder).all
  }

  @Test("It holds what was in parts, also after the folder that it was made of has lost these")
  func holds() throws {
    let machine = try machine()
    try snapshot(machine, named: "first")
    for record in try machine.catalog.list(.series) {
      try machine.folder.parts.commit(to: machine.folder.catalog, removing: [record.id])
      try machine.folder.parts.remove(record.id)
    }
    #expect(try machine.disk.list("/data/parts").isEmpty)
    #expect(try numbers(machine.disk, "first") == [1, 2, 3, 4, 5])
  }

  @Test("It holds also what was replaced while it was made, as long as somebody keeps the files")
  func replacedMeanwhile() throws {
    let disk = FaultyFileSystem(seed: 3)
    let watched = WatchedFileSystem(disk)
    let machine = try machine(disk, watched: watched)
    let (folder, records) = (machine.folder, try machine.catalog.list(.series))
    let holds = records.map { PartHold($0.id, in: folder.parts) }
    let failure = Lock<(any Error)?>(nil)
    // The catalog was read by then.
    watched.once(before: { $0.operation == .createDirectory && $0.path.hasSuffix(".first/parts") }) {
      do {
        for record in records {
          try folder.parts.commit(to: folder.catalog, removing: [record.id])
          try folder.parts.remove(record.id)
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    try snapshot(machine, named: "first")
    #expect(failure.withLock { $0 } == nil)
    #expect(try machine.catalog.list(.series).isEmpty)
    for record in records {
      let path = folder.parts.path(of: record.id)
      #expect(try disk.status(path + "/header") == nil && disk.status(path + "/rows") != nil)
    }
    withExtendedLifetime(holds) {}
    #expect(try numbers(disk, "first") == [1, 2, 3, 4, 5])
  }

  @Test("A power cut at any call leaves all of it or none, and the folder as it was", arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) throws {
    for call in 0..<400 {
      let machine = try machine()
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      var isMade = false
      do {
        try snapshot(machine, named: "one")
        isMade = true
      } catch {}
      let disk = machine.disk.crash(survival)
      let names = try disk.list("/data").contains { $0.name == "snapshots" } ? try disk.list("/data/snapshots") : []
      if names.contains(where: { $0.name == "one" }) {
        #expect(try numbers(disk, "one") == [1, 2, 3, 4, 5], "call \(call)")
      } else {
        #expect(!isMade, "call \(call)")
      }
      let again = try Machine(disk, machine.catalog)
      #expect(again.engine.all == [1, 2, 3, 4, 5, 6], "call \(call)")
      // What was left of it goes with the next.
      try snapshot(again, named: "two")
      #expect(try disk.list("/data/snapshots").allSatisfy { !$0.name.hasPrefix(".") })
      if isMade { return }
    }
    Issue.record("it makes more calls than were tried")
  }

  @Test("A name that could lead elsewhere is refused", arguments: ["", ".", "..", "a/b", "/tmp/x", ".hidden", "a b"])
  func names(name: String) throws {
    let machine = try machine()
    #expect(throws: DataFolderError.self) { try snapshot(machine, named: name) }
    #expect(try machine.disk.status("/data/snapshots") == nil)
  }
}
