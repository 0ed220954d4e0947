import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

/// Every single bit of small files flipped: what is wrong is found, and what is not found is harmless.
@Suite struct DamageTests {
  private func logFile(_ disk: FaultyFileSystem) throws -> (path: String, bytes: Int) {
    let entries = try disk.list("/data/log")
    let name = try #require(entries.first?.name)
    let status = try #require(try disk.status("/data/log/" + name))
    return ("/data/log/" + name, Int(status.size))
  }

  /// Ten records in ten groups, and the disk that they are on.
  private func makeLog(closing: Bool) throws -> (FaultyFileSystem, MemoryCatalog) {
    let disk = FaultyFileSystem(seed: 1)
    let catalog = MemoryCatalog()
    let machine = try Machine(disk, catalog, segmentBytes: 1 << 20)
    for number in UInt64(1)...6 {
      _ = try machine.append(number * 5)
      _ = try machine.append(number * 5 + 1)
      machine.journal.commitPending()
    }
    if closing { machine.journal.close() }
    return (disk.crash(.syncedOnly), catalog)
  }

  @Test("Every flipped bit of a closed log is harmless or reported with the records it cost, and the rest is salvaged")
  func flippedLog() throws {
    let (disk, catalog) = try makeLog(closing: true)
    let all = (1...6).flatMap { [UInt64($0) * 5, UInt64($0) * 5 + 1] }
    let (path, size) = try logFile(disk)
    for byte in 0..<size {
      let bit = byte & 7
      let copy = disk.copy(seed: 2)
      copy.flip(path, byte: byte, bit: bit)
      let machine = try open(copy, catalog)
      let there = machine.engine.state.withLock { $0.replayed }
      let missing = Set(machine.report.damages.flatMap { Array($0.sequences ?? 0...0) })
      let expected = all.enumerated().filter { !missing.contains(UInt64($0.offset + 1)) }.map(\.element)
      #expect(there == expected, "byte \(byte), bit \(bit): \(machine.report)")
      #expect(missing.count <= 1, "byte \(byte), bit \(bit): one flip cost \(missing.count) records")
      #expect(try machine.catalog.damages().count == machine.report.damages.count)
    }
  }

  /// Opens a copy of the disk with a copy of what the catalog was made with: the seal of the log follows from it.
  private func open(_ copy: FaultyFileSystem, _ original: MemoryCatalog) throws -> Machine {
    let catalog = MemoryCatalog()
    for setting in CatalogSetting.allCases {
      if let value = try original.setting(setting) { try catalog.set(setting, to: value) }
    }
    return try Machine(copy, catalog, segmentBytes: 1 << 20)
  }

  @Test("Every truncation of a log replays what is left, in order, and goes on")
  func truncatedLog() throws {
    let (disk, catalog) = try makeLog(closing: false)
    let all = (1...6).flatMap { [UInt64($0) * 5, UInt64($0) * 5 + 1] }
    let (path, size) = try logFile(disk)
    for length in stride(from: 0, through: size, by: 3) {
      let copy = disk.copy(seed: 3)
      let file = try copy.open(path, .readWrite)
      try file.truncate(to: UInt64(length))
      try file.sync()
      let machine = try open(copy, catalog)
      let there = machine.engine.state.withLock { $0.replayed }
      #expect(there == Array(all.prefix(there.count)), "length \(length)")
      _ = try machine.append(1000)
      machine.journal.commitPending()
      let again = try Machine(copy.crash(.syncedOnly), machine.catalog)
      #expect(again.engine.state.withLock { $0.replayed } == there + [1000], "length \(length)")
      #expect(again.report.damages == machine.report.damages, "length \(length)")
    }
  }

  @Test("A damage in the middle is noted once, over several restarts, with its file, range and records")
  func damageIsNoted() throws {
    let (disk, catalog) = try makeLog(closing: false)
    let (path, _) = try logFile(disk)
    disk.flip(path, byte: 340, bit: 2)
    let first = try Machine(disk, catalog)
    #expect(first.report.damages.count == 1)
    _ = try first.append(77)
    first.journal.commitPending()
    let second = try Machine(disk.crash(.syncedOnly), catalog)
    let noted = try catalog.damages()
    #expect(noted == first.report.damages)
    #expect(second.report.damages == noted)
    #expect(noted.first?.range.contains(340) == true)
    try catalog.forget(noted)
    #expect(try catalog.damages().isEmpty)
  }

  @Test("A payload that imitates a record is not taken for one behind a damage")
  func imitation() throws {
    let (disk, _) = try makeLog(closing: false)
    let (path, size) = try logFile(disk)
    let stolen = try disk.readAll(path, maxBytes: size)
    let victim = FaultyFileSystem(seed: 9)
    let catalog = MemoryCatalog()
    let folder = try DataFolder.open(
      "/data", on: victim, random: SeededRandomSource(seed: 6), holder: "a test",
      openCatalog: { (path) throws(CatalogError) in try catalog.placed(at: path, on: victim) })
    let engine = try TestEngine(folder)
    let options = JournalOptions(commitsOnOwnThread: false)
    let (journal, _) = try folder.startJournal(participants: [engine], clock: ManualClock(), options: options)
    _ = try journal.append { transaction in try transaction.log(.series(1), stolen) }
    journal.commitPending()
    _ = try journal.append { transaction in try transaction.log(.series(1), TestRecord.bytes(8)) }
    journal.commitPending()
    let (target, _) = try logFile(victim)
    victim.flip(target, byte: 40 + 32 + 8, bit: 0)
    let machine = try Machine(victim.crash(.syncedOnly), catalog)
    #expect(machine.engine.all == [8])
    #expect(machine.report.damages.map(\.sequences) == [1...1])
  }

  @Test("Every flipped bit of every file of a part is found")
  func flippedPart() throws {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/parts")
    let folder = PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
    let writer = try folder.makePart()
    let rows = try writer.makeFile("rows")
    var payload = Array("a line that repeats, a line that repeats, a line that repeats".utf8)
    let packed = try rows.append(payload, kind: 1)
    let plain = try rows.append(payload, kind: 2, codec: .raw)
    let record = try writer.finish(
      PartSummary(
        kind: .logs, format: 1, partition: 3, level: 0, rows: 3, groups: 1, minTime: -5, maxTime: 9))
    func readAll(_ folder: PartsFolder) throws -> [[UInt8]] {
      let reader = try folder.open(record)
      let file = try reader.file("rows")
      return [try file.read(packed, kind: 1).bytes, try file.read(plain, kind: 2).bytes]
    }
    #expect(try readAll(folder) == [payload, payload])
    #expect(try readAll(folder).count == 2)
    try folder.open(record).verify()
    for entry in try disk.list(folder.path(of: record.id)) {
      let path = folder.path(of: record.id) + "/" + entry.name
      let size = Int(try disk.status(path)?.size ?? 0)
      for bit in 0..<size * 8 {
        disk.flip(path, byte: bit / 8, bit: bit % 8)
        #expect(throws: BlockError.self, "\(entry.name), bit \(bit)") { try folder.open(record).verify() }
        if let bytes = try? readAll(folder) {
          Issue.record("\(entry.name), bit \(bit): read as if nothing were wrong: \(bytes.count)")
        }
        disk.flip(path, byte: bit / 8, bit: bit % 8)
      }
    }
    payload.removeAll()
    let reader = try folder.open(record).file("rows")
    for length in [UInt32(0), 10, packed.length - 1, packed.length + 1, .max] {
      let wrong = BlockLocation(offset: packed.offset, length: length)
      #expect(throws: BlockError.self) { try reader.read(wrong) }
    }
    #expect(throws: BlockError.self) { try reader.read(packed, rawBytesMax: 10) }
    #expect(throws: BlockError.self) { try reader.read(packed, kind: 2) }
    #expect(throws: BlockError.self) { try reader.read(BlockLocation(offset: .max - 3, length: 24)) }
  }
}
