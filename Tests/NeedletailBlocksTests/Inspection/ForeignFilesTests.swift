import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

@testable import NeedletailBlocks

/// Files that somebody put where another one was, or took away.
@Suite struct ForeignFilesTests {
  private func replace(_ target: String, with source: String) throws -> [UInt8] {
    let bytes = try TestFolder.files.readAll(source, maxBytes: 1 << 20)
    try TestFolder.files.remove(target)
    let file = try TestFolder.files.open(target, .create)
    defer { file.close() }
    try file.write(bytes, at: 0)
    return bytes
  }

  private func segment(of path: String) throws -> String {
    try #require(try TestFolder.files.list(path + "/log").map(\.name).max())
  }

  @Test("A segment of another folder is named, set aside as it is, and nothing of it is cut; the next start is quiet")
  func foreignSegment() throws {
    try withScratchFolder { path in
      _ = try TestFolder(making: path + "/own", killedCopy: path + "/killed")
      _ = try TestFolder(making: path + "/other", killedCopy: path + "/foreign", seed: 10)
      let folder = TestFolder(at: path + "/killed")
      let name = try segment(of: folder.path)
      let foreign = path + "/foreign/log/" + (try segment(of: path + "/foreign"))
      let bytes = try replace(folder.path + "/log/" + name, with: foreign)
      let damages = try folder.verify().damages
      #expect(damages.map(\.path) == ["log/" + name])
      #expect(damages.allSatisfy { $0.reason.contains("another folder's") })

      let parts = TestFolder.parts.flatMap { $0 }.sorted()
      #expect(try folder.numbers() == parts)
      #expect(try TestFolder.files.readAll(folder.path + "/quarantine/" + name, maxBytes: 1 << 20) == bytes)
      #expect(try folder.survey().notedDamages.map(\.loss).contains { $0.contains(name) })
      #expect(try folder.numbers() == parts)
      #expect(try folder.survey().log.damages.isEmpty)

      // A second one of the same name never goes over the first.
      let again = try TestFolder.files.open(folder.path + "/log/" + name, .create)
      try again.write(bytes, at: 0)
      again.close()
      #expect(try folder.numbers() == parts)
      for suffix in ["", ".2"] {
        #expect(try TestFolder.files.readAll(folder.path + "/quarantine/" + name + suffix, maxBytes: 1 << 20) == bytes)
      }
    }
  }

  @Test("What a power cut leaves of a segment is cut, not taken for another folder's")
  func tornSegment() throws {
    try withScratchFolder { path in
      _ = try TestFolder(making: path + "/own", killedCopy: path + "/killed")
      let folder = TestFolder(at: path + "/killed")
      let name = try segment(of: folder.path)
      let whole = try TestFolder.files.readAll(folder.path + "/log/" + name, maxBytes: 1 << 20)
      for length in [0, 7, 8, 39, 40, 41, 60] {
        for fill in [whole[..<min(length, 40)] + [], [UInt8](repeating: 0, count: length)] {
          let file = try TestFolder.files.open(folder.path + "/log/" + name, .readWrite)
          defer { file.close() }
          try file.truncate(to: 0)
          try file.write(Array(fill), at: 0)
          try file.truncate(to: UInt64(length))
          let log = try folder.survey().log
          #expect(log.damages.isEmpty && (length <= 40 || log.tornTails.count == 1), "\(length)")
        }
      }
    }
  }

  @Test("A whole part of another folder that says the same of itself but has another size is not opened")
  func foreignPart() throws {
    let disk = FaultyFileSystem(seed: 1)
    let summary = PartSummary(
      kind: .logs, format: 1, partition: 0, level: 0, rows: 2, groups: 1, minTime: 0, maxTime: 0)
    var records: [PartRecord] = []
    for (path, blocks) in [("/own", [[1, 2]] as [[UInt8]]), ("/other", [[1], [2]])] {
      try disk.createDirectory(path)
      let folder = PartsFolder(path: path, fileSystem: disk, nextID: PartID(1))
      let writer = try folder.makePart()
      let rows = try writer.makeFile("rows")
      for block in blocks { _ = try rows.append(block, kind: 1) }
      records.append(try writer.finish(summary))
      _ = try folder.open(records[records.count - 1])
    }
    let error = #expect(throws: BlockError.self) {
      try PartsFolder(path: "/other", fileSystem: disk, nextID: PartID(2)).open(records[0])
    }
    #expect("\(try #require(error))".contains("header"))
  }

  @Test("A lost identity and a lost file of deletions are missed, and the next start writes them")
  func lostFiles() throws {
    try withScratchFolder { path in
      let folder = try TestFolder(making: path + "/data")
      #expect(try folder.verify().damages.isEmpty)
      try TestFolder.files.remove(folder.path + "/identity")
      try TestFolder.files.remove(folder.part(0) + "/deletions")
      let damages = try folder.verify().damages
      #expect(damages.map { $0.path.split(separator: "/").last } == ["identity", "deletions"])
      #expect(try folder.start().tombstones == TestFolder.deletions)
      #expect(try folder.verify().damages.isEmpty)
    }
  }
}
