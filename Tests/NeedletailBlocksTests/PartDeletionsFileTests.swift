import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTestSupport
import Testing

@testable import NeedletailBlocks

/// The deletions that stand beside a part.
@Suite struct PartDeletionsFileTests {
  @Test(
    "Deletions come back from their bytes; of another part, cut or changed in any bit they are none", arguments: 1...20)
  func bytes(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var noted = NotedDeletions(flushedThrough: generator.random.next())
    for _ in 0..<generator.int(0...4) {
      noted.contents.insert((0..<generator.int(0...20)).map { _ in UInt8(generator.int(0...255)) })
    }
    let bytes = PartDeletionsFile.encode(noted, of: PartID(5))
    #expect(PartDeletionsFile.decode(bytes, of: PartID(5)) == noted, "seed \(seed)")
    #expect(PartDeletionsFile.decode(bytes, of: PartID(6)) == nil)
    for index in bytes.indices {
      #expect(PartDeletionsFile.decode(Array(bytes[..<index]), of: PartID(5)) == nil, "seed \(seed) \(index)")
      var changed = bytes
      changed[index] ^= UInt8(1 << generator.int(0...7))
      #expect(PartDeletionsFile.decode(changed, of: PartID(5)) == nil, "seed \(seed) \(index)")
    }
    #expect(PartDeletionsFile.decode(bytes + [0], of: PartID(5)) == nil)
  }

  /// A part of which something is deleted, and which was taken out of the catalog.
  private func removedPart(_ disk: FaultyFileSystem) throws -> (PartsFolder, PartID) {
    try disk.createDirectory("/parts")
    try disk.syncDirectory("/")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
    let catalog = MemoryCatalog()
    let writer = try folder.makePart()
    for name in ["content", "rows"] { _ = try writer.makeFile(name).append([1, 2, 3], kind: 1) }
    let record = try writer.finish(
      PartSummary(kind: .series, format: 1, partition: 0, level: 0, rows: 1, groups: 1, minTime: 0, maxTime: 0))
    #expect(try disk.status(folder.path(of: record.id) + "/header") == nil)
    try folder.commit(to: catalog, adding: [record])
    try folder.commit(to: catalog, tombstones: [PartTombstone(part: record.id, content: [7])])
    try folder.commit(to: catalog, removing: [record.id])
    return (folder, record.id)
  }

  @Test(
    "A part that is removed keeps its deletions for as long as its header, wherever the power is cut",
    arguments: [false, true])
  func removal(atStart: Bool) throws {
    for seed in 0..<40 as Range<UInt64> {
      var call = 0
      var isCut = true
      while isCut {
        let disk = FaultyFileSystem(seed: seed)
        let (folder, id) = try removedPart(disk)
        disk.powerOff(atCall: disk.callCount + call)
        do throws(FileError) {
          if atStart { _ = try folder.removeLeftovers(keeping: []) } else { try folder.remove(id) }
          isCut = false
        } catch {}
        let left = disk.crash(seed % 2 == 0 ? .some : .torn)
        let file = PartDeletionsFile(fileSystem: left, folder: folder.path(of: id))
        if try left.status(file.folder + "/header") != nil {
          #expect(isCut, "seed \(seed), call \(call)")
          #expect(try file.read(of: id)?.contents == [[7]], "seed \(seed), call \(call)")
        }
        call += 1
      }
      #expect(call > 5)
    }
  }
}
