import NeedletailEnvironment
import NeedletailSimulation
import Testing

@testable import NeedletailBlocks

/// What was promised of the hints for a node, and whether a log keeps it.
private struct HintHistory {
  /// Hints that were appended and not released, by their numbers.
  var promised: [UInt64: [UInt8]] = [:]
  /// All that was ever handed over, promised or not.
  var tried: [UInt64: [UInt8]] = [:]
  var released: UInt64 = 0
  var noted: Set<UInt16> = []
  var triedNotes: Set<UInt16> = []
  var next: UInt64 = 1

  mutating func step(_ log: HintLog, _ random: inout SeededGenerator) {
    switch Int.random(in: 0..<8, using: &random) {
    case 0..<5:
      var records: [HintLog.Record] = []
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let count = Int.random(in: 0...900, using: &random)
        let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: count)
        records.append(HintLog.Record(sequence: next, time: Int64(next), payload: payload))
        tried[next] = payload
        next += 1
      }
      if (try? log.append(records)) != nil { for record in records { promised[record.sequence] = record.payload } }
    case 5:
      guard next > released + 1 else { return }
      released = UInt64.random(in: released..<next, using: &random)
      log.release(upTo: released)
      promised = promised.filter { $0.key > released }
    case 6:
      let slots = (0..<3).map { _ in UInt16.random(in: 0..<1024, using: &random) }
      triedNotes.formUnion(slots)
      if (try? log.note(HintNote(slots))) != nil { noted.formUnion(slots) }
    default:
      for (sequence, payload) in promised.sorted(by: { $0.key < $1.key }).prefix(2) {
        if let read = try? log.read(sequence) { #expect(read == payload) }
      }
    }
  }

  /// What a log that was opened again lacks or invents; nil where it is right.
  func judge(_ found: [UInt64: [UInt8]], _ log: HintLog) -> String? {
    for (sequence, payload) in promised where found[sequence] != payload { return "hint \(sequence) is lost" }
    for (sequence, payload) in found where tried[sequence] != payload { return "hint \(sequence) is invented" }
    for sequence in found.keys where (try? log.read(sequence)) != found[sequence] {
      return "hint \(sequence) cannot be read"
    }
    let slots = Set(log.note.slots)
    if !slots.isSuperset(of: noted) { return "a note is lost" }
    return slots.isSubset(of: triedNotes) ? nil : "a note is invented"
  }
}

@Suite("The log of hints") struct HintLogTests {
  private static func open(
    _ disk: FaultyFileSystem, _ found: inout [UInt64: [UInt8]], freeBytesMin: UInt64 = 0
  ) throws -> (HintLog, HintLog.Findings) {
    var all: [UInt64: [UInt8]] = [:]
    var numbers: [UInt64] = []
    var limits = HintLogLimits()
    limits.segmentBytesMax = 4_000
    limits.freeBytesMin = freeBytesMin
    let (log, findings) = try HintLog.open("hints", for: "n1", on: disk, limits: limits) { sequence, time, payload in
      #expect(time == Int64(sequence))
      all[sequence] = Array(payload)
      numbers.append(sequence)
    }
    #expect(numbers == numbers.sorted())
    found = all
    return (log, findings)
  }

  private func runCrash(seed: UInt64, at call: Int, _ survival: CrashSurvival) throws -> Bool {
    var random = SeededGenerator(seed: seed)
    var history = HintHistory()
    var found: [UInt64: [UInt8]] = [:]
    let disk = FaultyFileSystem(seed: seed &* 31 &+ UInt64(call))
    disk.powerOff(atCall: call)
    if let (log, _) = try? Self.open(disk, &found) {
      for _ in 0..<20 { history.step(log, &random) }
    }
    let isReached = disk.callCount > call
    var survivor = disk.crash(survival)
    for life in 0..<3 {
      let (log, findings) = try Self.open(survivor, &found)
      let verdict = history.judge(found, log)
      #expect(verdict == nil, "seed \(seed), call \(call), \(survival), life \(life)")
      // Of records that are written at once any may be torn, and what lies behind them is whole.
      #expect(
        findings.damages.isEmpty || survival == .torn, "seed \(seed), call \(call), \(survival): \(findings.damages)")
      #expect(life == 0 || findings.tornBytes == 0, "seed \(seed), call \(call), \(survival), life \(life)")
      for _ in 0..<5 { history.step(log, &random) }
      survivor = survivor.crash(.syncedOnly)
    }
    return isReached
  }

  @Test("a power cut at any call loses no hint and no note that was promised, and invents none", arguments: 1...2)
  func powerCut(seed: Int) throws {
    for survival in CrashSurvival.allCases {
      var call = 0
      while try runCrash(seed: UInt64(seed), at: call, survival) { call += 1 }
      #expect(call > 40, "the workload ended after \(call) calls")
    }
  }

  @Test("a write, sync or open that fails at any place is no promise, and the log takes hints again afterwards")
  func failingCalls() throws {
    for operation in [FileError.Operation.sync, .write, .syncDirectory, .open, .rename, .truncate, .remove] {
      for skip in 0..<20 {
        var random = SeededGenerator(seed: UInt64(skip))
        var history = HintHistory()
        var found: [UInt64: [UInt8]] = [:]
        let disk = FaultyFileSystem(seed: UInt64(skip) &+ 100)
        let (log, _) = try Self.open(disk, &found)
        disk.fail(operation, skip: skip, times: 2, number: 5)
        for _ in 0..<20 { history.step(log, &random) }
        disk.stopFailing()
        let last = HintLog.Record(sequence: history.next, time: Int64(history.next), payload: [1, 2, 3])
        try log.append([last])
        history.promised[last.sequence] = last.payload
        history.tried[last.sequence] = last.payload
        let (reopened, _) = try Self.open(disk.crash(.allCases[skip % 4]), &found)
        #expect(history.judge(found, reopened) == nil, "\(operation) after \(skip)")
      }
    }
  }

  @Test("a full disk is told, nothing is promised, and there is room again once hints are released")
  func fullDisk() throws {
    var found: [UInt64: [UInt8]] = [:]
    let disk = FaultyFileSystem(seed: 1)
    disk.setCapacity(40_000)
    let (log, _) = try Self.open(disk, &found, freeBytesMin: 10_000)
    var next: UInt64 = 1
    func append() throws(BlockError) {
      try log.append([HintLog.Record(sequence: next, time: Int64(next), payload: [UInt8](repeating: 7, count: 9_000))])
      next += 1
    }
    while (try? append()) != nil {}
    #expect(next > 2)
    // So much is left to others.
    #expect(try disk.freeBytes("hints") >= 10_000)
    #expect(throws: BlockError.self) { try append() }
    #expect(try log.read(next - 1).count == 9_000)
    log.close()
    let (reopened, findings) = try Self.open(disk, &found, freeBytesMin: 10_000)
    #expect(found.count == Int(next) - 1 && findings == HintLog.Findings())
    reopened.release(upTo: next - 1)
    try reopened.append([HintLog.Record(sequence: next, time: Int64(next), payload: [1])])
    #expect(try reopened.read(next) == [1])
  }

  @Test("every flipped bit is found: no hint is read that is not the one that was written, and all slots are noted")
  func flippedBits() throws {
    var found: [UInt64: [UInt8]] = [:]
    let disk = FaultyFileSystem(seed: 1)
    let (log, _) = try Self.open(disk, &found)
    for number in UInt64(1)...4 {
      try log.append([HintLog.Record(sequence: number, time: Int64(number), payload: Array("hint \(number)".utf8))])
    }
    let path = "hints/" + LogSegmentID(generation: HintLog.generation, number: 0).fileName
    let size = Int(try #require(try disk.status(path)).size)
    for byte in 0..<size {
      let copy = disk.copy(seed: UInt64(byte))
      copy.flip(path, byte: byte, bit: byte % 8)
      let (damaged, findings) = try Self.open(copy, &found)
      for (number, payload) in found { #expect(payload == Array("hint \(number)".utf8), "byte \(byte)") }
      let isLast = found.count == 3 && found[4] == nil
      #expect(!findings.damages.isEmpty || (isLast && findings.tornBytes > 0), "byte \(byte)")
      #expect(damaged.note.isAll == !findings.damages.isEmpty)
      // Told once: what is left is right.
      let (again, more) = try Self.open(copy, &found)
      #expect(again.note.isAll == damaged.note.isAll)
      #expect(more.tornBytes == 0)
    }
    // While it is open too.
    disk.flip(path, byte: size - 1, bit: 0)
    #expect(throws: BlockError.self) { try log.read(4) }
    #expect(try log.read(3) == Array("hint 3".utf8))
  }

  @Test("a damaged note counts as one of all slots")
  func damagedNote() throws {
    var found: [UInt64: [UInt8]] = [:]
    let disk = FaultyFileSystem(seed: 1)
    let (log, _) = try Self.open(disk, &found)
    try log.note(HintNote([3, 1, 900]))
    #expect(log.note.slots == [1, 3, 900] && !log.note.isAll)
    let size = Int(try #require(try disk.status("hints/repair")).size)
    for byte in 0..<size {
      let copy = disk.copy(seed: UInt64(byte))
      copy.flip("hints/repair", byte: byte, bit: byte % 8)
      let (damaged, findings) = try Self.open(copy, &found)
      #expect(damaged.note.isAll && findings.damages.count == 1, "byte \(byte)")
    }
    try log.clearNote()
    #expect(log.isEmpty)
    #expect(try Self.open(disk.crash(.syncedOnly), &found).0.note.isEmpty)
  }

  @Test("hints of another node are not taken for this one's")
  func foreign() throws {
    var found: [UInt64: [UInt8]] = [:]
    let disk = FaultyFileSystem(seed: 1)
    let (log, _) = try Self.open(disk, &found)
    try log.append([HintLog.Record(sequence: 1, time: 1, payload: [1])])
    let (other, findings) = try HintLog.open("hints", for: "n2", on: disk) { _, _, _ in
      Issue.record("a hint for another node")
    }
    #expect(findings.damages.count == 1 && other.note.isAll)
  }
}
