import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Traces") struct TraceTests {
  @Test("A trace is found whole and once, and searches agree with the model", arguments: 1...2 as ClosedRange<UInt64>)
  func model(seed: UInt64) async throws {
    var generator = EventGenerator(seed: seed)
    var machine = try EventMachine()
    var model = EventModel()
    for step in 0..<6 {
      let entries = (0..<Int.random(in: 1...60, using: &generator.random)).map { _ in
        EventModel.SpanEntry(stream: generator.stream(), span: generator.span())
      }
      let batch = try makeBatch(entries.map { ($0.stream, $0.span) }, id: UInt64(step))
      _ = try await machine.spans.append(batch)
      model.spans.formUnion(entries)
      if generator.chance(3) { try machine.flush() }
      // Now the batch may be in a part already: a retry puts copies of its rows into the head.
      if generator.chance(3) { _ = try await machine.spans.append(batch) }
      if generator.chance(4) { machine = try machine.reopened() }
      try checkTraces(machine, model)
      try checkSearch(machine, model, &generator)
      try checkSelect(machine, model)
    }
  }

  private func checkTraces(_ machine: EventMachine, _ model: EventModel) throws {
    for low in (0...61 as ClosedRange<UInt64>) where low % 4 < 2 {
      let id = TraceID(high: 7, low: low)
      let expected = model.spans.filter { $0.span.traceID == id }
      let hits = try machine.spans.trace(id, tenant: .default)
      let found = hits.map { EventModel.SpanEntry(stream: $0.stream.stream, span: $0.record) }
      #expect(found.count == expected.count && Set(found) == expected)
      #expect(try machine.spans.trace(id, tenant: try required(TenantID("other"))).isEmpty)
    }
  }

  private func checkSearch(_ machine: EventMachine, _ model: EventModel, _ generator: inout EventGenerator) throws {
    let tags: [(key: String, value: String)] = generator.pick([
      [], [("service.name", "cart")], [("name", "query"), ("status", "error")], [("http.method", "GET")],
      [("kind", "server"), ("http_status_code", "500")],
    ])
    let limit = generator.pick([1, 5, 1000])
    let found = try machine.spans.searchTraces(tenant: .default, tags: tags, limit: limit)
    let matchers = tags.map { LabelMatcher(EventModel.labelName($0.key), equals: $0.value) }
    let matching = model.spans.filter { EventModel.passes(EventModel.labels($0), matchers) }
    let newest = Dictionary(grouping: matching, by: \.span.traceID)
      .mapValues { $0.map(\.span.startNanoseconds).max() ?? 0 }
    #expect(found.count == min(limit, newest.count))
    #expect(found.map { newest[$0.traceID] } == newest.values.sorted(by: >).prefix(limit).map { $0 })
    for summary in found {
      let trace = model.spans.filter { $0.span.traceID == summary.traceID }
      let start = trace.map(\.span.startNanoseconds).min() ?? 0
      #expect(summary.spanCount == trace.count)
      #expect(summary.matchedSpanCount == matching.filter { $0.span.traceID == summary.traceID }.count)
      #expect(summary.startNanoseconds == start)
      #expect(summary.errorCount == trace.filter { $0.span.status == .error }.count)
      #expect((summary.failure == nil) == (summary.errorCount == 0))
      #expect(summary.durationNanoseconds == (trace.map(\.span.endNanoseconds).max() ?? 0) - start)
    }
    let bounds = found.map(\.durationNanoseconds).sorted()
    guard limit == 1000, let least = bounds.first, let most = bounds.last else { return }
    let long = try machine.spans.searchTraces(tenant: .default, tags: tags, minDuration: most, limit: 1000)
    #expect(long.count == bounds.filter { $0 == most }.count)
    let short = try machine.spans.searchTraces(tenant: .default, tags: tags, maxDuration: least, limit: 1000)
    #expect(short.count == bounds.filter { $0 == least }.count)
  }

  private func checkSelect(_ machine: EventMachine, _ model: EventModel) throws {
    let query = EventQuery(
      tenant: .default, matchers: [try LabelMatcher("name", .matches, "qu.*")], duration: 500_000_000...1_000_000_000)
    let hits = try machine.spans.selectSpans(query).all()
    let expected = model.spans.filter {
      $0.span.name == "query" && (500_000_000...1_000_000_000).contains($0.span.durationNanoseconds)
    }
    #expect(Set(hits.map { EventModel.SpanEntry(stream: $0.stream.stream, span: $0.record) }) == expected)
    #expect(hits.count == expected.count)
  }

  @Test("The root of a trace is the span without a parent, wherever it lies")
  func root() async throws {
    let machine = try EventMachine()
    let id = TraceID(high: 1, low: 2)
    let front = EventStream(resource: [Attribute("service.name", .string("front"))])
    let back = EventStream(resource: [Attribute("service.name", .string("back"))])
    let child = SpanRecord(
      traceID: id, spanID: SpanID(2), parentSpanID: SpanID(1), name: "child", startNanoseconds: now - 10,
      endNanoseconds: now + 50)
    let root = SpanRecord(traceID: id, spanID: SpanID(1), name: "root", startNanoseconds: now, endNanoseconds: now + 40)
    _ = try await machine.spans.append(try makeBatch([(back, child)]))
    try machine.flush()
    _ = try await machine.spans.append(try makeBatch([(front, root)]))
    let found = try machine.spans.searchTraces(tenant: .default, tags: [("name", "child")])
    #expect(
      found == [
        TraceSummary(
          traceID: id, rootService: "front", rootName: "root", startNanoseconds: now - 10, durationNanoseconds: 60,
          spanCount: 2, matchedSpanCount: 1)
      ])
  }

  @Test("A trace tells which span its errors come from: the first that called no other failed one")
  func failure() async throws {
    let machine = try EventMachine()
    func stream(_ name: String) -> EventStream {
      EventStream(resource: [Attribute("service.name", .string(name))])
    }
    func span(
      _ id: UInt64, under parent: UInt64, _ name: String, at offset: Int64, _ status: SpanRecord.Status, low: UInt64 = 2
    ) -> SpanRecord {
      SpanRecord(
        traceID: TraceID(high: 1, low: low), spanID: SpanID(id), parentSpanID: SpanID(parent), name: name,
        startNanoseconds: now + offset, endNanoseconds: now + offset + 9, status: status)
    }
    let spans = [
      (stream("customers"), span(1, under: 0, "POST", at: 0, .error)),
      (stream("cart"), span(2, under: 1, "GET", at: 1, .ok)),
      (stream("frontend"), span(3, under: 1, "POST /checkout", at: 2, .error)),
      (stream("payment"), span(4, under: 3, "charge", at: 3, .error)),
      (stream("payment"), span(5, under: 3, "charge again", at: 4, .error)),
      (stream("circle"), span(6, under: 7, "a", at: 0, .error, low: 3)),
      (stream("circle"), span(7, under: 6, "b", at: 1, .error, low: 3)),
      (stream("well"), span(8, under: 0, "c", at: 0, .unset, low: 4)),
    ]
    _ = try await machine.spans.append(try makeBatch(Array(spans.prefix(3))))
    try machine.flush()
    _ = try await machine.spans.append(try makeBatch(Array(spans.dropFirst(3))))
    func found(_ tag: (String, String)) throws -> TraceSummary? {
      try machine.spans.searchTraces(tenant: .default, tags: [tag]).first
    }
    let shop = try found(("service.name", "cart"))
    #expect(shop?.failure == TraceSummary.Failure(service: "payment", name: "charge") && shop?.errorCount == 4)
    #expect(try found(("service.name", "circle"))?.failure == TraceSummary.Failure(service: "circle", name: "a"))
    #expect(try found(("service.name", "well"))?.failure == nil && found(("service.name", "well"))?.errorCount == 0)
  }

  @Test("Looking up one trace among many reads only the blocks that hold it")
  func index() async throws {
    let machine = try EventMachine()
    for chunk in 0..<4 as Range<Int64> {
      let spans = (0..<4096 as Range<Int64>).map { index in
        let start = now - chunk * hour - index
        return (
          EventStream(),
          SpanRecord(
            traceID: TraceID(high: UInt64(chunk + 1), low: UInt64(index)), spanID: SpanID(1), name: "s",
            startNanoseconds: start, endNanoseconds: start + 1)
        )
      }
      _ = try await machine.spans.append(try makeBatch(spans, id: UInt64(chunk)))
    }
    try machine.flush()
    let before = machine.spans.statistics.blocksRead
    #expect(try machine.spans.trace(TraceID(high: 2, low: 77), tenant: .default).count == 1)
    #expect(machine.spans.statistics.blocksRead - before == 1)
    #expect(try machine.spans.trace(TraceID(high: 9, low: 77), tenant: .default).isEmpty)
    #expect(machine.spans.statistics.blocksRead - before == 1)
  }
}
