import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

/// Brings two replicas to each other what they lack, as a repair does it: from differing windows to buckets to series.
///
/// Returns how many bytes went.
@discardableResult
func exchange(
  _ one: SeriesMachine, _ other: SeriesMachine, bytesMax: Int = 1 << 20
) async throws -> Int {
  var bytes = 0
  for number in 0..<one.engine.slotCount {
    let slot = UInt16(number)
    let (mine, theirs) = (try one.engine.windowDigests(of: slot), try other.engine.windowDigests(of: slot))
    let (left, right) = (
      Dictionary(uniqueKeysWithValues: mine.map { ($0.window, $0.digest) }),
      Dictionary(uniqueKeysWithValues: theirs.map { ($0.window, $0.digest) })
    )
    for window in Set(left.keys).union(right.keys).sorted() where left[window] != right[window] {
      let buckets = try differing(
        try one.engine.bucketDigests(of: slot, window: window).map { ($0.bucket, $0.digest) },
        try other.engine.bucketDigests(of: slot, window: window).map { ($0.bucket, $0.digest) })
      for bucket in buckets {
        let (here, there) = (
          try one.engine.listing(of: slot, window: window, in: .bucket(bucket)).map { ($0.key, $0.digest) },
          try other.engine.listing(of: slot, window: window, in: .bucket(bucket)).map { ($0.key, $0.digest) }
        )
        let keys = try differing(here, there)
        let (given, taken) = (Set(here.map(\.0)), Set(there.map(\.0)))
        bytes += try await give(keys.filter(given.contains), of: slot, window, from: one, to: other, bytesMax)
        bytes += try await give(keys.filter(taken.contains), of: slot, window, from: other, to: one, bytesMax)
      }
    }
  }
  return bytes
}

private func differing<Key: Hashable & Comparable>(
  _ one: [(Key, RangeDigest)], _ other: [(Key, RangeDigest)]
) throws -> [Key] {
  let (left, right) = (Dictionary(uniqueKeysWithValues: one), Dictionary(uniqueKeysWithValues: other))
  #expect(one.map(\.0) == left.keys.sorted() && other.map(\.0) == right.keys.sorted())
  return Set(left.keys).union(right.keys).filter { left[$0] != right[$0] }.sorted()
}

private func give(
  _ keys: [Hash128], of slot: UInt16, _ window: Int64, from one: SeriesMachine, to other: SeriesMachine, _ bytesMax: Int
) async throws -> Int {
  var request = SlotExport.Request(keys: keys)
  var bytes = 0
  while !request.keys.isEmpty {
    let export = try one.engine.export(of: slot, window: window, request, bytesMax: bytesMax)
    try await other.store(export.payload, of: slot)
    bytes += export.payload.count
    guard let rest = export.rest else { break }
    try #require(rest != request, "an export that gets nowhere")
    request = rest
  }
  return bytes
}

extension SeriesMachine {
  /// Stores an export and commits until that is answered.
  func store(_ payload: [UInt8], of slot: UInt16) async throws {
    let isDone = Lock(false)
    let engine = engine
    async let stored: Void = {
      defer { isDone.withLock { $0 = true } }
      try await engine.store(payload, of: slot)
    }()
    while !isDone.withLock({ $0 }) {
      journal.commitPending()
      await Task.yield()
    }
    try await stored
  }
}

@Suite("What repair and quorum reads ask of the engine of metrics")
struct SlotContentsTests {
  static let slots = SlotMap(count: 3) ?? .standard
  static let tenants = SeriesModelTests.tenants

  static func machine(_ seed: Int, _ options: SeriesEngineOptions? = nil) throws -> SeriesMachine {
    let standard = SeriesEngineOptions(
      retention: .forever, blockBytes: 2048, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    return try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)), options: options ?? standard, slots: slots)
  }

  /// Some series with samples, stale markers, histograms, starts and exemplars, at few instants of three days.
  static func batch(_ generator: inout TelemetryGenerator, now: Int64) throws -> (SeriesBatch, SeriesDefinitions) {
    let tenant = generator.pick(tenants)
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for _ in 0..<generator.int(1...6) {
      let labels = LabelSet(["__name__": "m", "i": "\(generator.int(0...30))"])
      let id = SeriesID(labels, tenant: tenant)
      definitions.append(id, labels: labels)
      builder.beginSeries(id, startTimestamp: generator.oneIn(3) ? now - Int64(generator.int(1...3)) * 50_000 : nil)
      for _ in 0..<generator.int(0...12) {
        let time = now - Int64(generator.int(0...2)) * 86_400_000 - Int64(generator.int(0...60)) * 90_000
        switch generator.int(0...9) {
        case 0...1: builder.append(timestamp: time, histogram: generator.histogram())
        case 2: builder.append(timestamp: time, valueBits: 0x7ff0_0000_0000_0002)
        case 3:
          let trace = LabelSet(["trace": "\(generator.int(0...3))"])
          builder.append(exemplar: Exemplar(timestampMilliseconds: time, value: 1, labels: trace))
        default: builder.append(timestamp: time, valueBits: Double(generator.int(0...3)).bitPattern)
        }
      }
    }
    let batch = builder.build(
      tenant: tenant, batchID: Hash128(high: generator.random.next(), low: generator.random.next()))
    let built = definitions.build(tenant: tenant)
    return (try #require(batch), try #require(built))
  }

  /// What an engine goes through beside appends.
  static func live(_ machine: inout SeriesMachine, _ generator: inout TelemetryGenerator) throws {
    switch generator.int(0...11) {
    case 0...2: _ = try machine.journal.flush()
    case 3: _ = try machine.engine.mergeParts()
    case 4: machine = try machine.crash(.syncedOnly)
    case 5: machine = try machine.reopen()
    case 6:
      let matcher = try LabelMatcher("i", .matches, "\(generator.int(0...3)).?")
      let times = [generator.int(0...6), generator.int(0...6)].sorted()
      let start = machine.nowMilliseconds - 5_400_000
      let range = TimeRange(
        startMilliseconds: start + Int64(times[0]) * 900_000, endMilliseconds: start + Int64(times[1]) * 900_000)
      try machine.engine.delete(tenant: generator.pick(tenants), [matcher], try #require(range))
      if generator.oneIn(2) { _ = try machine.engine.cleanTombstones() }
    default: break
    }
  }

  /// The hours that may have anything.
  static func hours(_ machine: SeriesMachine) -> ClosedRange<Int64> {
    let now = SeriesWindow(of: machine.nowMilliseconds).number
    return (now - 76)...(now + 1)
  }

  /// Holds all that is told of slots against what the digests of single windows are, worked out anew.
  static func check(_ engine: SeriesEngine, _ hours: ClosedRange<Int64>, _ comment: Comment) throws {
    var expected: [SlotWindow] = []
    for number in hours {
      let window = try #require(SeriesWindow(number: number))
      let digests = try engine.digests(window: window)
      if digests.contains(where: { !$0.isEmpty }) { expected.append(SlotWindow(window: number, digests: digests)) }
    }
    #expect(try engine.digests(of: .min ... .max) == expected, comment)
    let some = (hours.lowerBound + 10)...(hours.upperBound - 10)
    #expect(try engine.digests(of: some) == expected.filter { some.contains($0.window) }, comment)
    for slot in 0..<UInt16(engine.slotCount) {
      let mine = expected.filter { !$0.digests[Int(slot)].isEmpty }
      let windows = try engine.windowDigests(of: slot)
      #expect(windows.map(\.window) == mine.map(\.window), comment)
      #expect(windows.map(\.digest) == mine.map { $0.digests[Int(slot)] }, comment)
      for window in mine.prefix(4) {
        var sum = RangeDigest()
        for bucket in try engine.bucketDigests(of: slot, window: window.window) {
          sum.add(bucket.digest)
          var inner = RangeDigest()
          for series in try engine.listing(of: slot, window: window.window, in: .bucket(bucket.bucket)) {
            #expect(SlotMap.bucket(of: series.key) == bucket.bucket && slots.slot(of: series.key) == slot, comment)
            inner.add(series.digest)
          }
          #expect(inner == bucket.digest, comment)
        }
        #expect(sum == window.digests[Int(slot)], comment)
      }
    }
  }

  static func exemplars(_ machine: SeriesMachine, _ tenant: TenantID) throws -> [String] {
    try machine.engine.exemplars(tenant: tenant, [], .all).elements.map { "\($0.labels) \($0.exemplar)" }.sorted()
  }

  static func expectSame(_ one: SeriesMachine, _ other: SeriesMachine, _ comment: Comment) throws {
    let (left, right) = (try one.engine.digests(of: .min ... .max), try other.engine.digests(of: .min ... .max))
    #expect(left == right, comment)
    for tenant in tenants {
      let (mine, theirs) = (try read(one, tenant), try read(other, tenant))
      #expect(mine == theirs, comment)
      #expect(try exemplars(one, tenant) == exemplars(other, tenant), comment)
    }
  }

  @Test(
    "two engines with different shares of what came have the same once each gave the other what differs",
    arguments: 1...16)
  func repair(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 11_000_000)
    var (one, other) = (try Self.machine(seed), try Self.machine(seed + 100))
    for _ in 0..<generator.int(4...24) {
      let (batch, definitions) = try Self.batch(&generator, now: one.nowMilliseconds)
      let whose = generator.int(0...3)
      if whose != 1 { _ = try await one.append(batch, definitions) }
      if whose != 2 { _ = try await other.append(batch, definitions) }
      try Self.live(&one, &generator)
      try Self.live(&other, &generator)
    }
    let bytes = try await exchange(one, other, bytesMax: generator.pick([1, 200, 3000, 1 << 20]))
    try Self.expectSame(one, other, comment)
    try Self.check(one.engine, Self.hours(one), comment)
    #expect(try await exchange(one, other) == 0, comment)
    #expect(bytes > 0, comment)
    _ = try one.journal.flush()
    _ = try one.engine.mergeParts()
    try Self.expectSame(one, try other.crash(.syncedOnly), comment)
  }

  /// A batch of one series with a sample, a histogram and, where one is named, an exemplar.
  private static func counts(
    _ machine: SeriesMachine, start: Int64?, trace: String? = nil
  ) throws -> DefinedBatch {
    let time = machine.nowMilliseconds - 7_200_000
    return try DefinedBatch([LabelSet(["__name__": "m"])], start: start) { _, builder in
      builder.append(timestamp: time, valueBits: Double(7).bitPattern)
      builder.append(timestamp: time + 1000, histogram: NativeHistogram(schema: 3, count: 2, sum: 4))
      guard let trace else { return }
      builder.append(
        exemplar: Exemplar(timestampMilliseconds: time, value: 1, labels: LabelSet(["trace": trace])))
    }
  }

  @Test("engines that differ in starts or exemplars alone tell it, and are equal after an exchange", arguments: 0...3)
  func attachments(which: Int) async throws {
    var (one, other) = (try Self.machine(1), try Self.machine(2))
    let early = one.nowMilliseconds - 9_000_000
    let (mine, theirs): (DefinedBatch, DefinedBatch) =
      switch which {
      case 0: (try Self.counts(one, start: nil), try Self.counts(one, start: early))
      case 1: (try Self.counts(one, start: early + 1), try Self.counts(one, start: early))
      case 2: (try Self.counts(one, start: early, trace: "a"), try Self.counts(one, start: early, trace: "b"))
      default: (try Self.counts(one, start: early), try Self.counts(one, start: early, trace: "b"))
      }
    _ = try await one.append(mine.batch, mine.definitions)
    _ = try await other.append(theirs.batch, theirs.definitions)
    for isFlushed in [false, true] {
      if isFlushed { for machine in [one, other] { _ = try machine.journal.flush() } }
      #expect(try one.engine.digests(of: .min ... .max) != other.engine.digests(of: .min ... .max))
    }
    #expect(try await exchange(one, other) > 0)
    try Self.expectSame(one, other, "\(which)")
    let latest = which == 0 ? early : which == 1 ? early + 1 : early
    #expect(try read(one).starts.values.flatMap(\.values) == [latest, latest])
    one = try one.crash(.syncedOnly)
    other = try other.crash(.syncedOnly)
    try Self.expectSame(one, other, "\(which), crashed")
    for machine in [one, other] {
      _ = try machine.journal.flush()
      _ = try machine.engine.mergeParts()
    }
    try Self.expectSame(one, other, "\(which), merged")
  }

  @Test(
    "what is told is what a look at each window tells, whatever happened since it was asked last", arguments: 1...10)
  func kept(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 12_000_000)
    var machine = try Self.machine(seed)
    for step in 0..<14 {
      let (batch, definitions) = try Self.batch(&generator, now: machine.nowMilliseconds)
      if !generator.oneIn(3) { _ = try await machine.append(batch, definitions) }
      try Self.live(&machine, &generator)
      try Self.check(machine.engine, Self.hours(machine), "seed \(seed), step \(step)")
    }
  }

  @Test("of more hours than a head has sums for, all are told")
  func manyWindows() async throws {
    let slots = try #require(SlotMap(count: 16_384))
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1), slots: slots)
    let new = try DefinedBatch([LabelSet(["__name__": "m"])]) { _, builder in
      for hour in 0..<70 as Range<Int64> {
        builder.append(timestamp: machine.nowMilliseconds - hour * 3_600_000, valueBits: 1)
        builder.append(timestamp: machine.nowMilliseconds - hour * 3_600_000 + 1000, valueBits: 1)
      }
    }
    _ = try await machine.append(new.batch, new.definitions)
    let slot = slots.slot(of: SeriesID(LabelSet(["__name__": "m"]), tenant: .default))
    let windows = try machine.engine.windowDigests(of: slot)
    #expect(windows.reduce(0) { $0 + $1.digest.count } == 140)
    _ = try machine.journal.flush()
    #expect(try machine.engine.windowDigests(of: slot).map(\.digest) == windows.map(\.digest))
  }

  @Test("a damaged part is told, and once it is left out another replica makes good for it")
  func damage() async throws {
    var generator = TelemetryGenerator(seed: 5)
    let (machine, other) = (try Self.machine(1), try Self.machine(2))
    for _ in 0..<12 {
      let (batch, definitions) = try Self.batch(&generator, now: machine.nowMilliseconds)
      _ = try await machine.append(batch, definitions)
      _ = try await other.append(batch, definitions)
      _ = try machine.journal.flush()
    }
    #expect(machine.engine.damagedWindows().isEmpty && machine.engine.statistics.damagedReads == 0)
    let part = try #require(machine.engine.partRecords.max { $0.summary.rows < $1.summary.rows })
    machine.disk.flip("/data/parts/\(part.id.folderName)/samples", byte: 40, bit: 2)
    #expect(throws: SlotContentsError.self) {
      for slot in 0..<UInt16(3) {
        for window in Self.hours(machine) { _ = try machine.engine.bucketDigests(of: slot, window: window) }
      }
    }
    let damages = machine.engine.damagedWindows()
    #expect(machine.engine.statistics.damagedReads > 0)
    #expect(damages.map(\.part) == [part.id.rawValue])
    let hours = SeriesWindow(of: part.summary.minTime).number...SeriesWindow(of: part.summary.maxTime).number
    #expect(damages.first?.windows == hours)
    // One that cannot be opened at all.
    let second = try #require(machine.engine.partRecords.last { $0.id != part.id })
    machine.disk.flip("/data/parts/\(second.id.folderName)/content", byte: 40, bit: 2)
    let again = try machine.reopen()
    #expect(Set(again.engine.damagedWindows().map(\.part)) == [second.id.rawValue])
    #expect(throws: SlotContentsError.self) { try again.engine.digests(of: .min ... .max) }
    #expect(throws: SlotContentsError.self) { try again.engine.windowDigests(of: 0) }
    // Passed over, it is still told to be damaged, and keeps nobody from comparing the rest. An open part is not.
    let closed = again.engine.damagedWindows()
    #expect(again.engine.passOver(closed + damages) == closed)
    #expect(again.engine.damagedWindows() == closed && again.engine.unreadableParts.map(\.part) == [second.id])
    try again.engine.leaveOut(again.engine.damagedWindows() + damages)
    #expect(again.engine.damagedWindows().isEmpty)
    try Self.check(again.engine, Self.hours(again), "left out")
    #expect(try await exchange(again, other) > 0)
    try Self.expectSame(again, other, "repaired")
    try Self.expectSame(try again.reopen(), other, "repaired and reopened")
  }

  @Test("a part that cannot be opened keeps no hour from being compared once it is passed over")
  func passedOver() async throws {
    var generator = TelemetryGenerator(seed: 5)
    let (machine, other) = (try Self.machine(1), try Self.machine(2))
    for _ in 0..<12 {
      let (batch, definitions) = try Self.batch(&generator, now: machine.nowMilliseconds)
      _ = try await machine.append(batch, definitions)
      _ = try await other.append(batch, definitions)
      _ = try machine.journal.flush()
    }
    let part = try #require(machine.engine.partRecords.max { $0.summary.rows < $1.summary.rows })
    machine.disk.flip("/data/parts/\(part.id.folderName)/content", byte: 40, bit: 2)
    let again = try machine.reopen()
    let closed = again.engine.damagedWindows()
    #expect(throws: SlotContentsError.self) { try again.engine.digests(of: .min ... .max) }
    #expect(again.engine.passOver(closed) == closed)
    let rest = try again.engine.digests(of: .min ... .max)
    #expect(try !rest.isEmpty && rest != other.engine.digests(of: .min ... .max))
    try again.engine.leaveOut(closed)
    #expect(try await exchange(again, other) > 0)
    try Self.expectSame(again, other, "repaired")
  }

  @Test("a power cut at any call while a damaged part is left out leaves it told, or gone", arguments: 0...1)
  func powerCut(survival: Int) async throws {
    let origin = try Self.machine(1)
    var generator = TelemetryGenerator(seed: 8)
    for _ in 0..<4 {
      let (batch, definitions) = try Self.batch(&generator, now: origin.nowMilliseconds)
      _ = try await origin.append(batch, definitions)
      _ = try origin.journal.flush()
    }
    let part = try #require(origin.engine.partRecords.max { $0.summary.rows < $1.summary.rows })
    origin.disk.flip("/data/parts/\(part.id.folderName)/content", byte: 40, bit: 2)
    let others = origin.engine.partRecords.map(\.id).filter { $0 != part.id }
    origin.journal.close()
    origin.engine.stop()
    var call = 0
    var isCut = true
    while isCut {
      let disk = origin.disk.copy(seed: UInt64(call))
      let machine = try SeriesMachine(
        disk, origin.catalog.copy(), clock: origin.clock, options: origin.engine.options, slots: Self.slots)
      let damages = machine.engine.damagedWindows()
      #expect(Set(damages.map(\.part)) == [part.id.rawValue])
      disk.powerOff(atCall: disk.callCount + call)
      try? machine.engine.leaveOut(damages)
      isCut = (try? disk.freeBytes("/data")) == nil
      let after = try machine.crash(survival == 0 ? .syncedOnly : .everything)
      #expect(after.engine.partRecords.map(\.id).sorted() == others.sorted())
      let told = after.engine.damagedWindows()
      #expect(told.isEmpty || Set(told.map(\.part)) == [part.id.rawValue])
      try after.engine.leaveOut(told)
      #expect(after.engine.damagedWindows().isEmpty)
      try Self.check(after.engine, Self.hours(after), "call \(call)")
      call += 1
    }
    #expect(call > 1)
  }

  @Test("rows of another slot, and bytes that are none, are refused or harmless", arguments: 1...4)
  func refused(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let (machine, other) = (try Self.machine(1), try Self.machine(2))
    for _ in 0..<6 {
      let (batch, definitions) = try Self.batch(&generator, now: machine.nowMilliseconds)
      _ = try await machine.append(batch, definitions)
    }
    let slot = try #require((0..<UInt16(3)).first { try !machine.engine.windowDigests(of: $0).isEmpty })
    let window = try #require(machine.engine.windowDigests(of: slot).first).window
    var keys: [Hash128] = []
    for bucket in try machine.engine.bucketDigests(of: slot, window: window) {
      keys += try machine.engine.listing(of: slot, window: window, in: .bucket(bucket.bucket)).map(\.key)
    }
    let export = try machine.engine.export(
      of: slot, window: window, SlotExport.Request(keys: keys), bytesMax: 1 << 20)
    #expect(export.rest == nil)
    #expect(try machine.engine.listing(of: slot, window: window, in: .all).map(\.key) == keys.sorted())
    // All of the slot, and all of its buckets, is what its keys are, in however many steps.
    for bytesMax in [1 << 20, 200] {
      let third = try Self.machine(3)
      var request = SlotExport.Request(.all)
      while true {
        let piece = try machine.engine.export(of: slot, window: window, request, bytesMax: bytesMax)
        try await third.store(piece.payload, of: slot)
        guard let rest = piece.rest else { break }
        try #require(rest != request, "an export that gets nowhere")
        request = rest
      }
      #expect(
        try third.engine.windowDigests(of: slot).map(\.digest) == [machine.engine.windowDigests(of: slot)[0].digest])
    }
    let bucket = SlotMap.bucket(of: keys[0])
    let share = try machine.engine.export(
      of: slot, window: window, SlotExport.Request(.bucket(bucket)), bytesMax: 1 << 20)
    let named = SlotExport.Request(keys: keys.filter { SlotMap.bucket(of: $0) == bucket })
    #expect(try machine.engine.export(of: slot, window: window, named, bytesMax: 1 << 20) == share)
    await #expect(throws: SlotContentsError.self) { try await other.store(export.payload, of: (slot + 1) % 3) }
    for _ in 0..<60 {
      var bytes = export.payload
      if generator.oneIn(2) { bytes.removeLast(generator.int(1...bytes.count)) }
      if !bytes.isEmpty { bytes[generator.int(0...(bytes.count - 1))] ^= UInt8(1 << generator.int(0...7)) }
      try? await other.store(bytes, of: slot)
    }
    #expect(try other.engine.digests(of: .min ... .max).isEmpty)
    try await other.store(export.payload, of: slot)
    #expect(try other.engine.windowDigests(of: slot).map(\.window) == [window])
    #expect(
      try other.engine.windowDigests(of: slot).first?.digest == machine.engine.windowDigests(of: slot).first?.digest)
  }

  @Test("an out-of-order window keeps no repair out; the retention does")
  func bounds() async throws {
    let options = SeriesEngineOptions(
      retention: .milliseconds(3 * 86_400_000), outOfOrderMilliseconds: 600_000, blockBytes: 2048)
    let (machine, other) = (try Self.machine(1), try Self.machine(2, options))
    let labels = LabelSet(["__name__": "m"])
    let now = machine.nowMilliseconds
    let times = [now - 4 * 86_400_000, now - 86_400_000, now]
    let new = try DefinedBatch([labels]) { _, builder in
      for time in times { builder.append(timestamp: time, valueBits: 1) }
    }
    _ = try await machine.append(new.batch, new.definitions)
    _ = try await other.append(try DefinedBatch([labels], time: now).batch, new.definitions)
    let id = SeriesID(labels, tenant: .default)
    let slot = Self.slots.slot(of: id)
    for time in times {
      let export = try machine.engine.export(
        of: slot, window: SeriesWindow(of: time).number, SlotExport.Request(keys: [id.hash]), bytesMax: 1000)
      try await other.store(export.payload, of: slot)
    }
    #expect(try read(other).samples[labels]?.keys.sorted() == Array(times.dropFirst()))
    #expect(try read(try other.crash(.syncedOnly)).samples[labels]?.keys.sorted() == Array(times.dropFirst()))
  }
}
