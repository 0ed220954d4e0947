import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

@testable import NeedletailBlocks

/// A snapshot is a data folder by itself, all of it or none, and stays what it was.
@Suite struct SnapshotTests {
  /// Two flushed parts, and a record that is in the log alone.
  private func machine() throws -> Machine {
    let machine = try Machine(FaultyFileSystem(seed: 3), MemoryCatalog())
    for numbers in [[1, 2, 3], [4, 5]] as [[UInt64]] {
      for number in numbers { _ = try machine.append(number) }
      machine.journal.commitPending()
      _ = try machine.journal.flush()
    }
    _ = try machine.append(6)
    machine.journal.commitPending()
    return machine
  }

  /// Makes a snapshot; returns the catalog in it.
  private func snapshot(
    _ machine: Machine, named name: String, of catalog: MemoryCatalog? = nil
  ) throws -> MemoryCatalog {
    let copy = (catalog ?? machine.catalog).copy()
    try machine.folder.makeSnapshot(
      named: name,
      copyCatalog: { path throws(CatalogError) in
        do throws(FileError) { _ = try machine.disk.open(path, .create) } catch { throw CatalogError("\(error)") }
      }, openCopy: { (_) throws(CatalogError) in copy })
    return copy
  }

  /// All that a server finds in the snapshot.
  private func numbers(_ disk: FaultyFileSystem, _ name: String, _ catalog: MemoryCatalog) throws -> [UInt64] {
    let folder = try DataFolder.open(
      "/data/snapshots/" + name, on: disk, random: SeededRandomSource(seed: 8), holder: "a test",
      openCatalog: { (_) throws(CatalogError) in catalog })
    defer { folder.close() }
    return try TestEngine(folder).all
  }

  @Test("It holds what was in parts, also after the folder that it was made of has lost these")
  func holds() throws {
    let machine = try machine()
    let catalog = try snapshot(machine, named: "first")
    for record in try machine.catalog.list(.series) {
      try machine.folder.parts.commit(to: machine.catalog, removing: [record.id])
      try machine.folder.parts.remove(record.id)
    }
    #expect(try machine.disk.list("/data/parts").isEmpty)
    #expect(try numbers(machine.disk, "first", catalog) == [1, 2, 3, 4, 5])
  }

  @Test("It holds also what was replaced after the catalog was copied, as long as somebody keeps the files")
  func replacedMeanwhile() throws {
    let machine = try machine()
    let before = machine.catalog.copy()
    let records = try before.list(.series)
    let holds = records.map { PartHold($0.id, in: machine.folder.parts) }
    for record in records {
      try machine.folder.parts.commit(to: machine.catalog, removing: [record.id])
      try machine.folder.parts.remove(record.id)
      let path = machine.folder.parts.path(of: record.id)
      #expect(try machine.disk.status(path + "/header") == nil && machine.disk.status(path + "/rows") != nil)
    }
    let catalog = try snapshot(machine, named: "first", of: before)
    withExtendedLifetime(holds) {}
    #expect(try numbers(machine.disk, "first", catalog) == [1, 2, 3, 4, 5])
  }

  @Test("A power cut at any call leaves all of it or none, and the folder as it was", arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) throws {
    for call in 0..<200 {
      let machine = try machine()
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      var catalog: MemoryCatalog?
      do { catalog = try snapshot(machine, named: "one") } catch {}
      let disk = machine.disk.crash(survival)
      let names = try disk.list("/data").contains { $0.name == "snapshots" } ? try disk.list("/data/snapshots") : []
      if names.contains(where: { $0.name == "one" }) {
        #expect(try numbers(disk, "one", machine.catalog.copy()) == [1, 2, 3, 4, 5], "call \(call)")
      } else {
        #expect(catalog == nil, "call \(call)")
      }
      let again = try Machine(disk, machine.catalog)
      #expect(again.engine.all == [1, 2, 3, 4, 5, 6], "call \(call)")
      // What was left of it goes with the next.
      _ = try snapshot(again, named: "two")
      #expect(try disk.list("/data/snapshots").allSatisfy { !$0.name.hasPrefix(".") })
      if catalog != nil { return }
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
