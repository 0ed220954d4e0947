import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Event parts") struct PartTests {
  @Test("The slot index names exactly the blocks that hold a slot's rows", arguments: [true, false])
  func slots(isSpans: Bool) async throws {
    var generator = EventGenerator(seed: 21)
    let machine = try EventMachine()
    let engine = isSpans ? machine.spans : machine.logs
    // Wide rows, so that there are many blocks.
    let filler = Attribute("filler", .string(String(repeating: "-", count: 40_000)))
    for step in 0..<2 {
      var batch = EventBatchBuilder(kind: isSpans ? .spans : .logs, tenant: .default)
      for _ in 0..<80 {
        let stream = batch.stream(generator.stream())
        if isSpans {
          var span = generator.span()
          span.attributes.append(filler)
          batch.append(span, stream: stream)
        } else {
          var log = generator.log()
          log.attributes.append(filler)
          batch.append(log, stream: stream)
        }
      }
      _ = try await engine.append(try required(batch.build(batchID: Hash128(high: 0, low: UInt64(step)))))
    }
    try machine.flush()
    var blockCount = 0
    for part in try engine.snapshot(.all).parts {
      var expected: [UInt16: Set<Int>] = [:]
      for (number, entry) in part.directory.blocks.enumerated() {
        blockCount += 1
        let columns = try BlockColumns(part, entry)
        try columns.load(ColumnGroup.allCases)
        for row in 0..<columns.rowCount {
          let stream = columns.stream(of: row)
          let trace = columns.withRow(row) { $0.traceID }
          let slot =
            isSpans
            ? SlotMap.standard.slot(of: trace, tenant: .default) : SlotMap.standard.slot(of: stream.identity)
          expected[slot, default: []].insert(number)
        }
      }
      for slot in (0..<1024 as Range<UInt16>) where expected[slot] != nil || slot % 16 == 0 {
        #expect(try part.blocks(ofSlot: slot) == (expected[slot] ?? []).sorted())
      }
    }
    #expect(blockCount > 3)
  }

  @Test("Random bytes are never taken for a directory, and a directory reads back as written")
  func directory() throws {
    var directory = PartDirectory(isSpans: true, slotCount: 1024)
    directory.levels = ["info", "error"]
    directory.attributeNames = [PartDirectory.TenantNames(tenant: "a", names: ["x", "y"])]
    directory.tracePages = [PartDirectory.TracePage(firstKey: 9, location: BlockLocation(offset: 4, length: 5))]
    directory.blocks = [
      BlockEntry(
        rowCount: 3, timeMin: -5, timeMax: 9, firstStream: 0, lastStream: 2, levels: 3,
        tokens: BlockLocation(offset: 1, length: 2),
        locations: ColumnGroup.allCases.map { BlockLocation(offset: UInt64($0.rawValue) << 33, length: 7) })
    ]
    let bytes = directory.encoded()
    #expect(try bytes.withUnsafeBytes { try PartDirectory(decoding: $0) } == directory)
    for count in 0..<bytes.count {
      #expect(throws: MalformedBytes.self) { try bytes[..<count].withUnsafeBytes { try PartDirectory(decoding: $0) } }
    }
    var random = SeededGenerator(seed: 4)
    for _ in 0..<2000 {
      var broken = bytes
      broken[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      _ = broken.withUnsafeBytes { try? PartDirectory(decoding: $0) }
    }
  }

  @Test("Pairs of keys and blocks are found again, and garbage is refused")
  func keyedBlocks() throws {
    var random = SeededGenerator(seed: 8)
    let pairs = Set(
      (0..<500).map { _ in
        KeyedBlocks.Pair(
          key: random.next() >> UInt64.random(in: 0...60, using: &random),
          block: UInt32.random(in: 0..<100, using: &random))
      })
    let bytes = KeyedBlocks.encode(pairs.sorted()[...])
    for key in Set(pairs.map(\.key)) {
      let expected = pairs.filter { $0.key == key }.map { Int($0.block) }.sorted()
      #expect(try bytes.withUnsafeBytes { try KeyedBlocks.blocks(of: key, in: $0, blockCount: 100) } == expected)
    }
    for _ in 0..<500 {
      var broken = bytes
      broken[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      _ = broken.withUnsafeBytes { try? KeyedBlocks.blocks(of: .max, in: $0, blockCount: 100) }
    }
  }
}
