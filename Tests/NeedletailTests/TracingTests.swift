import NeedletailEnvironment
import NeedletailTestSupport
import Testing
import Tracing

@testable import Needletail

@Suite("Tracing", .timeLimit(.minutes(5)))
struct TracingTests {
  private struct Broken: Error, CustomStringConvertible {
    var description: String { "it broke" }
  }

  /// The encoded span that `body` leaves in the queue.
  private func recorded(
    _ configure: (inout Needletail.Configuration) -> Void = { _ in },
    _ body: (TelemetryTracer) throws -> Void
  ) throws -> [WireTree] {
    var configuration = Needletail.Configuration(serviceName: "test")
    configure(&configuration)
    let queue = RecordQueue(configuration.traces)
    let recorder = SpanRecorder(configuration: configuration, queue: queue, identifiers: IdentifierGenerator())
    try body(TelemetryTracer(recorder: recorder))
    return try queue.take().map { try WireTree($0.bytes).messages(2) } ?? []
  }

  @Test("A span carries its name, kind, times, attributes, events, links and status")
  func everything() throws {
    let spans = try recorded { tracer in
      let other = tracer.startSpan("other", context: .topLevel)
      let span = tracer.startSpan(
        "first name", context: .topLevel, ofKind: .producer,
        at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 100))
      span.operationName = "name"
      span.attributes["text"] = "t"
      span.attributes["int"] = 7
      span.attributes["double"] = 1.5
      span.attributes["bool"] = true
      span.attributes["ints"] = [1, 2]
      span.attributes["texts"] = ["a", "b"]
      span.attributes["int"] = 8
      span.addEvent(SpanEvent(name: "event", attributes: ["k": "v"]))
      span.recordError(Broken())
      span.addLink(SpanLink(context: other.context, attributes: ["l": 1]))
      span.setStatus(SpanStatus(code: .error, message: "bad"))
      span.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 250))
    }
    let span = try #require(spans.first)
    #expect(span.texts(5) == ["name"] && span[6] == [.varint(4)])
    #expect(span[7] == [.fixed64(100)] && span[8] == [.fixed64(250)])
    #expect(
      try span.attributes(9) == [
        "text": "t", "int": "8", "double": "1.5", "bool": "true", "ints": "[1,2]", "texts": "[a,b]",
      ])
    let events = try span.messages(11)
    #expect(events.map { $0.texts(2) } == [["event"], ["exception"]])
    #expect(try events[0].attributes(3) == ["k": "v"])
    let exception = try events[1].attributes(3)
    #expect(exception["exception.message"] == "it broke" && exception["exception.type"]?.hasSuffix("Broken") == true)
    #expect(try span.messages(13).first?.attributes(4) == ["l": "1"])
    #expect(try span.messages(15).first?.texts(2) == ["bad"])
  }

  @Test("A child has its parent's trace and names its parent")
  func child() throws {
    let spans = try recorded { tracer in
      let parent = tracer.startSpan("parent", context: .topLevel)
      tracer.startSpan("child", context: parent.context).end()
      parent.end()
    }
    #expect(spans[0].texts(5) == ["child"])
    #expect(spans[0][1] == spans[1][1] && spans[0][4] == spans[1][2] && spans[1][4].isEmpty)
    #expect(spans[0][2] != spans[1][2])
  }

  @Test("Nothing is said after the end, and a span ends once")
  func endsOnce() throws {
    let spans = try recorded { tracer in
      let span = tracer.startSpan("s", context: .topLevel)
      span.end()
      #expect(!span.isRecording)
      span.attributes["late"] = 1
      span.addEvent("late")
      span.end()
    }
    #expect(spans.count == 1)
    #expect(try spans[0].attributes(9).isEmpty)
  }

  @Test("A status of ok is final")
  func statusOK() throws {
    let spans = try recorded { tracer in
      let span = tracer.startSpan("s", context: .topLevel)
      span.setStatus(SpanStatus(code: .ok, message: "ignored"))
      span.setStatus(SpanStatus(code: .error, message: "too late"))
      span.end()
    }
    let status = try #require(spans[0].messages(15).first)
    #expect(status[3] == [.varint(1)] && status.texts(2).isEmpty)
  }

  @Test("Limits drop what is too much, and the span says how much")
  func limits() throws {
    let spans = try recorded { configuration in
      configuration.limits.attributes = 2
      configuration.limits.events = 3
      configuration.limits.links = 1
      configuration.limits.textBytes = 5
    } _: { tracer in
      let other = tracer.startSpan("other", context: .topLevel)
      let span = tracer.startSpan("éééé", context: .topLevel)
      for index in 0..<6 {
        span.attributes["a\(index)"] = "123456789"
        span.addEvent(SpanEvent(name: "e\(index)"))
        span.addLink(other)
      }
      span.end()
    }
    let span: WireTree = spans[0]
    #expect(span.texts(5) == ["éé"])
    #expect(try span.attributes(9).values.allSatisfy { $0 == "12345" } && span.attributes(9).count == 2)
    #expect(span[10] == [.varint(4)])
    #expect(span[11].count == 3 && span[12] == [.varint(3)])
    #expect(span[13].count == 1 && span[14] == [.varint(5)])
  }

  @Test("A trace that is not sampled records nothing, and its children continue it without a new identity")
  func unsampled() throws {
    let spans = try recorded { configuration in
      configuration.sampler = .parentBased(root: .alwaysOff)
    } _: { tracer in
      let root = tracer.startSpan("root", context: .topLevel)
      #expect(!root.isRecording && root.context.needletailSpanContext?.isSampled == false)
      let child = tracer.startSpan("child", context: root.context)
      #expect(child.context.needletailSpanContext == root.context.needletailSpanContext)
      child.attributes["k"] = 1
      child.end()
      root.end()
    }
    #expect(spans.isEmpty)
  }

  @Test("Attributes set from many tasks at once are all there")
  func concurrentAttributes() async throws {
    let configuration = Needletail.Configuration(serviceName: "test")
    let queue = RecordQueue(configuration.traces)
    let recorder = SpanRecorder(configuration: configuration, queue: queue, identifiers: IdentifierGenerator())
    let span = TelemetryTracer(recorder: recorder).startSpan("s", context: .topLevel)
    await withTaskGroup { group in
      for index in 0..<50 { group.addTask { span.attributes["k\(index)"] = index } }
    }
    span.end()
    let batch = try #require(queue.take())
    #expect(try WireTree(batch.bytes).messages(2)[0].attributes(9).count == 50)
  }

  @Test(
    "A ratio samples that share of traces, and the same ones at every service", arguments: [0.0, 0.1, 0.5, 0.9, 1.0])
  func ratio(_ ratio: Double) {
    let sampler = Needletail.Sampler.traceIDRatio(ratio)
    var random = SeededGenerator(seed: 42)
    var sampled = 0
    for _ in 0..<20_000 {
      let low = random.next()
      if sampler.samples(parent: nil, traceIDLow: low) {
        sampled += 1
        #expect(Needletail.Sampler.traceIDRatio(min(1, ratio + 0.05)).samples(parent: nil, traceIDLow: low))
      }
    }
    #expect(abs(Double(sampled) / 20_000 - ratio) < 0.02)
  }

  @Test("Ratios beyond their range are taken as the nearer end")
  func oddRatios() {
    #expect(Needletail.Sampler.traceIDRatio(.nan) == .alwaysOn)
    #expect(Needletail.Sampler.traceIDRatio(-1) == .alwaysOff)
    #expect(Needletail.Sampler.traceIDRatio(.infinity) == .alwaysOn)
  }

  @Test("Identifiers do not repeat")
  func identifiers() {
    let generator = IdentifierGenerator()
    var seen = Set<UInt64>()
    for _ in 0..<10_000 { seen.insert(generator.nextNumber()) }
    #expect(seen.count == 10_000)
  }
}
