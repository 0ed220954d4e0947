import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTestSupport
import Testing

@testable import NeedletailBlocks

/// A replay that hands records over while it reads, against the verdict on the whole log.
@Suite struct LogReplayTests {
  private static let seal = LogSeal(salt: 7)
  private static let kind = LogRecordKind.series(1)
  private static let refused: UInt64 = 13

  private func chunk(_ generation: UInt64, _ first: UInt64, records: Int) throws -> LogChunk {
    var transaction = JournalTransaction(
      generation: generation, chunk: LogChunk(generation: generation, firstSequence: first, buffer: []),
      seed: Self.seal.seed(generation: generation))
    for offset in 0..<UInt64(records) { try transaction.log(Self.kind, TestRecord.bytes(first + offset)) }
    return transaction.chunk
  }

  /// Files as a journal leaves them: groups, some synced, files given up and their groups written again in the next.
  private func makeLog(_ disk: FaultyFileSystem, _ random: inout SeededGenerator) throws {
    try disk.createDirectory("/log")
    var writer = LogWriter(fileSystem: disk, folder: "/log", seal: Self.seal, segmentBytes: 4000, last: nil)
    var (generation, next, durable) = (UInt64(1), UInt64(1), UInt64(0))
    var unsynced: [LogChunk] = []
    func write(_ chunk: LogChunk, first: UInt64) throws {
      var chunk = chunk
      if !writer.isOpen(for: chunk.generation) { try writer.start(generation: generation, firstSequence: first) }
      try writer.write(&chunk, durable: durable)
    }
    for _ in 0..<Int.random(in: 1...14, using: &random) {
      let made = try chunk(generation, next, records: Int.random(in: 1...4, using: &random))
      next = made.lastSequence + 1
      if !writer.isOpen(for: generation) { (durable, unsynced) = (made.firstSequence - 1, []) }
      try write(made, first: made.firstSequence)
      unsynced.append(made)
      switch Int.random(in: 0..<8, using: &random) {
      case 0:
        writer.giveUp(removingUnsynced: false)
        for old in unsynced { try write(old, first: unsynced[0].firstSequence) }
      case 1:
        (durable, unsynced) = (made.lastSequence, [])
        generation += 1
      case 2...5:
        (durable, unsynced) = (made.lastSequence, [])
      default: break
      }
    }
    if Bool.random(using: &random) { try writer.seal(durable: durable) }
  }

  private func disturb(_ disk: FaultyFileSystem, _ random: inout SeededGenerator) throws {
    for _ in 0..<Int.random(in: 0...2, using: &random) {
      let names = try disk.list("/log").map { "/log/" + $0.name }
      guard let path = names.randomElement(using: &random), let size = try disk.status(path)?.size, size > 0 else {
        continue
      }
      if Int.random(in: 0..<3, using: &random) == 0 {
        let file = try disk.open(path, .readWrite)
        try file.truncate(to: UInt64.random(in: 0..<size, using: &random))
      } else {
        // Headers of files are small, and what is wrong with one changes the most.
        let most = Bool.random(using: &random) ? min(72, size) : size
        disk.flip(path, byte: Int.random(in: 0..<Int(most), using: &random), bit: Int.random(in: 0..<8, using: &random))
      }
    }
  }

  @Test(
    "What is handed over while a log is read is what all of it says, in order, whatever was torn, doubled or damaged")
  func agreesWithVerdict() throws {
    for seed in UInt64(1)...400 {
      var random = SeededGenerator(seed: seed)
      let disk = FaultyFileSystem(seed: seed)
      try makeLog(disk, &random)
      try disturb(disk, &random)
      let verdict = LogVerdict(
        try LogInventory.read("/log", flushedThrough: 0, Self.seal, on: disk.copy(seed: 1), removingFlushed: false))
      let there = verdict.steps.flatMap { Array($0.sequences) }
      var given: [UInt64] = []
      let outcome = try LogReplay(fileSystem: disk, folder: "/log", seal: Self.seal)
        .run(flushedThrough: 0, kinds: [Self.kind]) { _, payload in
          let number = TestRecord.number(payload) ?? 0
          given.append(number)
          if number % Self.refused == 0 { throw TestEngine.PublishFailure() }
        }
      #expect(given == there, "seed \(seed)")
      #expect(outcome.last == verdict.last, "seed \(seed)")
      let refused = there.filter { $0 % Self.refused == 0 }
      #expect(Array(outcome.report.damages.prefix(verdict.damages.count)) == verdict.damages, "seed \(seed)")
      #expect(
        outcome.report.damages.dropFirst(verdict.damages.count).map(\.sequences) == refused.map { $0...$0 },
        "seed \(seed)")
      #expect(outcome.report.records == UInt64(there.count - refused.count), "seed \(seed)")
      for (segment, end) in verdict.cuts {
        #expect(try disk.status("/log/" + segment.fileName)?.size == end, "seed \(seed)")
      }
      let kept = try disk.list("/log").filter { $0.name.hasSuffix(LogReplay.refusedSuffix) }
      #expect(kept.isEmpty == refused.isEmpty, "seed \(seed)")
    }
  }

  @Test("A log that is whole is read once")
  func isReadOnce() throws {
    let disk = FaultyFileSystem(seed: 1)
    try disk.createDirectory("/log")
    var writer = LogWriter(fileSystem: disk, folder: "/log", seal: Self.seal, segmentBytes: 1 << 20, last: nil)
    var next: UInt64 = 1
    for _ in 0..<12 {
      var made = try chunk(1, next, records: 400)
      if !writer.isOpen(for: 1) { try writer.start(generation: 1, firstSequence: next) }
      try writer.write(&made, durable: next - 1)
      next = made.lastSequence + 1
    }
    let before = disk.callCount
    var given: UInt64 = 0
    _ = try LogReplay(fileSystem: disk, folder: "/log", seal: Self.seal)
      .run(flushedThrough: 0, kinds: [Self.kind]) { _, _ in given += 1 }
    #expect(given == next - 1)
    let reads = disk.calls[before...].filter { $0.operation == .read }
    let files = try disk.list("/log").count
    #expect(files > 1)
    #expect(reads.reduce(0) { $0 + $1.bytes } <= disk.usedBytes + files * LogFormat.segmentHeaderBytes)
  }
}
