import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

/// What digests have to be: the sum over all records that an engine was given, each once.
private struct DigestModel {
  private var rows: Set<RangeDigest> = []
  private(set) var windows: [Int64: [UInt16: RangeDigest]] = [:]

  mutating func add(_ batch: EventBatch, _ slots: EventSlots) throws {
    try batch.withRows { all in
      let encoded = all.encodedStreams
      for row in 0..<all.rowCount {
        let stream = try StreamEntry(decoding: encoded[all.streamIndex(row)], tenant: batch.tenant)
        let digest = RangeDigest.event(stream, EventKey(time: all.time(row), content: all.contentID(row).low))
        guard rows.insert(digest).inserted else { continue }
        let slot = slots.slot(all.traceID(row), stream)
        windows[EventWindow.of(all.time(row)), default: [:]][slot, default: RangeDigest()].add(digest)
      }
    }
  }
}

@Suite("What repair and quorum reads ask of the engines of events")
struct EventSlotContentsTests {
  private static let tenants = [TenantID.default, TenantID("other") ?? .default]

  private func batch(_ generator: inout EventGenerator, isSpans: Bool) throws -> EventBatch {
    let count = Int.random(in: 1...12, using: &generator.random)
    let (tenant, id) = (generator.pick(Self.tenants), generator.random.next())
    if isSpans {
      return try makeBatch((0..<count).map { _ in (generator.stream(), generator.span()) }, tenant: tenant, id: id)
    }
    return try makeBatch((0..<count).map { _ in (generator.stream(), generator.log()) }, tenant: tenant, id: id)
  }

  /// What an engine goes through beside appends.
  private func live(_ machine: inout EventMachine, _ generator: inout EventGenerator) throws {
    switch Int.random(in: 0...9, using: &generator.random) {
    case 0...3: try machine.flush()
    case 4: _ = try (machine.logs.mergeParts(), machine.spans.mergeParts())
    case 5: machine = try machine.crashed(.syncedOnly)
    case 6: machine = try machine.reopened()
    default: break
    }
  }

  @Test(
    "engines with the same have the same digests at the edge of retention, however their parts lie", arguments: 1...6)
  func retentionEdge(seed: Int) async throws {
    var generator = EventGenerator(seed: UInt64(seed))
    var options = EventEngineOptions()
    options.retentionNanoseconds = 30 * hour
    let machines = try (0..<3).map { _ in try EventMachine(options: options) }
    for step in 0..<25 as Range<UInt64> {
      let time = machines[0].clock.wallNanoseconds() - Int64.random(in: 0..<29 * hour, using: &generator.random)
      let record = LogRecord(timeNanoseconds: time, body: .string("\(step)"))
      let batch = try makeBatch([(generator.stream(), record)], id: step)
      for machine in machines {
        _ = try await machine.logs.append(batch)
        if generator.chance(3) { try machine.flush() }
        if generator.chance(5) { _ = try machine.logs.mergeParts() }
        if generator.chance(3) { _ = try machine.logs.enforceRetention(now: machine.clock.wallNanoseconds()) }
      }
      let told = try machines.map { try $0.logs.digests(of: .min ... .max) }
      #expect(told[0] == told[1] && told[1] == told[2], "seed \(seed), step \(step)")
      let passed = Int64.random(in: 0..<3 * hour, using: &generator.random)
      for machine in machines { machine.clock.advance(nanoseconds: passed) }
    }
  }

  private func engine(_ machine: EventMachine, _ isSpans: Bool) -> EventEngine {
    isSpans ? machine.spans : machine.logs
  }

  /// All that queries find, as texts.
  private func found(_ engine: EventEngine) throws -> [String] {
    try Self.tenants.flatMap { tenant in
      let query = EventQuery(tenant: tenant)
      return try engine.isSpans
        ? engine.selectSpans(query).all().map { "\($0.stream.labels) \($0.record)" }
        : engine.selectLogs(query).all().map { "\($0.stream.labels) \($0.record)" }
    }
  }

  private func check(_ engine: EventEngine, _ model: DigestModel, _ comment: Comment) throws {
    let all = try engine.digests(of: .min ... .max)
    #expect(all.map(\.window) == model.windows.keys.sorted(), comment)
    for window in all {
      let filled = window.digests.indices.filter { !window.digests[$0].isEmpty }
      let slots = Dictionary(uniqueKeysWithValues: filled.map { (UInt16($0), window.digests[$0]) })
      #expect(slots == model.windows[window.window], comment)
    }
    let slots = Set(model.windows.values.flatMap(\.keys)).sorted()
    for slot in slots.prefix(3) + slots.suffix(2) {
      let mine = model.windows.keys.sorted().filter { model.windows[$0]?[slot] != nil }
      let windows = try engine.windowDigests(of: slot)
      #expect(windows.map(\.window) == mine, comment)
      #expect(windows.map(\.digest) == mine.map { model.windows[$0]?[slot] }, comment)
      for window in mine.prefix(2) {
        var sum = RangeDigest()
        for bucket in try engine.bucketDigests(of: slot, window: window) {
          sum.add(bucket.digest)
          let listing = try engine.listing(of: slot, window: window, in: .bucket(bucket.bucket))
          #expect(listing.allSatisfy { SlotMap.bucket(of: $0.key) == bucket.bucket }, comment)
          #expect(listing.reduce(into: RangeDigest()) { $0.add($1.digest) } == bucket.digest, comment)
        }
        #expect(sum == model.windows[window]?[slot], comment)
      }
    }
  }

  /// Brings two replicas to each other what they lack; returns the bytes that went.
  private func exchange(_ one: EventEngine, _ other: EventEngine, bytesMax: Int) async throws -> Int {
    var bytes = 0
    let (left, right) = (try one.digests(of: .min ... .max), try other.digests(of: .min ... .max))
    for window in Set((left + right).map(\.window)).sorted() {
      let (mine, theirs) = (left.first { $0.window == window }, right.first { $0.window == window })
      for number in 0..<one.slotCount where mine?.digests[number] != theirs?.digests[number] {
        let slot = UInt16(number)
        let (here, there) = (try keys(one, slot, window), try keys(other, slot, window))
        let keys = Set(here.keys).union(there.keys).filter { here[$0] != there[$0] }.sorted()
        bytes += try await give(keys.filter { here[$0] != nil }, slot, window, one, other, bytesMax)
        bytes += try await give(keys.filter { there[$0] != nil }, slot, window, other, one, bytesMax)
      }
    }
    return bytes
  }

  private func keys(_ engine: EventEngine, _ slot: UInt16, _ window: Int64) throws -> [Hash128: RangeDigest] {
    var keys: [Hash128: RangeDigest] = [:]
    for bucket in try engine.bucketDigests(of: slot, window: window) {
      for entry in try engine.listing(of: slot, window: window, in: .bucket(bucket.bucket)) {
        keys[entry.key] = entry.digest
      }
    }
    return keys
  }

  private func give(
    _ keys: [Hash128], _ slot: UInt16, _ window: Int64, _ one: EventEngine, _ other: EventEngine, _ bytesMax: Int
  ) async throws -> Int {
    var request = SlotExport.Request(keys: keys)
    var bytes = 0
    while !request.keys.isEmpty {
      let export = try one.export(of: slot, window: window, request, bytesMax: bytesMax)
      try await other.store(export.payload, of: slot)
      bytes += export.payload.count
      guard let rest = export.rest else { break }
      try #require(rest != request, "an export that gets nowhere")
      request = rest
    }
    return bytes
  }

  @Test(
    "digests are those of the records that came, each once: in heads, parts and merged parts, over restarts",
    arguments: 1...8, [false, true])
  func digests(seed: Int, isSpans: Bool) async throws {
    var generator = EventGenerator(seed: UInt64(seed) &+ 13_000_000)
    var machine = try EventMachine()
    var model = DigestModel()
    var batches: [EventBatch] = []
    for step in 0..<16 {
      let new = try batch(&generator, isSpans: isSpans)
      // At times one that came before: in another part by now, in the frozen head, or in the head.
      let batch = generator.chance(3) && !batches.isEmpty ? generator.pick(batches) : new
      batches.append(batch)
      _ = try await engine(machine, isSpans).append(batch)
      try model.add(batch, engine(machine, isSpans).eventSlots)
      try check(engine(machine, isSpans), model, "seed \(seed), step \(step)")
      try live(&machine, &generator)
      try check(engine(machine, isSpans), model, "seed \(seed), after step \(step)")
    }
  }

  @Test(
    "two engines with different shares of what came have the same once each gave the other what differs",
    arguments: 1...6, [false, true])
  func repair(seed: Int, isSpans: Bool) async throws {
    let comment: Comment = "seed \(seed), spans \(isSpans)"
    var generator = EventGenerator(seed: UInt64(seed) &+ 14_000_000)
    var (one, other) = (try EventMachine(), try EventMachine())
    var model = DigestModel()
    for _ in 0..<Int.random(in: 6...16, using: &generator.random) {
      let batch = try batch(&generator, isSpans: isSpans)
      let whose = Int.random(in: 0...3, using: &generator.random)
      if whose != 1 { _ = try await engine(one, isSpans).append(batch) }
      if whose != 2 { _ = try await engine(other, isSpans).append(batch) }
      try model.add(batch, engine(one, isSpans).eventSlots)
      try live(&one, &generator)
      try live(&other, &generator)
    }
    let bytes = try await exchange(
      engine(one, isSpans), engine(other, isSpans), bytesMax: generator.pick([1, 600, 5000, 1 << 20]))
    #expect(bytes > 0, comment)
    try check(engine(one, isSpans), model, comment)
    try check(engine(other, isSpans), model, comment)
    let isSame = try found(engine(one, isSpans)) == found(engine(other, isSpans))
    #expect(isSame, comment)
    #expect(try await exchange(engine(one, isSpans), engine(other, isSpans), bytesMax: 1000) == 0, comment)
    try one.flush()
    one = try one.crashed(.syncedOnly)
    try check(engine(one, isSpans), model, comment)
  }

  @Test("a damaged part is told, and once it is left out another replica makes good for it")
  func damage() async throws {
    var generator = EventGenerator(seed: 3)
    let (machine, other) = (try EventMachine(), try EventMachine())
    var model = DigestModel()
    for _ in 0..<6 {
      let batch = try batch(&generator, isSpans: false)
      _ = try await machine.logs.append(batch)
      _ = try await other.logs.append(batch)
      try model.add(batch, machine.logs.eventSlots)
      try machine.flush()
    }
    try check(machine.logs, model, "whole")
    #expect(machine.logs.damagedWindows().isEmpty)
    let listed = try machine.catalog.list(.logs)
    let (part, lost) = (try #require(listed.first), try #require(listed.last))
    machine.disk.flip("/data/parts/\(part.id.folderName)/data", byte: 40, bit: 2)
    // A query leaves out what it cannot read, and meets the damage.
    let whole = try found(other.logs)
    #expect(try found(machine.logs).count < whole.count)
    let damages = machine.logs.damagedWindows()
    #expect(damages.map(\.part) == [part.id.rawValue])
    let hours = EventWindow.of(part.summary.minTime)...EventWindow.of(part.summary.maxTime)
    #expect(damages.first?.windows == hours)
    machine.disk.flip("/data/parts/\(lost.id.folderName)/directory", byte: 40, bit: 2)
    let again = try machine.reopened()
    #expect(again.logs.damagedWindows().map(\.part) == [lost.id.rawValue])
    #expect(throws: SlotContentsError.self) { try again.logs.digests(of: .min ... .max) }
    // Passed over, it is still told to be damaged, and keeps nobody from comparing the rest.
    let closed = again.logs.damagedWindows()
    #expect(again.logs.passOver(closed + damages) == closed && again.logs.damagedWindows() == closed)
    #expect(try !again.logs.digests(of: .min ... .max).isEmpty)
    try again.logs.leaveOut(damages + again.logs.damagedWindows())
    #expect(again.logs.damagedWindows().isEmpty)
    #expect(try await exchange(again.logs, other.logs, bytesMax: 1 << 20) > 0)
    try check(again.logs, model, "repaired")
    try check(try again.reopened().logs, model, "repaired and reopened")
  }

  @Test("records of another slot, and bytes that are none, are refused or harmless", arguments: [false, true])
  func refused(isSpans: Bool) async throws {
    var generator = EventGenerator(seed: 4)
    let (machine, other) = (try EventMachine(), try EventMachine())
    _ = try await engine(machine, isSpans).append(try batch(&generator, isSpans: isSpans))
    let window = try #require(engine(machine, isSpans).digests(of: .min ... .max).first)
    let slot = UInt16(try #require(window.digests.firstIndex { !$0.isEmpty }))
    let keys = try keys(engine(machine, isSpans), slot, window.window)
    let export = try engine(machine, isSpans).export(
      of: slot, window: window.window, SlotExport.Request(keys: keys.keys.sorted()), bytesMax: 1 << 20)
    let source = engine(machine, isSpans)
    #expect(try source.listing(of: slot, window: window.window, in: .all).map(\.key) == keys.keys.sorted())
    for bytesMax in [1 << 20, 100] {
      let third = engine(try EventMachine(), isSpans)
      var request = SlotExport.Request(.all)
      while true {
        let piece = try source.export(of: slot, window: window.window, request, bytesMax: bytesMax)
        try await third.store(piece.payload, of: slot)
        guard let rest = piece.rest else { break }
        try #require(rest != request && Set(rest.keys).isSubset(of: keys.keys))
        request = rest
      }
      #expect(try self.keys(third, slot, window.window) == keys)
    }
    let target = engine(other, isSpans)
    await #expect(throws: SlotContentsError.self) { try await target.store(export.payload, of: slot + 1) }
    for _ in 0..<40 {
      var bytes = export.payload
      if generator.chance(2) { bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator.random)) }
      if !bytes.isEmpty { bytes[Int.random(in: 0..<bytes.count, using: &generator.random)] ^= 4 }
      try? await target.store(bytes, of: slot)
    }
    #expect(try target.digests(of: .min ... .max).isEmpty)
    try await target.store(export.payload, of: slot)
    #expect(try self.keys(target, slot, window.window) == keys)
  }

  @Test(
    "what a part tells is what reading it comes to, which is what parts of format 1 need", arguments: [false, true])
  func stored(isSpans: Bool) async throws {
    var generator = EventGenerator(seed: 6)
    let machine = try EventMachine()
    for _ in 0..<10 {
      _ = try await engine(machine, isSpans).append(try batch(&generator, isSpans: isSpans))
      try machine.flush()
    }
    _ = try engine(machine, isSpans).mergeParts()
    let reader = EventSlotReader(slots: engine(machine, isSpans).eventSlots)
    for part in engine(machine, isSpans).state.withLock({ $0.parts }) {
      #expect(!part.digestedWindows.isEmpty)
      for window in part.digestedWindows {
        let (told, read) = (try part.digests(window, reader), try part.readDigests(window, reader))
        #expect(!told.isEmpty && told.map(\.slot) == read.map(\.slot) && told.map(\.row) == read.map(\.row))
      }
    }
  }

  @Test("a directory of format 1 is read, and says that it has no digests")
  func oldDirectory() throws {
    var directory = PartDirectory(isSpans: false, slotCount: 1024)
    directory.slots = BlockLocation(offset: 7, length: 9)
    directory.version = 1
    let read = try directory.encoded().withUnsafeBytes { try PartDirectory(decoding: $0) }
    #expect(read == directory && read.version == 1)
    directory.version = 2
    directory.digests = [PartDirectory.WindowPlace(window: -3, location: BlockLocation(offset: 1, length: 2))]
    #expect(try directory.encoded().withUnsafeBytes { try PartDirectory(decoding: $0) } == directory)
    directory.version = 3
    #expect(throws: MalformedBytes.self) { try directory.encoded().withUnsafeBytes { try PartDirectory(decoding: $0) } }
  }

  @Test("hours cover all times, once each, at the ends of time too")
  func windows() {
    for time in [Int64.min, .min + 1, -3_600_000_000_001, -1, 0, 1, 3_600_000_000_000, .max] {
      #expect(EventWindow.times(EventWindow.of(time))?.contains(time) == true)
    }
    for window in [EventWindow.of(.min), -1, 0, EventWindow.of(.max) - 1] {
      #expect(EventWindow.times(window).map { $0.upperBound + 1 } == EventWindow.times(window + 1)?.lowerBound)
    }
    #expect(EventWindow.times(.min) == nil && EventWindow.times(.max) == nil)
  }
}
