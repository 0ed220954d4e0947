import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Log queries") struct LogQueryTests {
  /// A machine with random logs in parts, in the head, and some in both, and the model of them.
  private func filled(seed: UInt64) async throws -> (EventMachine, EventModel, EventGenerator) {
    var generator = EventGenerator(seed: seed)
    var machine = try EventMachine()
    var model = EventModel()
    var sent: [EventBatch] = []
    for step in 0..<12 {
      let entries = (0..<Int.random(in: 1...80, using: &generator.random)).map { _ in
        EventModel.LogEntry(stream: generator.stream(), record: generator.log())
      }
      let batch = try makeBatch(entries.map { ($0.stream, $0.record) }, id: UInt64(step))
      _ = try await machine.logs.append(batch)
      sent.append(batch)
      model.logs.formUnion(entries)
      if generator.chance(3) { _ = try await machine.logs.append(generator.pick(sent)) }
      if generator.chance(4) { try machine.flush() }
      if generator.chance(6) { machine = try machine.reopened() }
    }
    return (machine, model, generator)
  }

  private func matchers(_ generator: inout EventGenerator) throws -> [LabelMatcher] {
    let all = [
      LabelMatcher("service_name", equals: "cart"), LabelMatcher("service", equals: "payment"),
      try LabelMatcher("job", .notEqual, "cart"), LabelMatcher("job", equals: "shop/cart"),
      LabelMatcher("level", equals: "error"),
      try LabelMatcher("level", .matches, "debug|unknown|notice"), LabelMatcher("http_method", equals: "GET"),
      LabelMatcher("http_status_code", equals: "404"), try LabelMatcher("host_name", .notEqual, "hidden"),
      LabelMatcher("host_name", equals: "hidden"), LabelMatcher("host_name", equals: ""),
      LabelMatcher("trace_id", equals: TraceID(high: 7, low: 3).description),
      try LabelMatcher("event_name", .matches, "st.*"), try LabelMatcher("list", .matches, ".*true.*"),
      LabelMatcher("scope_name", equals: "http"), try LabelMatcher("nothing", .notMatches, "a+"),
    ]
    return (0..<Int.random(in: 0...2, using: &generator.random)).map { _ in generator.pick(all) }
  }

  @Test("job is what the metrics of the resource say: namespace and name, whatever else it says")
  func job() async throws {
    let cases: [([Attribute], String?)] = [
      ([Attribute("service.name", .string("cart"))], "cart"),
      ([Attribute("service.name", .string("cart")), Attribute("service.namespace", .string("shop"))], "shop/cart"),
      ([Attribute("job", .string("x")), Attribute("service.name", .string("cart"))], "cart"),
      ([Attribute("job", .string("x")), Attribute("service.namespace", .string("shop"))], "x"),
      ([Attribute("service.namespace", .string("shop"))], nil),
    ]
    for (resource, expected) in cases {
      let machine = try EventMachine()
      let record = LogRecord(timeNanoseconds: now, body: .string("x"))
      _ = try await machine.logs.append(try makeBatch([(EventStream(resource: resource), record)]))
      let stream = try #require(machine.logs.streams(tenant: .default).elements.first)
      #expect(stream.value("job") == expected)
      #expect(
        stream.labels.labels.contains { $0.name == "service_namespace" }
          == resource.contains { $0.key == "service.namespace" })
      let found = try machine.logs.selectLogs(
        EventQuery(tenant: .default, matchers: [LabelMatcher("job", equals: expected ?? "")]))
      #expect(try found.all().count == 1)
    }
  }

  private func check(_ machine: EventMachine, _ model: EventModel, _ generator: inout EventGenerator) throws {
    let matchers = try matchers(&generator)
    let operation = generator.pick([BodyFilter.Operation.contains, .containsNot])
    var needle = generator.line()
    if generator.chance(2), let line = model.logs.randomElement(using: &generator.random)?.record.body.text {
      let cut = Array(line.unicodeScalars).dropFirst(generator.pick([0, 1, 3])).dropLast(generator.pick([0, 1, 2]))
      needle = String(String.UnicodeScalarView(cut))
    }
    let filters = generator.chance(2) ? [] : [try BodyFilter(operation, [needle])]
    let start = now - Int64.random(in: 0...(3 * day), using: &generator.random)
    let range =
      generator.chance(2)
      ? EventTimeRange.all : try required(EventTimeRange(startNanoseconds: start, endNanoseconds: start + day))
    let limit = generator.chance(2) ? nil : generator.pick([0, 1, 7, 50])
    let isNewest = generator.chance(2)
    let expected = model.logs.filter { entry in
      range.contains(entry.record.timeNanoseconds) && EventModel.passes(EventModel.labels(entry), matchers)
        && filters.allSatisfy { _ in
          EventModel.contains(entry.record.body.text, needle) == (operation == .contains)
        }
    }
    let query = EventQuery(
      tenant: .default, matchers: matchers, bodyFilters: filters, range: range, limit: limit,
      direction: isNewest ? .newestFirst : .oldestFirst)
    let hits = try machine.logs.selectLogs(query).all(page: generator.pick([1, 10, 1000]))
    let found = hits.map { EventModel.LogEntry(stream: $0.stream.stream, record: $0.record) }
    let about = Comment(
      rawValue: "\(matchers) \(operation) '\(needle)' filters \(filters.count) limit \(String(describing: limit))")
    #expect(Set(found).count == found.count, about)
    #expect(Set(found).isSubset(of: expected), about)
    #expect(found.count == min(limit ?? .max, expected.count), about)
    let times = found.map(\.record.timeNanoseconds)
    let sorted = expected.map(\.record.timeNanoseconds).sorted { isNewest ? $0 > $1 : $0 < $1 }
    #expect(times == Array(sorted.prefix(limit ?? .max)), about)
  }

  @Test("Any query answers as a plain search through all events would", arguments: 1...3 as ClosedRange<UInt64>)
  func model(seed: UInt64) async throws {
    var (machine, model, generator) = try await filled(seed: seed)
    for _ in 0..<15 { try check(machine, model, &generator) }
    try machine.flush()
    for _ in 0..<15 { try check(machine, model, &generator) }
    machine = try machine.reopened()
    for _ in 0..<15 { try check(machine, model, &generator) }
  }

  @Test("A tenant sees neither the events, nor the label names, nor the values of another")
  func tenants() async throws {
    let machine = try EventMachine()
    let other = try required(TenantID("other"))
    let record = LogRecord(
      timeNanoseconds: now, body: .string("x"), attributes: [Attribute("secret.key", .string("v"))])
    let stream = EventStream(resource: [Attribute("service.name", .string("s"))])
    _ = try await machine.logs.append(try makeBatch([(stream, record)], tenant: other))
    for _ in 0..<2 {
      #expect(try machine.logs.selectLogs(EventQuery(tenant: .default)).all().isEmpty)
      #expect(!machine.logs.labelNames(tenant: .default).elements.contains("secret_key"))
      #expect(try machine.logs.labelValues("secret_key", tenant: .default).elements.isEmpty)
      #expect(machine.logs.labelNames(tenant: other).elements.contains("secret_key"))
      #expect(try machine.logs.labelValues("secret_key", tenant: other).elements == ["v"])
      #expect(try machine.logs.labelValues("service_name", tenant: other).elements == ["s"])
      #expect(try machine.logs.labelValues("level", tenant: other).elements == ["unknown"])
      try machine.flush()
    }
  }

  @Test("A search for a rare word, or a part of one, passes over the blocks that cannot hold it")
  func skipping() async throws {
    let machine = try EventMachine()
    for chunk in 0..<6 {
      let entries = (0..<4096).map { index in
        let text = chunk == 3 && index == 7 ? "the needletail flew" : "request \(index) done"
        return (
          EventStream(), LogRecord(timeNanoseconds: now - Int64(chunk) * hour - Int64(index), body: .string(text))
        )
      }
      _ = try await machine.logs.append(try makeBatch(entries, id: UInt64(chunk)))
    }
    try machine.flush()
    for needle in ["the needletail flew", "needletail", "edletai"] {
      let before = machine.logs.statistics
      let hits = try machine.logs.selectLogs(
        EventQuery(tenant: .default, bodyFilters: [try BodyFilter(.contains, [needle])])
      ).all()
      let after = machine.logs.statistics
      #expect(hits.count == 1)
      #expect(after.blocksRead - before.blocksRead <= 3)
      #expect(after.blocksSkipped - before.blocksSkipped >= 4)
    }
  }

  @Test("A query for the newest few reads only the newest blocks")
  func earlyStop() async throws {
    let machine = try EventMachine()
    for chunk in 0..<5 {
      let entries = (0..<4096).map { index in
        (EventStream(), LogRecord(timeNanoseconds: now - Int64(chunk) * hour - Int64(index), body: .string("x")))
      }
      _ = try await machine.logs.append(try makeBatch(entries, id: UInt64(chunk)))
    }
    try machine.flush()
    let before = machine.logs.statistics.blocksRead
    let query = EventQuery(tenant: .default, limit: 10, direction: .newestFirst)
    #expect(try machine.logs.selectLogs(query).all().map(\.record.timeNanoseconds) == (0..<10).map { now - $0 })
    #expect(machine.logs.statistics.blocksRead - before <= 2)
  }
}
