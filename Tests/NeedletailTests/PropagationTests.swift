import Testing
import Tracing

@testable import Needletail

@Suite("Propagation")
struct PropagationTests {
  private let tracer: TelemetryTracer = {
    let configuration = Needletail.Configuration(serviceName: "test")
    return TelemetryTracer(
      recorder: SpanRecorder(
        configuration: configuration, queue: RecordQueue(configuration.traces), identifiers: IdentifierGenerator()))
  }()

  private func extract(_ headers: [String: String]) -> ServiceContext {
    var context = ServiceContext.topLevel
    tracer.extract(headers, into: &context, using: DictionaryCarrier())
    return context
  }

  private func inject(_ context: ServiceContext) -> [String: String] {
    var headers: [String: String] = [:]
    tracer.inject(context, into: &headers, using: DictionaryCarrier())
    return headers
  }

  @Test("A span's context goes through headers and comes out as it was, but remote")
  func roundTrip() throws {
    let span = tracer.startSpan("caller", context: .topLevel)
    let sent = try #require(span.context.needletailSpanContext)
    let received = try #require(extract(inject(span.context)).needletailSpanContext)
    #expect(received.traceID == sent.traceID && received.spanID == sent.spanID && received.flags == sent.flags)
    #expect(received.isRemote && !sent.isRemote)
  }

  @Test("The specification's example is read and written again")
  func example() throws {
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    let context = extract(["traceparent": header, "tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"])
    #expect(context.needletailSpanContext?.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
    let child = tracer.startSpan("child", context: context)
    let headers = inject(child.context)
    #expect(headers["traceparent"]?.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") == true)
    #expect(headers["traceparent"]?.contains("00f067aa0ba902b7") == false)
    #expect(headers["tracestate"] == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
  }

  @Test(
    "A header that is not a traceparent is as good as none",
    arguments: [
      "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
      "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
      "é0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
    ])
  func malformed(header: String) {
    #expect(extract(["traceparent": header]).needletailSpanContext == nil)
  }

  @Test("A later version is read as far as it is known, and unknown flags are not passed on")
  func laterVersion() throws {
    let context = extract(["traceparent": "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fd-what-comes"])
    #expect(context.needletailSpanContext?.flags == 1)
  }

  @Test("A tracestate that could break a header is left out")
  func badTraceState() {
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for state in ["a=b\r\nx: y", String(repeating: "a", count: 513), "ä=b"] {
      #expect(extract(["traceparent": header, "tracestate": state]).needletailSpanContext?.traceState == "")
    }
  }

  @Test("A caller's decision not to sample is followed")
  func unsampledCaller() {
    let context = extract(["traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"])
    let span = tracer.startSpan("callee", context: context)
    #expect(!span.isRecording)
    #expect(inject(span.context)["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
  }

  @Test(
    "Baggage goes through headers and comes out as it was",
    arguments: ["plain", "with space, comma; semicolon", "ünïcode", "100%", "a=b", ""])
  func baggage(value: String) {
    var context = ServiceContext.topLevel
    context.needletailBaggage["tier"] = value
    context.needletailBaggage["other"] = "1"
    let headers = inject(context)
    #expect(headers["baggage"]?.utf8.allSatisfy { (0x21...0x7e).contains($0) } == true)
    #expect(extract(headers).needletailBaggage == context.needletailBaggage)
  }

  @Test("Baggage is bounded, and what is malformed in it is skipped")
  func baggageLimits() {
    let read = Needletail.Baggage(header: "a=1, b = 2 ;prop=x,nonsense,=3,c=%zz,d=%F")
    #expect(read.count == 2 && read["a"] == "1" && read["b"] == "2")
    var full = Needletail.Baggage()
    for index in 0..<100 { full["k\(index)"] = "v" }
    #expect(full.count == 64)
    var long = Needletail.Baggage()
    long["long"] = String(repeating: "x", count: 9_000)
    #expect(long.header.isEmpty)
    long["not a token"] = "x"
    #expect(long.count == 1)
  }
}
