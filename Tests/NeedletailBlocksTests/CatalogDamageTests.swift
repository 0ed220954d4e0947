import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// What flipped bits in the files of a real catalog cost: nothing.
@Suite struct CatalogDamageTests {
  /// How the process that wrote the folder ended: a killed one leaves what was committed last in the write-ahead log.
  enum End: String, CaseIterable {
    case closed, killed

    /// The catalog's files, and the one that only tells who the folder is.
    var files: [String] {
      ["catalog.sqlite", "catalog.mirror", "identity"]
        + (self == .killed ? ["catalog.sqlite-wal", "catalog.sqlite-shm"] : [])
    }
  }

  private func withFolder(
    _ end: End, _ body: (TestFolder, _ scratch: String) async throws -> Void
  ) async throws {
    try await withScratchFolder(inMemory: true) { scratch in
      let folder = try TestFolder(making: scratch + "/data", killedCopy: scratch + "/killed")
      try await body(end == .closed ? folder : TestFolder(at: scratch + "/killed"), scratch)
    }
  }

  @Test(
    "Wherever a bit flips in the catalog's files, a start finds every part, record and deletion, and the next one a whole catalog",
    arguments: End.allCases)
  func flippedBit(end: End) async throws {
    try await withFolder(end) { folder, scratch in
      let seed = UInt64.random(in: 0..<UInt64.max)
      var random = SeededGenerator(seed: seed)
      var remarks: [String: Int] = [:]
      for name in end.files {
        let bytes = try TestFolder.files.readAll(folder.path + "/" + name, maxBytes: 1 << 20)
        // Most of a small database is empty: half of the bits are looked for where something stands.
        let content = bytes.indices.filter { bytes[$0] != 0 }
        for number in 0..<(name == "identity" ? 10 : 60) {
          await Task.yield()
          let candidates = number.isMultiple(of: 2) ? Array(bytes.indices) : content
          let offset = UInt64(try #require(candidates.randomElement(using: &random)))
          let bit = UInt8.random(in: 0..<8, using: &random)
          let place = "\(name) byte \(offset) bit \(bit), seed \(seed)"
          let copy = TestFolder(at: scratch + "/\(name).\(number)")
          try TestFolder.copy(folder.path, to: copy.path)
          try TestFolder.flip(copy.path + "/" + name, at: offset, bit: bit)
          let found = try copy.start()
          #expect(found.numbers == TestFolder.everything, "\(place)")
          #expect(found.tombstones == TestFolder.deletions, "\(place)")
          if let remark = found.remark {
            remarks[name, default: 0] += 1
            #expect(remark.contains("catalog."), "\(place): \(remark)")
          }
          #expect(try copy.start().remark == nil, "\(place)")
          try TestFolder.files.removeTree(copy.path)
        }
      }
      // What a killed process committed stands in the write-ahead log alone.
      let committed = end == .killed ? "catalog.sqlite-wal" : "catalog.sqlite"
      #expect(remarks["catalog.mirror"] == 60 && remarks[committed, default: 0] > 0, "\(remarks)")
    }
  }

  @Test("No flipped bit makes other content of a database: it is read as it was, or is damaged")
  func everyByte() async throws {
    try await withFolder(.closed) { folder, scratch in
      let disk = TestFolder.files
      let whole = try SQLiteCatalog(reading: folder.path + "/catalog.sqlite").content()
      let bytes = try disk.readAll(folder.path + "/catalog.sqlite", maxBytes: 1 << 20)
      let path = scratch + "/flipped.sqlite"
      try disk.open(path, .create).write(bytes, at: 0)
      var damaged = 0
      for offset in bytes.indices {
        if offset.isMultiple(of: 100) { await Task.yield() }
        let bit = UInt8(truncatingIfNeeded: offset &* 7 &+ offset >> 3) & 7
        try TestFolder.flip(path, at: UInt64(offset), bit: bit)
        do throws(CatalogError) {
          #expect(try SQLiteCatalog(reading: path).content() == whole, "byte \(offset) bit \(bit)")
        } catch {
          damaged += 1
          #expect(error.cause != .refused, "byte \(offset) bit \(bit): \(error)")
        }
        try TestFolder.flip(path, at: UInt64(offset), bit: bit)
      }
      #expect(damaged > 500, "\(damaged) of \(bytes.count)")
    }
  }

  @Test(
    "Where both copies are damaged a start refuses, names both and removes nothing; a repair keeps what is left of both"
  )
  func bothDamaged() async throws {
    try await withFolder(.closed) { folder, _ in
      try TestFolder.flip(folder.path + "/catalog.sqlite", at: 3)
      try TestFolder.flip(folder.path + "/catalog.mirror", at: 40)
      let error = #expect(throws: DataFolderError.self) { try folder.start() }
      let words = "\(try #require(error))"
      for part in ["catalog.sqlite", "catalog.mirror", "needletail storage repair"] {
        #expect(words.contains(part), "\(words)")
      }
      #expect(try TestFolder.files.list(folder.path + "/parts").count == 3)
      try folder.repair()
      #expect(Set(try folder.survey().quarantined) == ["catalog.sqlite", "catalog.mirror"])
      #expect(try folder.start().numbers == TestFolder.everything)
      #expect(try folder.tombstones() == TestFolder.deletions)
    }
  }

  @Test("A database that ends early beside a damaged mirror costs no part: what it does not list is set aside")
  func shortenedBesideDamaged() async throws {
    try await withFolder(.killed) { folder, _ in
      let log = folder.path + "/catalog.sqlite-wal"
      let size = try #require(try TestFolder.files.status(log)).size
      let file = try TestFolder.files.open(log, .readWrite)
      try file.truncate(to: size / 2)
      file.close()
      try TestFolder.flip(folder.path + "/catalog.mirror", at: 40)
      let found = try folder.start()
      let survey = try folder.survey()
      let aside = survey.quarantined.filter { PartID(folderName: $0) != nil }
      #expect(!aside.isEmpty && survey.parts.count + aside.count == 3, "\(survey.quarantined)")
      #expect(aside.allSatisfy { found.remark?.contains($0) == true }, "\(found.remark ?? "")")
    }
  }

  @Test("Another folder's catalog, database or mirror, never has this one's parts removed")
  func foreign() async throws {
    try await withFolder(.closed) { folder, scratch in
      _ = try TestFolder(making: scratch + "/other", seed: 10)
      func put(_ name: String) throws {
        let bytes = try TestFolder.files.readAll(scratch + "/other/" + name, maxBytes: 1 << 20)
        if try TestFolder.files.status(folder.path + "/" + name) != nil {
          try TestFolder.files.remove(folder.path + "/" + name)
        }
        let file = try TestFolder.files.open(folder.path + "/" + name, .create)
        defer { file.close() }
        try file.write(bytes, at: 0)
      }
      try put("catalog.sqlite")
      let found = try folder.start()
      #expect(found.numbers == TestFolder.everything && found.remark?.contains("belongs to another folder") == true)
      try put("catalog.mirror")
      #expect(try folder.start().numbers == TestFolder.everything)
      // Both, and one alone: the file `identity` tells.
      for names in [["catalog.sqlite", "catalog.mirror"], ["catalog.mirror"]] {
        try put(names[0])
        if names.count > 1 { try put(names[1]) } else { try TestFolder.files.remove(folder.path + "/catalog.sqlite") }
        let error = #expect(throws: DataFolderError.self) { try folder.start() }
        #expect("\(try #require(error))".contains("the file identity says"), "\(String(describing: error))")
        #expect(try TestFolder.files.list(folder.path + "/parts").count == 3)
        // Nor does a repair say which of them is right.
        #expect(try folder.repair().steps.isEmpty)
        for name in names { try TestFolder.files.remove(folder.path + "/" + name) }
        try folder.repair()
        #expect(try folder.start().numbers == TestFolder.everything)
      }
    }
  }

  @Test("Old copies of both, put back, cost no part: a verification names what they do not list, and it is set aside")
  func putBack() async throws {
    for repairs in [false, true] {
      try await withFolder(.closed) { folder, _ in
        do {
          let catalog = try SQLiteCatalog(path: folder.path + "/catalog.sqlite")
          var content = try catalog.content()
          let last = try #require(content.parts.keys.max())
          content.parts[last] = nil
          content.changes -= 2
          try catalog.replace(with: content)
          try CatalogMirror(folder: folder.path, fileSystem: TestFolder.files).write(content)
        }
        let name = try #require(try TestFolder.files.list(folder.path + "/parts").map(\.name).max())
        #expect(try folder.verify().damages.map(\.path) == ["parts/" + name])
        if repairs {
          #expect(try folder.repair().steps.count == 1)
        } else {
          #expect(try folder.start().remark?.contains(name) == true)
        }
        #expect(try folder.verify().damages.isEmpty)
        #expect(try folder.survey().quarantined == [name])
        #expect(try folder.start().remark == nil)
      }
    }
  }

  @Test("A database that lost its last changes is made anew from the mirror, with or without its write-ahead log")
  func lostWriteAheadLog() async throws {
    for (removed, left) in [(["-wal", "-shm"], ""), (["", "-shm"], "-wal")] {
      try await withFolder(.killed) { folder, _ in
        for suffix in removed { try TestFolder.files.remove(folder.path + "/catalog.sqlite" + suffix) }
        let found = try folder.start()
        #expect(found.numbers == TestFolder.everything && found.tombstones == TestFolder.deletions)
        #expect(try #require(found.remark).contains("made anew from catalog.mirror"))
        #expect(try folder.survey().quarantined == ["catalog.sqlite" + left])
      }
    }
  }

  @Test("A catalog of an older program, without a checksum, is taken and gets one, and a mirror")
  func olderTables() async throws {
    try await withFolder(.closed) { folder, _ in
      let path = folder.path + "/catalog.sqlite"
      do {
        let catalog = try SQLiteCatalog(path: path)
        try catalog.database.withLock { (database) throws(SQLiteError) in
          try database.run("DELETE FROM setting WHERE name IN ('checksum', 'changes')")
          try database.run("PRAGMA user_version = 2")
        }
      }
      try TestFolder.files.remove(folder.path + "/catalog.mirror")
      #expect(try folder.verify().damages.isEmpty)
      let found = try folder.start()
      #expect(found.numbers == TestFolder.everything && found.tombstones == TestFolder.deletions)
      #expect(found.remark == nil)
      #expect(try TestFolder.files.status(folder.path + "/catalog.mirror") != nil)
      try TestFolder.flip(path, at: 3)
      #expect(try folder.start().numbers == TestFolder.everything)
    }
  }
}
