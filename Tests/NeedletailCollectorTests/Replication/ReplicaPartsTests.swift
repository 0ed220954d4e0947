import NeedletailCluster
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailCollector

/// One row of a batch as text, with all that it holds, so that rows of different batches can be compared.
private enum RowText {
  static func of(_ batch: SeriesBatch) -> [String] {
    batch.withRows { rows in
      (0..<rows.seriesCount).map { row in
        var text = "\(rows.seriesID(row)) \(rows.startTimestamp(row) ?? -1)"
        for sample in rows.samples(of: row) { text += " \(rows.timestamp(sample)):\(rows.valueBits(sample))" }
        for index in 0..<rows.histogramCount {
          let (owner, time, bytes) = rows.histogram(index)
          if owner == row { text += " h\(time):\(Array(bytes))" }
        }
        for index in 0..<rows.exemplarCount {
          let (owner, time, value, labels) = rows.exemplar(index)
          if owner == row { text += " e\(time):\(value):\(Array(labels))" }
        }
        return text
      }
    }
  }

  static func of(_ batch: EventBatch) -> [String] {
    batch.withRows { rows in
      let streams = rows.encodedStreams
      return (0..<rows.rowCount).map { row in
        let texts = [
          streams[rows.streamIndex(row)], rows.nameBytes(row), rows.textBytes(row), rows.bodyBytes(row),
          rows.attributeBytes(row), rows.nestedBytes(row), rows.stateBytes(row),
        ].map { Array($0) }
        return "\(rows.contentID(row)) \(rows.time(row)) \(rows.secondTime(row)) \(rows.traceID(row))"
          + " \(rows.spanID(row)) \(rows.parentSpanID(row)) \(rows.kind(row)) \(rows.status(row)) \(rows.flags(row))"
          + " \(texts)"
      }
    }
  }

  static func of(_ content: WriteContent) -> [String] {
    switch content {
    case .series(let batch): of(batch)
    case .events(let batch): of(batch)
    }
  }
}

@Suite("The parts of a batch") struct ReplicaPartsTests {
  private static func seriesBatch(_ generator: inout TelemetryGenerator, rows: Int) -> SeriesBatch? {
    var builder = SeriesBatchBuilder()
    // Batches of one sample each, with one time for all, or with whatever there is.
    let style = generator.int(0...2)
    for _ in 0..<rows {
      let start: Int64? = style == 2 && generator.oneIn(3) ? Int64(generator.int(1...9)) : nil
      let id = SeriesID(Hash128(high: generator.random.next(), low: generator.random.next()))
      builder.beginSeries(id, startTimestamp: start)
      for sample in 0..<(style == 2 ? generator.int(0...3) : 1) {
        builder.append(
          timestamp: style == 0 ? 7 : Int64(generator.int(0...99) + sample), valueBits: generator.valueBits())
      }
      guard style == 2 else { continue }
      if generator.oneIn(3) { builder.append(timestamp: Int64(generator.int(0...9)), histogram: generator.histogram()) }
      if generator.oneIn(3) {
        builder.append(
          exemplar: Exemplar(
            timestampMilliseconds: Int64(generator.int(0...9)), value: 2, labels: generator.labelSet()))
      }
    }
    return builder.build(tenant: .default, batchID: Hash128(high: 1, low: generator.random.next()))
  }

  private static func eventBatch(_ generator: inout TelemetryGenerator, rows: Int) -> EventBatch? {
    let isSpans = generator.oneIn(2)
    var builder = EventBatchBuilder(kind: isSpans ? .spans : .logs, tenant: .default)
    for _ in 0..<rows {
      let stream = builder.stream(EventStream(scopeName: "scope \(generator.int(0...12))"))
      let attributes = generator.oneIn(2) ? [Attribute("key", .int(Int64(generator.int(0...5))))] : []
      let trace = TraceID(high: 1, low: UInt64(generator.int(0...9)))
      if isSpans {
        builder.append(
          SpanRecord(
            traceID: trace, spanID: SpanID(generator.random.next()), name: generator.pick(["", "GET"]),
            startNanoseconds: Int64(generator.int(0...99)), endNanoseconds: 100,
            statusMessage: generator.pick(["", "x"]), attributes: attributes), stream: stream)
      } else {
        builder.append(
          LogRecord(
            timeNanoseconds: Int64(generator.int(0...99)), severityText: generator.pick(["", "WARN"]),
            body: generator.pick([.empty, .string("text")]), attributes: attributes, traceID: trace), stream: stream)
      }
    }
    return builder.build(batchID: Hash128(high: 2, low: generator.random.next()))
  }

  /// The slot of each row, found in the plain way.
  private static func slots(_ content: WriteContent, _ map: SlotMap) -> [UInt16] {
    switch content {
    case .series(let batch):
      batch.withRows { rows in (0..<rows.seriesCount).map { map.slot(of: rows.seriesID($0)) } }
    case .events(let batch):
      batch.withRows { rows in
        let streams = rows.encodedStreams
        return (0..<rows.rowCount).map { row in
          batch.isSpans
            ? map.slot(of: rows.traceID(row), tenant: batch.tenant)
            : map.slot(of: EventStream.identity(ofEncoded: streams[rows.streamIndex(row)], tenant: batch.tenant))
        }
      }
    }
  }

  private static func assignment(_ nodes: ClosedRange<Int>, replicas: Int, _ map: SlotMap) -> SlotAssignment {
    SlotAssignment(HashRing(nodes.map { RingMember(NodeID("n\($0)")) }), slots: map, replicaCount: replicas)
  }

  @Test(
    "have every row at exactly the nodes of its slot, in order and whole, and are shared where they are the same",
    arguments: 1...120 as ClosedRange<UInt64>)
  func everyRowAtItsNodes(seed: UInt64) throws {
    var generator = TelemetryGenerator(seed: seed)
    let map = try #require(SlotMap(count: generator.pick([1, 16, 1024])))
    let count = generator.int(1...7)
    let old = Self.assignment(1...count, replicas: generator.int(1...4), map)
    let next = generator.oneIn(3) ? Self.assignment(2...(count + 1), replicas: generator.int(1...4), map) : nil
    let groups = ReplicaGroups(old, next: next)
    let rows = generator.int(1...80)
    let content: WriteContent
    if generator.oneIn(2) {
      let batch = Self.seriesBatch(&generator, rows: rows)
      content = .series(try #require(batch))
    } else {
      let batch = Self.eventBatch(&generator, rows: rows)
      content = .events(try #require(batch))
    }
    let parts = try #require(ReplicaParts(content, slots: map, over: groups), "seed \(seed)")
    let slots = Self.slots(content, map)
    let texts = RowText.of(content)
    #expect(slots == content.slots(map), "seed \(seed)")
    for node in groups.nodes {
      let owned = slots.indices.filter { row in
        old.replicas(of: slots[row]).contains(node) || next?.replicas(of: slots[row]).contains(node) ?? false
      }
      let part = parts.part(of: node)
      #expect((part == nil) == owned.isEmpty, "seed \(seed)")
      guard let part else { continue }
      #expect(RowText.of(part.content) == owned.map { texts[$0] }, "seed \(seed)")
      #expect(part.slots == Set(owned.map { slots[$0] }).sorted(), "seed \(seed)")
      #expect(part.content.frame.batchID == content.frame.batchID, "seed \(seed)")
      if owned.count == rows { #expect(part.content.frame.bytes == content.frame.bytes, "seed \(seed)") }
    }
    #expect(parts.targets.nodes == groups.nodes.filter { parts.part(of: $0) != nil }, "seed \(seed)")
    #expect(Set(parts.parts.map(\.slots)).count == parts.parts.count, "seed \(seed)")
    #expect(parts.part(of: NodeID("nobody")) == nil)
  }

  @Test("of three nodes with three replicas are the batch's own bytes, once")
  func noCopies() throws {
    var generator = TelemetryGenerator(seed: 5)
    let built = Self.seriesBatch(&generator, rows: 400)
    let batch = try #require(built)
    let groups = ReplicaGroups(Self.assignment(1...3, replicas: 3, .standard))
    let parts = try #require(ReplicaParts(.series(batch), slots: .standard, over: groups))
    #expect(parts.parts.count == 1 && parts.byteCount == batch.frame.bytes.count)
    let part = try #require(parts.part(of: NodeID("n2")))
    let isSame = part.content.frame.bytes.withUnsafeBytes { one in
      batch.frame.bytes.withUnsafeBytes { $0.baseAddress == one.baseAddress }
    }
    #expect(isSame)
  }

  @Test("a write is called by its content and by the assignment that makes its parts")
  func names() throws {
    var generator = TelemetryGenerator(seed: 6)
    let built = (Self.seriesBatch(&generator, rows: 40), Self.seriesBatch(&generator, rows: 40))
    let (one, other) = (WriteContent.series(try #require(built.0)), WriteContent.series(try #require(built.1)))
    #expect(one.writeID(epoch: 3) == one.writeID(epoch: 3) && one.writeID(epoch: 3) != one.writeID(epoch: 4))
    #expect(one.writeID(epoch: 3) != other.writeID(epoch: 3))
  }

  @Test("rows are told apart by their times, and what has none stays", arguments: 1...40 as ClosedRange<UInt64>)
  func rowsWithin(seed: UInt64) throws {
    var generator = TelemetryGenerator(seed: seed)
    let built = Self.seriesBatch(&generator, rows: generator.int(1...60))
    let batch = try #require(built)
    let bounds = Int64(generator.int(0...20))...Int64(generator.int(21...90))
    let wanted = batch.withRows { rows in
      (0..<rows.seriesCount).filter { row in
        let histograms = (0..<rows.histogramCount).map { rows.histogram($0) }.filter { $0.row == row }
        let times = rows.samples(of: row).map { rows.timestamp($0) } + histograms.map(\.timestamp)
        return times.isEmpty || times.contains { bounds.contains($0) }
      }
    }
    #expect(batch.rows(within: bounds) == wanted.map { UInt32($0) }, "seed \(seed)")
  }

  @Test("definitions are picked by series, and are the frame itself where all are wanted")
  func definitions() throws {
    var generator = TelemetryGenerator(seed: 3)
    var builder = SeriesDefinitionsBuilder()
    let sets = Set((0..<50).map { _ in generator.labelSet() }).map { ($0, SeriesID($0, tenant: .default)) }
    for (labels, id) in sets { builder.append(id, labels: labels) }
    builder.append(metric: "up", MetricMetadata(kind: .gauge, help: "whether it is"))
    let built = builder.build(tenant: .default)
    let all = try #require(built)
    #expect(try all.selecting { _ in true }?.frame.bytes == all.frame.bytes)
    let wanted = Set(sets.prefix(7).map(\.1))
    let some = try #require(try all.selecting { wanted.contains($0) })
    var found: [SeriesID: [UInt8]] = [:]
    try some.forEachSeries { id, labels in found[id] = Array(labels) }
    #expect(found == Dictionary(uniqueKeysWithValues: sets.prefix(7).map { ($0.1, $0.0.canonicalBytes) }))
    var metrics: [String] = []
    try some.forEachMetric { name, _ in metrics.append(name) }
    #expect(metrics == ["up"])
  }
}
