import NeedletailCluster
import NeedletailEnvironment
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Logs and spans over a cluster of real nodes")
struct ClusterEventTests {
  private static let start = ReadCluster.start * 1_000_000
  private static let stream = EventStream(resource: [Attribute("service.name", .string("shop"))], scopeName: "s")

  /// Appends what is made for each number to the single engine and to all nodes but the one that lacks it.
  private static func append(
    _ cluster: ReadCluster, _ kind: Frame.Kind, _ count: Int,
    _ add: (_ number: Int, _ builder: inout EventBatchBuilder, _ stream: UInt32) -> Void
  ) async throws {
    for (place, node) in (cluster.nodes + [cluster.single]).enumerated() {
      var builder = EventBatchBuilder(kind: kind, tenant: .default)
      let stream = builder.stream(stream)
      for number in 0..<count where node.name == cluster.single.name || number % cluster.nodes.count != place {
        add(number, &builder, stream)
      }
      let batch = builder.build(batchID: Hash128(high: 9, low: UInt64(kind.rawValue)))
      try await node.append(try #require(batch))
    }
  }

  private static func appendLogs(_ cluster: ReadCluster, _ count: Int = 200) async throws {
    try await append(cluster, .logs, count) { number, builder, stream in
      let attributes = [Attribute("n", .int(Int64(number))), Attribute("kind", .string("k\(number % 3)"))]
      builder.append(
        LogRecord(
          timeNanoseconds: start + Int64(number / 2) * 1_000_000_000, severityNumber: UInt8(number % 24),
          body: .string("line \(number)"), attributes: attributes), stream: stream)
    }
  }

  private static func all<Record: Sendable>(_ cursor: any EventCursor<Record>) async throws -> EventColumns<Record> {
    var result = EventColumns<Record>()
    while let chunk = try await cursor.next() {
      result.timestamps += chunk.timestamps
      result.records += chunk.records
      result.values += chunk.values
      result.sizes += chunk.sizes
      result.streams += chunk.streamIndexes.map { chunk.streams[$0] }
    }
    return result
  }

  private static func source(_ cluster: ReadCluster, _ node: Int, _ options: ReadOptions = ReadOptions())
    -> ClusterEventSource
  {
    let reads = cluster.nodes[node].reads
    return ClusterEventSource(reads: reads, question: ClusterQuestion(options, timeout: .seconds(60)))
  }

  @Test("events are told apart bit by bit: one with a NaN is told once, and zeros of either sign are two")
  func bits() async throws {
    try await ReadCluster.run { cluster in
      // Each is on two of three.
      let values = [Double.nan, 0, -0.0]
      try await Self.append(cluster, .logs, 9) { number, builder, stream in
        let attribute = Attribute("x", .double(values[number % 3]))
        builder.append(
          LogRecord(timeNanoseconds: Self.start + Int64(number / 3), attributes: [attribute]), stream: stream)
        if number % 3 == 0 {
          builder.append(
            LogRecord(timeNanoseconds: Self.start, body: .string("\(number)"), attributes: [attribute]), stream: stream)
        }
      }
      let range = try #require(EventTimeRange(startNanoseconds: Self.start, endNanoseconds: Self.start + 1_000))
      let selection = EventSelection(tenant: .default, matchers: [], range: range)
      let single = try await Self.all(cluster.single.reads.events.selectLogs(selection))
      for reader in 0..<3 {
        let found = try await Self.all(Self.source(cluster, reader).selectLogs(selection))
        #expect(single.timestamps.count == 12 && found.timestamps == single.timestamps)
      }
    }
  }

  @Test("log records are those of one engine, each once, in order and within the limit, whatever a replica lacks")
  func logs() async throws {
    try await ReadCluster.run { cluster in
      try await Self.appendLogs(cluster)
      try cluster.nodes[1].flush()
      let range = try #require(
        EventTimeRange(startNanoseconds: Self.start, endNanoseconds: Self.start + 90_000_000_000))
      var selection = EventSelection(tenant: .default, matchers: [], range: range)
      var selections = [selection]
      selection.lineFilters = [try LineFilter(.contains, ["1"]), try LineFilter(.matchesNot, ["line 1[0-4]$"])]
      selection.matchers = [LabelMatcher("service_name", equals: "shop")]
      selections.append(selection)
      selection.fieldFilters = [
        .or(.compares(field: "n", .greater, 100), .matches(LabelMatcher("kind", equals: "k1"))),
        .and(.compares(field: "n", .lessOrEqual, 170), .compares(field: "n", .notEqual, 61)),
      ]
      (selection.unwrap, selection.groupingFields, selection.wantsRecords) = ("n", ["kind"], false)
      selections.append(selection)
      for selection in selections {
        let single = try await Self.all(cluster.single.reads.events.selectLogs(selection))
        #expect(!single.timestamps.isEmpty)
        for reader in 0..<3 {
          for (order, limit) in [(EventOrder.forward, Int.max), (.backward, .max), (.forward, 7), (.backward, 7)] {
            var asked = selection
            (asked.order, asked.limit) = (order, limit)
            let found = try await Self.all(Self.source(cluster, reader).selectLogs(asked))
            let times = order == .forward ? single.timestamps : single.timestamps.reversed()
            #expect(found.timestamps == Array(times.prefix(limit)))
            guard limit == .max else { continue }
            #expect(Set(found.records) == Set(single.records) && found.records.count == single.records.count)
            #expect(found.values.sorted() == single.values.sorted())
            #expect(found.streams.map(\.description).sorted() == single.streams.map(\.description).sorted())
          }
        }
      }
    }
  }

  @Test("a trace is all that replicas have of its spans, and searches and lists find what one engine finds")
  func traces() async throws {
    try await ReadCluster.run { cluster in
      try await Self.append(cluster, .spans, 60) { number, builder, stream in
        let time = Self.start + Int64(number) * 1_000_000
        builder.append(
          SpanRecord(
            traceID: TraceID(high: 1, low: UInt64(1 + number / 6)), spanID: SpanID(UInt64(number + 1)),
            parentSpanID: number % 6 == 0 ? .none : SpanID(UInt64(number / 6 * 6 + 1)), name: "op \(number % 4)",
            startNanoseconds: time, endNanoseconds: time + 500_000), stream: stream)
      }
      try await Self.appendLogs(cluster, 20)
      let single = cluster.single.reads.events
      for reader in 0..<3 {
        let source = Self.source(cluster, reader)
        let id = TraceID(high: 1, low: 3)
        let spans = try await source.wholeTrace(id, tenant: .default)
        #expect(spans.map(\.span) == (try await single.wholeTrace(id, tenant: .default)).map(\.span))
        #expect(spans.allSatisfy { $0.stream == Self.stream } && spans.count == 6)
        #expect(try await source.trace(id, tenant: .default, range: nil).records == spans.map(\.span))
        let selection = EventSelection(tenant: .default, matchers: [LabelMatcher("name", equals: "op 1")], range: .all)
        let found = try await Self.all(source.selectSpans(selection))
        #expect(found.records == (try await Self.all(single.selectSpans(selection))).records && !found.records.isEmpty)
        let search = TraceSearch(tenant: .default, tags: [], range: .all, limit: 4)
        let (traces, expected) = (try await source.search(search), try await single.search(search))
        #expect(traces.map(\.traceID) == expected.map(\.traceID) && traces.count == 4)
        let scope = EventScope(tenant: .default)
        for signal in [EventSignal.logs, .spans] {
          #expect(
            try await source.fieldNames(signal, scope, limit: 50).elements
              == single.fieldNames(signal, scope, limit: 50).elements)
          #expect(
            try await source.streams(signal, scope, limit: 50).elements
              == single.streams(signal, scope, limit: 50).elements)
        }
        #expect(
          try await source.fieldValues(.logs, field: "kind", scope, limit: 50).elements
            == single.fieldValues(.logs, field: "kind", scope, limit: 50).elements)
      }
    }
  }

  @Test("with too few nodes events are not answered, or told to be incomplete")
  func partial() async throws {
    try await ReadCluster.run { cluster in
      try await Self.appendLogs(cluster, 20)
      cluster.cut(1)
      let selection = EventSelection(tenant: .default, matchers: [], range: .all)
      #expect(try await Self.all(Self.source(cluster, 0).selectLogs(selection)).records.count == 20)
      cluster.cut(2)
      let refused = await Result { _ = try await Self.source(cluster, 0).selectLogs(selection) }
      #expect(throws: QueryError.self) { try refused.get() }
      let cursor = try await Self.source(cluster, 0, ReadOptions(partial: .allow)).selectLogs(selection)
      #expect(try await Self.all(cursor).records.count == 13 && !cursor.coverage.isComplete)
    }
  }

  @Test("questions about events are read as they were written, and what is mutated is refused or harmless")
  func messages() throws {
    var selection = EventSelection(
      tenant: .default, matchers: [LabelMatcher("a", equals: "b")],
      lineFilters: [try LineFilter(.containsNot, ["x", ""]), try LineFilter(.matches, ["y+"])],
      fieldFilters: [
        .and(
          .or(.matches(LabelMatcher("c", equals: "d")), .compares(field: "e", .less, 1.5)),
          .compares(field: "f", .equal, -2))
      ],
      range: .all, order: .backward, limit: 12)
    let bytes = try EventQuestionMessage.encode(selection)
    #expect(try EventQuestionMessage.decode(bytes) == selection)
    // What is too deep is not sent.
    for _ in 0..<70 { selection.fieldFilters[0] = .and(selection.fieldFilters[0], .compares(field: "g", .less, 1)) }
    #expect(throws: QueryError.self) { try EventQuestionMessage.encode(selection) }
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<20_000 {
      var mutated = [UInt8.random(in: 0...14, using: &generator)] + bytes
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        mutated[Int.random(in: 0..<mutated.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      mutated.removeLast(Int.random(in: 0...3, using: &generator))
      if let subject = try? ReadSubject(decoding: mutated) { _ = try? subject.encoded() }
      _ = try? EventHitsMessage.decode(mutated, of: .default, as: LogRecord.self)
      _ = try? TraceMessage.decodeFound(mutated, limit: 100)
    }
  }
}
