import NeedletailOTLP
import NeedletailTestSupport
import Testing

@Suite("Export requests")
struct ExportRequestTests {
  private let frame = ExportRequestFrame(scopeName: "scope", scopeVersion: "1.2", schemaURL: "https://schema") {
    $0.attribute(1, "service.name", "cart")
  }

  @Test("A request wraps its records in one resource and one scope", arguments: [0, 1, 3, 400])
  func request(records: Int) throws {
    var batch = RecordBatch()
    for index in 0..<records {
      if index.isMultiple(of: 2) {
        batch.append { $0.field(5, string: "record \(index)") }
      } else {
        var record = ProtobufWriter()
        record.field(5, string: "record \(index)")
        batch.append(record: record.bytes)
      }
    }
    #expect(batch.count == records)
    let resources = try WireTree(frame.request(batch)).messages(1)
    let resource = try #require(resources.first)
    #expect(resources.count == 1)
    #expect(resource.texts(3) == ["https://schema"])
    let attribute = try #require(resource.messages(1).first?.messages(1).first)
    #expect(attribute.texts(1) == ["service.name"])
    #expect(try attribute.messages(2).first?.texts(1) == ["cart"])
    let scope = try #require(resource.messages(2).first)
    #expect(try scope.messages(1).first?.texts(1) == ["scope"])
    #expect(try scope.messages(1).first?.texts(2) == ["1.2"])
    #expect(try scope.messages(2).flatMap { $0.texts(5) } == (0..<records).map { "record \($0)" })
  }

  @Test("A span has its fields under the numbers of trace.proto")
  func span() throws {
    var writer = ProtobufWriter()
    writer.spanHeader(
      SpanHeader(
        traceIDHigh: 1, traceIDLow: 2, spanID: 3, parentSpanID: 4, traceState: "a=b", flags: 0x101, kind: 2,
        startNanoseconds: 5, endNanoseconds: 6))
    writer.spanName("GET /")
    writer.attribute(SpanField.attributes, "n", Int64(-1))
    writer.spanEvent(name: "event", nanoseconds: 7) { $0.attribute(SpanField.eventAttributes, "b", true) }
    writer.spanLink(traceIDHigh: 8, traceIDLow: 9, spanID: 10, traceState: "", flags: 1) {
      $0.attribute(SpanField.linkAttributes, "d", 1.5)
    }
    writer.spanDropped(attributes: 1, events: 0, links: 2)
    writer.spanStatus(.error, message: "broken")
    let span = try WireTree(writer.bytes)
    #expect(span[1] == [.bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])])
    #expect(span[2] == [.bytes([0, 0, 0, 0, 0, 0, 0, 3])])
    #expect(span.texts(3) == ["a=b"])
    #expect(span[4] == [.bytes([0, 0, 0, 0, 0, 0, 0, 4])])
    #expect(span.texts(5) == ["GET /"])
    #expect(span[6] == [.varint(2)])
    #expect(span[7] == [.fixed64(5)] && span[8] == [.fixed64(6)])
    let attribute = try #require(span.messages(9).first)
    #expect(attribute.texts(1) == ["n"])
    #expect(try attribute.messages(2).first?[3] == [.varint(.max)])
    #expect(span[10] == [.varint(1)] && span[12].isEmpty && span[14] == [.varint(2)])
    let event = try #require(span.messages(11).first)
    #expect(event[1] == [.fixed64(7)] && event.texts(2) == ["event"])
    #expect(try event.messages(3).first?.messages(2).first?[2] == [.varint(1)])
    let link = try #require(span.messages(13).first)
    #expect(link[2] == [.bytes([0, 0, 0, 0, 0, 0, 0, 10])] && link[6] == [.fixed32(1)])
    #expect(try link.messages(4).first?.messages(2).first?[4] == [.fixed64((1.5).bitPattern)])
    let status = try #require(span.messages(15).first)
    #expect(status.texts(2) == ["broken"] && status[3] == [.varint(2)])
    #expect(span[16] == [.fixed32(0x101)])
  }

  @Test("A root without trouble leaves out parent, trace state and status")
  func plainSpan() throws {
    var writer = ProtobufWriter()
    writer.spanHeader(
      SpanHeader(
        traceIDHigh: 1, traceIDLow: 2, spanID: 3, parentSpanID: 0, traceState: "", flags: 1, kind: 1,
        startNanoseconds: 5, endNanoseconds: 6))
    writer.spanStatus(.unset, message: "")
    let span = try WireTree(writer.bytes)
    #expect(span[3].isEmpty && span[4].isEmpty && span[15].isEmpty)
  }

  @Test("Metrics have their fields under the numbers of metrics.proto, and cumulative temporality")
  func metrics() throws {
    var pair = ProtobufWriter()
    pair.field(1, string: "k")
    var sum = ProtobufWriter()
    sum.metric(name: "m", unit: "s", description: "d", kind: .sum(isMonotonic: true)) {
      $0.numberPoint(.integer(-3), attributes: [pair.bytes], start: 1, time: 2)
      $0.numberPoint(.double(0.5), attributes: [], start: 1, time: 2)
    }
    let metric = try WireTree(sum.bytes)
    #expect(metric.texts(1) == ["m"] && metric.texts(2) == ["d"] && metric.texts(3) == ["s"])
    let data = try #require(metric.messages(7).first)
    #expect(data[2] == [.varint(2)] && data[3] == [.varint(1)])
    let points = try data.messages(1)
    #expect(points[0][2] == [.fixed64(1)] && points[0][3] == [.fixed64(2)])
    #expect(points[0][6] == [.fixed64(UInt64(bitPattern: -3))] && points[0][7] == [.bytes(pair.bytes)])
    #expect(points[1][4] == [.fixed64((0.5).bitPattern)])

    var gauge = ProtobufWriter()
    gauge.metric(name: "g", unit: "", description: "", kind: .gauge) {
      $0.numberPoint(.integer(1), attributes: [], start: 0, time: 2)
    }
    #expect(try WireTree(gauge.bytes).messages(5).first?.messages(1).first?[2] == [])
  }

  @Test("A histogram has its fields under the numbers of metrics.proto")
  func histogram() throws {
    var writer = ProtobufWriter()
    let value = HistogramValue(
      bounds: [1, 2], bucketCounts: [3, 0, 1], count: 4, sum: 9.5, minimum: 0.5, maximum: 7)
    writer.metric(name: "h", unit: "", description: "", kind: .histogram) {
      $0.histogramPoint(value, attributes: [], start: 1, time: 2)
    }
    let data = try #require(WireTree(writer.bytes).messages(9).first)
    #expect(data[2] == [.varint(2)])
    let point = try #require(data.messages(1).first)
    #expect(point[4] == [.fixed64(4)] && point[5] == [.fixed64((9.5).bitPattern)])
    #expect(
      point[6] == [.bytes([3, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0, 0, 0, 0])])
    #expect(point[7].count == 1)
    #expect(point[11] == [.fixed64((0.5).bitPattern)] && point[12] == [.fixed64((7.0).bitPattern)])
  }

  @Test("A log record has its fields under the numbers of logs.proto, and nested values keep their shape")
  func logRecord() throws {
    var writer = ProtobufWriter()
    writer.logRecord(nanoseconds: 5, severityNumber: 17, severityText: "error", body: "boom")
    writer.attribute(LogRecordField.attributes, "list") { value in
      value.anyValue(array: ["a", "b"]) { $0.anyValue($1) }
    }
    writer.attribute(LogRecordField.attributes, "map") { value in
      value.anyValue(map: { $0.attribute(1, "k", "v") })
    }
    writer.logTrace(traceIDHigh: 1, traceIDLow: 2, spanID: 3, flags: 1)
    let record = try WireTree(writer.bytes)
    #expect(record[1] == [.fixed64(5)] && record[11] == [.fixed64(5)])
    #expect(record[2] == [.varint(17)] && record.texts(3) == ["error"])
    #expect(try record.messages(5).first?.texts(1) == ["boom"])
    let values = try record.messages(6).flatMap { try $0.messages(2) }
    #expect(try values[0].messages(5).first?.messages(1).flatMap { $0.texts(1) } == ["a", "b"])
    let entry = try #require(values[1].messages(6).first?.messages(1).first)
    #expect(try entry.texts(1) == ["k"] && entry.messages(2).first?.texts(1) == ["v"])
    #expect(record[8] == [.fixed32(1)] && record[9].count == 1 && record[10] == [.bytes([0, 0, 0, 0, 0, 0, 0, 3])])
  }
}
