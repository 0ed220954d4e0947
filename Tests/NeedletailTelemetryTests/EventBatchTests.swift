import NeedletailTelemetry
import Testing

@Suite("Event batches")
struct EventBatchTests {
  private let streams = [
    EventStream(
      resource: [Attribute("service.name", .string("shop")), Attribute("host.cpus", .int(8))], scopeName: "checkout",
      scopeVersion: "1.2", scopeAttributes: [Attribute("beta", .bool(true))]),
    EventStream(resource: [Attribute("service.name", .string("mail"))]),
  ]

  private func logBatch(_ tenant: TenantID) -> EventBatch? {
    var builder = EventBatchBuilder(kind: .logs, tenant: tenant)
    let indices = (streams + streams).map { builder.stream($0) }
    #expect(indices == [0, 1, 0, 1])
    let full = LogRecord(
      timeNanoseconds: 1_700_000_000_123_456_789, observedTimeNanoseconds: 1_700_000_000_223_456_789,
      severityNumber: 17, severityText: "ERROR", body: .string("card refused"),
      attributes: [Attribute("amount", .double(12.5)), Attribute("items", .array([.int(1), .bytes([1, 2])]))],
      traceID: TraceID(high: 0x0102_0304_0506_0708, low: 9), spanID: SpanID(10), flags: 1, eventName: "payment")
    builder.append(full, stream: 0)
    builder.text.append("never kept".utf8)
    builder.discardRow()
    builder.append(LogRecord(timeNanoseconds: 5), stream: 1)
    builder.append(full, stream: 1)
    return builder.build(batchID: Hash128(high: 1, low: 2))
  }

  private func spanBatch(_ tenant: TenantID) -> EventBatch? {
    var builder = EventBatchBuilder(kind: .spans, tenant: tenant)
    let stream = builder.stream(streams[0])
    let span = SpanRecord(
      traceID: TraceID(high: 1, low: 2), spanID: SpanID(3), parentSpanID: SpanID(4), name: "GET /cart", kind: .server,
      startNanoseconds: 100, endNanoseconds: 250, status: .error, statusMessage: "timeout", traceState: "a=b", flags: 1,
      attributes: [Attribute("http.method", .string("GET"))],
      events: [SpanRecord.Event(timeNanoseconds: 120, name: "retry")],
      links: [SpanRecord.Link(traceID: TraceID(high: 5, low: 6), spanID: SpanID(7))])
    builder.append(span, stream: stream)
    return builder.build(batchID: Hash128(high: 3, low: 4))
  }

  private func identities(_ batch: EventBatch) -> [String] {
    batch.withRows { rows in (0..<rows.rowCount).map { rows.contentID($0).description } }
  }

  private func hash(_ batch: EventBatch) -> String {
    batch.frame.bytes.withUnsafeBytes { Hash128.of($0).description }
  }

  @Test("the identities of records and the bytes of their frame are the ones that earlier versions wrote")
  func golden() throws {
    let tenant = try #require(TenantID("golden"))
    let logsBuilt = logBatch(tenant)
    let logs = try #require(logsBuilt)
    #expect(
      identities(logs) == [
        "9a1ef35f06e8af9bbfa234702e009a03", "9c45b45ce3db5d44fddc3e15402ac144", "ddf00bc536ebd27cdb0ddbc05dab7473",
      ])
    #expect(hash(logs) == "b75f5475e12b871ed3bfda6879bddf7f")
    let spansBuilt = spanBatch(tenant)
    let spans = try #require(spansBuilt)
    #expect(identities(spans) == ["eaede95bb05542bcbb576e73dabb62f6"])
    #expect(hash(spans) == "a08f8fc8fe4e473c2c59aa58d81fa2a3")
  }

  @Test("each of many streams keeps the index that it got first, in whatever order they come")
  func manyStreams() {
    var builder = EventBatchBuilder(kind: .logs, tenant: .default)
    for round in 0..<3 {
      for index in 0..<200 {
        let name = round == 1 ? 199 - index : index
        #expect(builder.stream(EventStream(scopeName: "scope \(name)")) == UInt32(name))
      }
    }
  }
}
