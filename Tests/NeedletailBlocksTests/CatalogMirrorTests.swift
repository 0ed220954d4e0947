import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTestSupport
import Testing

@testable import NeedletailBlocks

/// The two copies of a catalog on a simulated disk: what each has, and which one counts.
@Suite struct CatalogMirrorTests {
  private static let path = "/data/catalog.sqlite"

  private func place(_ disk: FaultyFileSystem) -> CatalogPlace {
    CatalogPlace(
      folder: "/data", fileSystem: disk,
      openStore: { path throws(CatalogError) in try FileCatalog(path: path, on: disk) })
  }

  /// A disk with a folder for a catalog.
  private func disk(seed: UInt64 = 1) throws -> FaultyFileSystem {
    let disk = FaultyFileSystem(seed: seed)
    try disk.createDirectory("/data")
    try disk.syncDirectory("/")
    return disk
  }

  private func record(_ number: UInt64) -> PartRecord { SQLiteCatalogTests().record(number) }

  /// The change of this number: a part comes, one goes, and something is deleted.
  private func change(_ number: UInt64) -> CatalogChange {
    var change = CatalogChange()
    change.adding = [record(number)]
    change.removing = number > 3 ? [PartID(number - 3)] : []
    change.tombstones = [PartTombstone(part: PartID(number), content: [UInt8(truncatingIfNeeded: number)])]
    change.flushedThroughGeneration = number
    change.settings = number == 1 ? [.folderID: "ab", .slotCount: "4", .layoutVersion: "1"] : [:]
    return change
  }

  private func content(after changes: UInt64) throws -> CatalogContent {
    var content = CatalogContent()
    for number in 0..<changes { try content.apply(change(number + 1)) }
    return content
  }

  private func random(_ generator: inout TelemetryGenerator) -> CatalogContent {
    var content = CatalogContent()
    content.changes = generator.random.next()
    content.flushedThroughGeneration = generator.int(0...1) == 0 ? nil : generator.random.next()
    content.nextPartID = PartID(generator.random.next())
    content.settings = generator.int(0...1) == 0 ? [:] : [.folderID: "dé", .slotCount: ""]
    for _ in 0..<generator.int(0...4) {
      let summary = PartSummary(
        kind: PartKind.allCases[generator.int(0...2)], format: UInt32(generator.int(0...9)),
        partition: Int64(bitPattern: generator.random.next()), level: .max, rows: generator.random.next(), groups: 0,
        minTime: .min, maxTime: .max)
      let id = PartID(generator.random.next())
      content.parts[id] = PartRecord(id: id, summary: summary, bytes: generator.random.next())
      for _ in 0..<generator.int(0...2) {
        content.tombstones[id, default: []].insert(
          (0..<generator.int(0...9)).map { _ in UInt8(generator.int(0...255)) })
      }
    }
    for _ in 0..<generator.int(0...2) {
      let segment = LogSegmentID(generation: generator.random.next(), number: UInt32(generator.int(0...9)))
      let start = UInt64(generator.int(0...9))
      content.damages.insert(
        LogDamage(
          segment: segment, range: start..<start + 5, sequences: generator.int(0...1) == 0 ? nil : start...start))
    }
    return content
  }

  @Test("A content comes back from its bytes; cut, longer or changed in any bit they are none", arguments: 1...30)
  func bytes(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let content = random(&generator)
    let bytes = content.encoded()
    #expect(CatalogContent(encoded: bytes) == content, "seed \(seed)")
    for index in bytes.indices {
      #expect(CatalogContent(encoded: Array(bytes[..<index])) == nil, "seed \(seed), \(index)")
      var changed = bytes
      changed[index] ^= 1 << UInt8(generator.int(0...7))
      #expect(CatalogContent(encoded: changed) == nil, "seed \(seed), \(index)")
    }
    #expect(CatalogContent(encoded: bytes + [0]) == nil)
  }

  @Test("The bytes of a later version are told from damaged ones")
  func laterVersion() throws {
    var bytes = Array(try content(after: 2).encoded().dropLast(8))
    bytes[8] = 9
    let checksum = Checksum.of(bytes)
    bytes += (0..<8).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
    #expect(throws: CatalogEncodingDamage.otherVersion(9)) { try CatalogContent.decode(bytes) }
    let disk = try disk()
    try disk.open("/data/catalog.mirror", .create).write(bytes, at: 0)
    let error = #expect(throws: DataFolderError.self) { try place(disk).open(identity: nil) }
    guard case .catalog(let refusal)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(refusal.cause == .otherVersion && refusal.message.contains("catalog.mirror: it has version 9"))
  }

  @Test(
    "Wherever the power is cut, each copy alone has every change that was acknowledged, and no half one",
    arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    var call = 0
    var isCut = true
    while isCut {
      await Task.yield()
      let disk = try disk(seed: UInt64(call))
      disk.powerOff(atCall: disk.callCount + call)
      var acknowledged: UInt64 = 0
      do {
        let catalog = try place(disk).open(identity: nil).catalog
        for number in 1...6 as ClosedRange<UInt64> {
          try catalog.make(change(number))
          acknowledged = number
        }
        isCut = false
      } catch {}
      for lost in [nil, Self.path, "/data/catalog.mirror"] {
        let left = disk.crash(survival)
        if let lost, try left.status(lost) != nil { try left.remove(lost) }
        let found = try place(left).open(identity: nil).content
        #expect(
          found.changes >= acknowledged && found.changes <= acknowledged + 1, "call \(call), without \(lost ?? "")")
        #expect(try found == content(after: found.changes), "call \(call), without \(lost ?? "")")
      }
      call += 1
    }
    #expect(call > 50)
  }

  /// What may have happened to a database of which the mirror is whole.
  enum Loss: CaseIterable {
    case gone, damaged, older, blank, cut
  }

  private func strike(_ loss: Loss, _ disk: FaultyFileSystem) throws {
    switch loss {
    case .gone: try disk.remove(Self.path)
    case .damaged: disk.flip(Self.path, byte: 30, bit: 3)
    case .older: try FileCatalog(path: Self.path, on: disk).replace(with: content(after: 3))
    case .blank: try FileCatalog(path: Self.path, on: disk).replace(with: CatalogContent())
    case .cut:
      let file = try disk.open(Self.path, .readWrite)
      try file.truncate(to: 5)
      try file.sync()
    }
    try disk.syncDirectory("/data")
  }

  @Test(
    "Wherever the power is cut while a database is made anew from the mirror, the next start has all of it",
    arguments: CrashSurvival.allCases, Loss.allCases)
  func remakingIsCut(survival: CrashSurvival, loss: Loss) async throws {
    var call = 0
    var isCut = true
    while isCut {
      await Task.yield()
      let disk = try disk(seed: UInt64(call))
      do {
        let catalog = try place(disk).open(identity: nil).catalog
        for number in 1...5 as ClosedRange<UInt64> { try catalog.make(change(number)) }
      }
      try strike(loss, disk)
      disk.powerOff(atCall: disk.callCount + call)
      do {
        let opened = try place(disk).open(identity: nil)
        #expect(try opened.content == content(after: 5))
        #expect(opened.remark?.contains("made anew from catalog.mirror") == true)
        try opened.catalog.make(change(6))
        isCut = false
      } catch {}
      let left = disk.crash(survival)
      let found = try place(left).open(identity: nil).content
      #expect(found.changes == 5 || found.changes == 6, "call \(call)")
      #expect(try found == content(after: found.changes), "call \(call)")
      // And then it stands in both.
      #expect(try place(left).open(identity: nil).remark == nil, "call \(call)")
      try left.remove("/data/catalog.mirror")
      #expect(try place(left).open(identity: nil).content == found, "call \(call)")
      call += 1
    }
    #expect(call > 10)
  }

  @Test("A mirror that cannot be written is taken away, the change is made, and it is written when it can be")
  func mirrorFails() throws {
    let disk = try disk()
    let catalog = try place(disk).open(identity: nil).catalog
    try catalog.make(change(1))
    disk.fail(.open, onPathsEnding: "catalog.mirror.new", times: 4, number: 28)
    try catalog.make(change(2))
    #expect(try disk.status("/data/catalog.mirror") == nil)
    #expect(try catalog.content() == content(after: 2))
    // A start says that it is not there, and writes it.
    #expect(try #require(place(disk).open(identity: nil).remark).contains("it is not there"))
    try catalog.make(change(3))
    #expect(try disk.status("/data/catalog.mirror") == nil)
    try catalog.make(change(4))
    try disk.remove(Self.path)
    #expect(try place(disk).open(identity: nil).content == content(after: 4))
  }

  @Test("Where a mirror can neither be written nor taken away the change is not made, and the next call tries again")
  func mirrorStays() throws {
    let disk = try disk()
    let catalog = try place(disk).open(identity: nil).catalog
    try catalog.make(change(1))
    disk.fail(.open, onPathsEnding: "catalog.mirror.new", times: 2, number: 5)
    disk.fail(.remove, onPathsEnding: "catalog.mirror", times: 2, number: 5)
    #expect(throws: CatalogError.self) { try catalog.make(change(2)) }
    #expect(throws: CatalogError.self) { try catalog.content() }
    #expect(try catalog.content() == content(after: 2))
    try disk.remove(Self.path)
    #expect(try place(disk).open(identity: nil).content == content(after: 2))
  }

  @Test("A change that was refused leaves the mirror, which is right, though it could not be written")
  func refusedChange() throws {
    let disk = try disk()
    let catalog = try place(disk).open(identity: nil).catalog
    try catalog.make(change(1))
    disk.fail(.open, onPathsEnding: ".fresh", times: 1, number: 28)
    disk.fail(.open, onPathsEnding: "catalog.mirror.new", times: 2, number: 28)
    #expect(throws: CatalogError.self) { try catalog.make(change(2)) }
    #expect(try catalog.content() == content(after: 1))
    #expect(try disk.status("/data/catalog.mirror") != nil)
    disk.stopFailing()
    try catalog.make(change(2))
    try disk.remove(Self.path)
    #expect(try place(disk).open(identity: nil).content == content(after: 2))
  }

  @Test("A folder in the database's place is set aside, and the database made anew from the mirror")
  func folderInPlace() throws {
    let disk = try disk()
    try place(disk).open(identity: nil).catalog.make(change(1))
    try disk.remove(Self.path)
    try disk.createDirectory(Self.path)
    let opened = try place(disk).open(identity: nil)
    #expect(try opened.content == content(after: 1))
    #expect(try #require(opened.remark).contains("it is no file"))
    #expect(try disk.list("/data/quarantine").map(\.name) == ["catalog.sqlite"])
  }

  @Test("Of two whole copies the one with more changes counts, and a mirror of another folder never does")
  func verdicts() throws {
    let (old, new) = (try content(after: 2), try content(after: 4))
    var foreign = new
    foreign.settings[.folderID] = "cd"
    func verdict(
      _ database: CatalogReading, _ mirror: CatalogReading, of identity: String? = nil
    ) -> CatalogVerdict {
      CatalogVerdict(database: database, mirror: mirror, identity: identity)
    }
    func isUnclear(_ verdict: CatalogVerdict) -> Bool { if case .unclear = verdict { true } else { false } }
    let elsewhere = "it belongs to another folder"
    #expect(verdict(.content(new), .content(new)) == .database(new, isMirrored: true, damage: nil))
    #expect(
      verdict(.content(try content(after: 5)), .content(new))
        == .database(try content(after: 5), isMirrored: false, damage: nil))
    #expect(
      verdict(.content(new), .content(old)) == .database(new, isMirrored: false, damage: "it lacks the last 2 changes"))
    #expect(verdict(.content(old), .content(new)) == .mirror(new, reason: "its last 2 changes are gone"))
    // The file beside them tells whose folder it is.
    #expect(verdict(.content(old), .content(foreign), of: "ab") == .database(old, isMirrored: false, damage: elsewhere))
    #expect(verdict(.content(old), .content(foreign), of: "cd") == .mirror(foreign, reason: elsewhere))
    for identity in [nil, "ef"] { #expect(isUnclear(verdict(.content(old), .content(foreign), of: identity))) }
    for reading in [CatalogReading.missing, .damaged("x"), .content(CatalogContent())] {
      #expect(isUnclear(verdict(reading, .content(foreign), of: "ab")))
      #expect(
        isUnclear(verdict(.content(foreign), reading == .content(CatalogContent()) ? .missing : reading, of: "ab")))
    }
    // Tables of an older program may be older or newer.
    var counted = new
    counted.changes = 0
    #expect(isUnclear(verdict(.content(counted), .content(old))))
    #expect(verdict(.content(counted), .missing) == .database(counted, isMirrored: false, damage: nil))
    #expect(verdict(.content(CatalogContent()), .content(new)) == .mirror(new, reason: "it is blank"))
    #expect(verdict(.content(new), .missing) == .database(new, isMirrored: false, damage: "it is not there"))
    #expect(verdict(.content(new), .damaged("x")) == .database(new, isMirrored: false, damage: "x"))
    #expect(verdict(.damaged("x"), .content(new)) == .mirror(new, reason: "x"))
    #expect(verdict(.missing, .content(new)) == .mirror(new, reason: "it is not there"))
    #expect(verdict(.otherVersion("x"), .content(new)) == .mirror(new, reason: "x"))
    #expect(verdict(.missing, .missing) == .none)
    #expect(verdict(.otherVersion("x"), .missing) == .otherVersion("x"))
    #expect(verdict(.damaged("x"), .otherVersion("y")) == .otherVersion("catalog.mirror: y"))
    #expect(verdict(.damaged("x"), .damaged("y")) == .lost("x; and of catalog.mirror: y"))
  }
}
