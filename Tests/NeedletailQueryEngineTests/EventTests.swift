import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

/// Logs and spans in memory, with the conditions that the tests need.
final class MemoryEvents: EventSource {
  struct Event {
    var stream: LabelSet
    var time: Int64
    var text: String
    var number: Double = .nan
  }

  private let events: [Event]
  init(_ events: [Event]) { self.events = events.sorted { $0.time < $1.time } }

  private func matching<Record: Sendable>(
    _ selection: EventSelection, _ record: (Event) -> Record
  ) -> MemoryEventCursor<Record> {
    var found = events.filter { event in
      selection.range.contains(event.time) && selection.matchers.allSatisfy { $0.matches(event.stream) }
        && selection.lineFilters.allSatisfy { filter in
          Array(event.text.utf8).withUnsafeBytes { filter.passes($0) }
        } && selection.fieldFilters.allSatisfy { passes($0, event) }
    }
    if selection.order == .backward { found.reverse() }
    let chunks = found.prefix(selection.limit).map { event in
      EventColumns<Record>(
        streams: [stream(of: event, selection)], streamIndexes: [0], timestamps: [event.time],
        sizes: [event.text.utf8.count],
        values: selection.unwrap == nil ? [] : [event.number], records: selection.wantsRecords ? [record(event)] : [],
        recordBytes: selection.wantsRecords ? event.text.utf8.count : 0)
    }
    return MemoryEventCursor(chunks)
  }

  /// The labels of an event's stream, and its text where the groups are made by it.
  private func stream(of event: Event, _ selection: EventSelection) -> LabelSet {
    selection.groupingFields?.contains("text") == true ? LabelSet(["text": event.text]) : event.stream
  }

  private func passes(_ filter: FieldFilter, _ event: Event) -> Bool {
    switch filter {
    case .matches(let matcher): matcher.matches(event.stream)
    case .compares(_, let comparison, let value): comparison.holds(event.number, value)
    case .and(let left, let right): passes(left, event) && passes(right, event)
    case .or(let left, let right): passes(left, event) || passes(right, event)
    }
  }

  func selectLogs(_ selection: EventSelection) async throws -> any EventCursor<LogRecord> {
    matching(selection) { LogRecord(timeNanoseconds: $0.time, body: .string($0.text)) }
  }

  func selectSpans(_ selection: EventSelection) async throws -> any EventCursor<SpanRecord> {
    matching(selection) {
      SpanRecord(traceID: .none, spanID: .none, name: $0.text, startNanoseconds: $0.time, endNanoseconds: $0.time)
    }
  }

  func trace(_ id: TraceID, tenant: TenantID, range: EventTimeRange?) async throws -> EventColumns<SpanRecord> {
    EventColumns()
  }

  func fieldNames(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<String> {
    Listing([])
  }
  func fieldValues(
    _ signal: EventSignal, field: String, _ scope: EventScope, limit: Int
  ) async throws -> Listing<String> { Listing([]) }
  func streams(_ signal: EventSignal, _ scope: EventScope, limit: Int) async throws -> Listing<LabelSet> {
    Listing([])
  }
}

final class MemoryEventCursor<Record: Sendable>: EventCursor {
  private var chunks: [EventColumns<Record>]
  init(_ chunks: [EventColumns<Record>]) { self.chunks = chunks.reversed() }
  func next() async throws -> EventColumns<Record>? { chunks.popLast() }
  var coverage: Coverage { .complete }
}

@Suite("Logs and spans are ranges like any other")
struct EventTests {
  /// Six lines, ten seconds apart from 10 s on, of two services; every other one is an error of `a`.
  private static let engine: QueryEngine = {
    let streams = [LabelSet(["service": "a", "level": "error"]), LabelSet(["service": "b", "level": "info"])]
    let events = (1...6).map { index in
      MemoryEvents.Event(
        stream: streams[(index + 1) % 2], time: Int64(index) * 10_000_000_000, text: "line \(index)",
        number: Double(index))
    }
    let up = LabelSet(["__name__": "requests", "service": "a"])
    let points = [MemorySeries.Point(time: 60_000, value: 6)]
    return QueryEngine(series: MemorySeries([up: points]), events: MemoryEvents(events), limits: .patient)
  }()

  private static func instant(_ query: String) async throws -> [String: Double] {
    let result = try await engine.instant(query, tenant: .default, at: 60_000)
    guard case .vector(let columns) = result.value else { return [:] }
    return Dictionary(uniqueKeysWithValues: zip(columns.labels.map(\.description), columns.values))
  }

  private static let values: [(String, [String: Double])] = [
    ("sum by (service) (count_over_time(logs{service=~\".+\"}[1m]))", ["{service=\"a\"}": 3, "{service=\"b\"}": 3]),
    ("sum(rate(logs{level=\"error\"}[30s])) * 30", ["{}": 1]),
    (
      "sum by (text) (+(count_over_time(logs{} |= \"5\" or \"6\" [1m])))",
      ["{text=\"line 5\"}": 1, "{text=\"line 6\"}": 1]
    ),
    ("sum(count_over_time(logs{service=\"a\"} |= \"5\" or \"1\" [1m]))", ["{}": 2]),
    ("sum(count_over_time(logs{service=\"a\"} !~ \"[13]\" [1m]))", ["{}": 1]),
    ("sum(bytes_over_time(logs{service=\"b\"}[1m]))", ["{}": 18]),
    ("sum(bytes_rate(logs{service=\"b\"}[1m]))", ["{}": 0.3]),
    (
      "quantile_over_time(0.5, spans{} | unwrap duration [1m]) by (service)",
      ["{service=\"a\"}": 3, "{service=\"b\"}": 4]
    ),
    ("max_over_time(spans{} | duration < 5 | unwrap duration [1m]) by ()", ["{}": 4]),
    ("sum_over_time(spans{} | unwrap duration [20s] offset 10s) by ()", ["{}": 9]),
    ("absent_over_time(logs{service=\"none\"}[1m])", ["{service=\"none\"}": 1]),
    (
      "sum by (service) (rate(logs{level=\"error\"}[1m])) * 60 / on (service) sum by (service) (requests)",
      ["{service=\"a\"}": 0.5]
    ),
  ]

  @Test("functions over events yield series", arguments: values)
  func functions(query: String, wanted: [String: Double]) async throws {
    let found = try await Self.instant(query)
    #expect(found.keys.sorted() == wanted.keys.sorted())
    for (labels, value) in wanted { #expect(abs((found[labels] ?? .nan) - value) < 1e-12, "\(labels)") }
  }

  @Test("a selector of logs yields the lines themselves, newest first, up to the limit")
  func lines() async throws {
    let result = try await Self.engine.range(
      "{service=~\"a|b\"} != \"line 6\"", dialect: .logQL, tenant: .default, from: 20_000, to: 60_000, step: 1000,
      options: QueryOptions(eventLimit: 3))
    guard case .logs(let columns) = result.value else {
      Issue.record("not logs")
      return
    }
    #expect(columns.records.map(\.body.text) == ["line 5", "line 4", "line 3"])
    #expect(columns.streams.count == 2)
    #expect(columns.streamIndexes == [0, 1, 0])
  }

  @Test("times of events are exact to the nanosecond, the start within and the end without")
  func exactTimes() async throws {
    let base: Int64 = 1_700_000_000_123_456_000
    let stream = LabelSet(["service": "a"])
    let events = (0..<10).map { MemoryEvents.Event(stream: stream, time: base + Int64($0), text: "\($0)") }
    let engine = QueryEngine(series: MemorySeries([:]), events: MemoryEvents(events), limits: .patient)
    func lines(_ query: String, _ times: Range<Int64>) async throws -> [String] {
      let result = try await engine.range(
        query, dialect: .logQL, tenant: .default, from: times.lowerBound / 1_000_000, to: times.upperBound / 1_000_000,
        step: 1000, options: QueryOptions(eventOrder: .forward, eventTimes: times))
      guard case .logs(let columns) = result.value else { return ["not logs"] }
      return columns.records.map(\.body.text)
    }
    #expect(try await lines("{service=\"a\"}", base + 3..<base + 6) == ["3", "4", "5"])
    #expect(try await lines("{service=\"a\"}", base + 3..<base + 3) == [])
    #expect(try await lines("{service=\"a\"} offset 5ms", base + 5_000_008..<base + 6_000_000) == ["8", "9"])
    #expect(try await lines("{service=\"a\"} offset 5m", .min..<Int64.min + 5).isEmpty)
  }

  @Test("what is not supported yet says so, and where")
  func unsupported() async {
    for query in [
      "rate(logs{a=\"b\"} | json [1m])", "logs{a=\"b\"} | line_format \"x\"", "sum_over_time(logs{a=\"b\"}[1m])",
    ] {
      let error = await #expect(throws: QueryError.self) { try await Self.instant(query) }
      #expect(error?.kind == .badData)
    }
  }
}
