import NeedletailEnvironment
import NeedletailTelemetry

/// Random logs and spans that resemble real ones: few streams and templates, many identifiers, every kind of value
/// somewhere.
struct EventGenerator {
  var random: SeededGenerator
  private let words = [
    "timeout", "while", "calling", "payment", "db", "user_id", "größe", "GET", "/cart/items", "a", "ok",
  ]

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }

  mutating func chance(_ oneOf: Int) -> Bool { Int.random(in: 0..<oneOf, using: &random) == 0 }

  mutating func stream() -> EventStream {
    var resource = [Attribute("service.name", .string(pick(["cart", "checkout", "payment"])))]
    if chance(2) { resource.append(Attribute("host.name", .string(pick(["a-1", "b-2"])))) }
    if chance(3) { resource.append(Attribute("service.namespace", .string("shop"))) }
    if chance(5) { resource.append(Attribute("level", .string("debug"))) }
    return EventStream(resource: resource, scopeName: pick(["", "http"]))
  }

  mutating func time() -> Int64 {
    let days = Int64.random(in: 0...2, using: &random) * day
    // Few distinct times, so that many events share theirs.
    return now - days - Int64.random(in: 0...500, using: &random) * 1_000_000_000
  }

  mutating func line() -> String {
    (0..<Int.random(in: 1...6, using: &random)).map { _ in
      chance(4) ? String(random.next(), radix: 16) : pick(words)
    }.joined(separator: pick([" ", "=", ", "]))
  }

  mutating func attributes() -> [Attribute] {
    var attributes: [Attribute] = []
    if chance(2) { attributes.append(Attribute("http.method", .string(pick(["GET", "POST"])))) }
    if chance(2) { attributes.append(Attribute("http.status_code", .int(pick([200, 404, 500])))) }
    if chance(4) { attributes.append(Attribute("host.name", .string("hidden"))) }
    if chance(6) { attributes.append(Attribute("list", .array([.bool(true), .double(0.5), .string(line())]))) }
    return attributes
  }

  mutating func traceID() -> TraceID {
    chance(3) ? .none : TraceID(high: 7, low: UInt64.random(in: 1...60, using: &random))
  }

  mutating func log() -> LogRecord {
    LogRecord(
      timeNanoseconds: time(), observedTimeNanoseconds: chance(2) ? 0 : now, severityNumber: pick([0, 5, 9, 17, 200]),
      severityText: pick(["", "", "Notice"]),
      body: chance(10) ? .map([Attribute("message", .string(line()))]) : chance(12) ? .empty : .string(line()),
      attributes: attributes(), traceID: traceID(), spanID: chance(2) ? .none : SpanID(random.next()),
      flags: pick([0, 1, .max]), eventName: pick(["", "started"]))
  }

  mutating func span() -> SpanRecord {
    let start = time()
    return SpanRecord(
      traceID: TraceID(high: 7, low: UInt64.random(in: 1...60, using: &random)), spanID: SpanID(random.next() | 1),
      parentSpanID: chance(3) ? .none : SpanID(random.next() | 1), name: pick(["GET /cart", "query", "charge"]),
      kind: pick([.server, .client, .internal]), startNanoseconds: start,
      endNanoseconds: start + Int64.random(in: 0...2_000_000_000, using: &random), status: pick([.unset, .ok, .error]),
      statusMessage: pick(["", "it broke"]), traceState: pick(["", "a=b"]), flags: 1, attributes: attributes(),
      events: chance(4) ? [SpanRecord.Event(timeNanoseconds: start, name: "retry")] : [],
      links: chance(5) ? [SpanRecord.Link(traceID: TraceID(high: 1, low: 2), spanID: SpanID(3))] : [])
  }
}
