import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

private typealias TraceRequest = Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceRequest
private typealias LogsRequest = Opentelemetry_Proto_Collector_Logs_V1_ExportLogsServiceRequest
private typealias ProtoValue = Opentelemetry_Proto_Common_V1_AnyValue
private typealias ProtoAttribute = Opentelemetry_Proto_Common_V1_KeyValue
private typealias ProtoSpan = Opentelemetry_Proto_Trace_V1_Span

@Suite struct EventDecoderTests {
  private static let decoding = EventDecoding(tenant: .default, batchID: Hash128(high: 1, low: 1), now: 99)

  static func logs(_ bytes: [UInt8], limits: EventLimits = EventLimits()) throws -> DecodedEvents {
    let decoding = EventDecoding(tenant: .default, batchID: Hash128(high: 1, low: 1), limits: limits, now: 99)
    return try bytes.withUnsafeBytes { try OTLPLogsDecoder.decode($0, decoding) }
  }

  static func spans(_ bytes: [UInt8]) throws -> DecodedEvents {
    try bytes.withUnsafeBytes { try OTLPSpansDecoder.decode($0, decoding) }
  }

  /// All rows of all batches with their streams.
  private func records<Record>(
    _ decoded: DecodedEvents, _ read: (EventRows, Int) throws -> Record
  ) throws -> [(stream: EventStream, record: Record)] {
    try decoded.batches.flatMap { batch in
      try batch.withRows { rows in
        let streams = try rows.encodedStreams.map { bytes in
          var reader = ByteReader(bytes)
          return try EventStream(decoding: &reader)
        }
        return try (0..<rows.rowCount).map { (streams[rows.streamIndex($0)], try read(rows, $0)) }
      }
    }
  }

  // MARK: The slow conversion

  private func value(_ proto: ProtoValue) -> AttributeValue {
    switch proto.value {
    case .stringValue(let text): .string(text)
    case .boolValue(let flag): .bool(flag)
    case .intValue(let number): .int(number)
    case .doubleValue(let number): .double(number)
    case .bytesValue(let bytes): .bytes(Array(bytes))
    case .arrayValue(let list): .array(list.values.map(value))
    case .kvlistValue(let list): .map(attributes(list.values))
    default: .empty
    }
  }

  private func attributes(_ proto: [ProtoAttribute]) -> [Attribute] { proto.map { Attribute($0.key, value($0.value)) } }

  private func record(_ proto: ProtoSpan) -> SpanRecord {
    func trace(_ bytes: some Collection<UInt8>) -> TraceID {
      Array(bytes).withUnsafeBytes { TraceID(bytes: $0) ?? .none }
    }
    func span(_ bytes: some Collection<UInt8>) -> SpanID { Array(bytes).withUnsafeBytes { SpanID(bytes: $0) ?? .none } }
    return SpanRecord(
      traceID: trace(proto.traceID), spanID: span(proto.spanID), parentSpanID: span(proto.parentSpanID),
      name: proto.name, kind: SpanRecord.Kind(rawValue: UInt8(proto.kind.rawValue)) ?? .unspecified,
      startNanoseconds: Int64(proto.startTimeUnixNano), endNanoseconds: Int64(proto.endTimeUnixNano),
      status: SpanRecord.Status(rawValue: UInt8(proto.status.code.rawValue)) ?? .unset,
      statusMessage: proto.status.message, traceState: proto.traceState, flags: proto.flags,
      attributes: attributes(proto.attributes),
      events: proto.events.map {
        SpanRecord.Event(
          timeNanoseconds: Int64($0.timeUnixNano), name: $0.name, attributes: attributes($0.attributes))
      },
      links: proto.links.map {
        SpanRecord.Link(
          traceID: trace($0.traceID), spanID: span($0.spanID), traceState: $0.traceState,
          attributes: attributes($0.attributes))
      })
  }

  // MARK: Random requests

  private func randomValue(_ generator: inout SeededGenerator, depth: Int = 0) -> ProtoValue {
    var proto = ProtoValue()
    switch generator.next() % (depth < 3 ? 8 : 6) {
    case 0: break
    case 1: proto.stringValue = ["", "text", "ü\u{1f600}\"\\"].randomElement(using: &generator) ?? ""
    case 2: proto.boolValue = Bool.random(using: &generator)
    case 3: proto.intValue = Int64(bitPattern: generator.next())
    case 4: proto.doubleValue = [0.1, -0.0, 1e300, .infinity].randomElement(using: &generator) ?? 0
    case 5: proto.bytesValue = .init((0..<(generator.next() % 9)).map { UInt8($0 * 31) })
    case 6:
      proto.arrayValue.values = (0..<(generator.next() % 4)).map { _ in randomValue(&generator, depth: depth + 1) }
    default: proto.kvlistValue.values = randomAttributes(&generator, depth: depth + 1)
    }
    return proto
  }

  private func randomAttributes(_ generator: inout SeededGenerator, depth: Int = 0) -> [ProtoAttribute] {
    (0..<(generator.next() % 4)).map { index in
      .with {
        $0.key = "key.\(index)"
        $0.value = randomValue(&generator, depth: depth)
      }
    }
  }

  private func bytes(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 1...255, using: &generator) }
  }

  private func randomSpan(_ generator: inout SeededGenerator) -> ProtoSpan {
    var span = ProtoSpan()
    span.traceID = .init(bytes(16, &generator))
    span.spanID = .init(bytes(8, &generator))
    if Bool.random(using: &generator) { span.parentSpanID = .init(bytes(8, &generator)) }
    span.name = "span \(generator.next() % 5)"
    span.kind = ProtoSpan.SpanKind(rawValue: Int(generator.next() % 6)) ?? .unspecified
    span.startTimeUnixNano = 1 + generator.next() >> 2
    span.endTimeUnixNano = generator.next() >> 2
    span.flags = UInt32(truncatingIfNeeded: generator.next())
    span.traceState = ["", "a=b"].randomElement(using: &generator) ?? ""
    span.attributes = randomAttributes(&generator)
    if Bool.random(using: &generator) {
      span.status = .with { ($0.code, $0.message) = (.error, "broken") }
      span.events = (0..<3).map { index in
        .with {
          $0.timeUnixNano = UInt64(index)
          $0.name = "event"
          $0.attributes = randomAttributes(&generator)
        }
      }
      span.links = [
        .with {
          $0.traceID = .init(bytes(16, &generator))
          $0.spanID = .init(bytes(8, &generator))
          $0.attributes = randomAttributes(&generator)
        }
      ]
    }
    return span
  }

  private func randomTraces(_ generator: inout SeededGenerator) -> TraceRequest {
    .with {
      $0.resourceSpans = (0..<2).map { index in
        .with { group in
          group.resource.attributes =
            randomAttributes(&generator) + [
              .with {
                $0.key = "resource"; $0.value.intValue = Int64(index)
              }
            ]
          group.scopeSpans = (0..<2).map { index in
            .with {
              $0.scope.name = "scope \(index)"
              $0.scope.version = "1"
              $0.scope.attributes = randomAttributes(&generator)
              $0.spans = (0..<Int(generator.next() % 4)).map { _ in randomSpan(&generator) }
            }
          }
        }
      }
    }
  }

  // MARK: Tests

  @Test(
    "spans are decoded as swift-protobuf reads them, and written again without loss",
    arguments: 0..<150 as Range<UInt64>)
  func spans(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let request = randomTraces(&generator)
    let found = try records(try Self.spans(try request.serializedBytes())) { try $0.span($1) }
    var expected: [(stream: EventStream, record: SpanRecord)] = []
    for resource in request.resourceSpans {
      for scope in resource.scopeSpans {
        let stream = EventStream(
          resource: attributes(resource.resource.attributes), scopeName: scope.scope.name,
          scopeVersion: scope.scope.version, scopeAttributes: attributes(scope.scope.attributes))
        expected += scope.spans.map { (stream, record($0)) }
      }
    }
    #expect(found.map(\.stream) == expected.map(\.stream), "seed \(seed)")
    #expect(found.map(\.record) == expected.map(\.record), "seed \(seed)")
    // And back, as the trace API writes them.
    let written = OTLPTraceJSON.protobuf(expected.map { (stream: $0.stream, span: $0.record) })
    let json = String(
      decoding: OTLPTraceJSON.json(expected.map { (stream: $0.stream, span: $0.record) }), as: UTF8.self)
    for one in expected { #expect(json.contains(OTLPTraceJSON.json(one.record)), "seed \(seed)") }
    let back = try TraceRequest(serializedBytes: written)
    let reread = try records(try Self.spans(written)) { try $0.span($1) }
    #expect(reread.map(\.record) == expected.map(\.record), "seed \(seed)")
    #expect(reread.map(\.stream) == expected.map(\.stream), "seed \(seed)")
    #expect(back.resourceSpans.flatMap { $0.scopeSpans.flatMap(\.spans) }.count == expected.count)
  }

  @Test("log records are decoded as swift-protobuf reads them", arguments: 0..<100 as Range<UInt64>)
  func logs(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var record = Opentelemetry_Proto_Logs_V1_LogRecord()
    record.timeUnixNano = generator.next() >> 2
    record.observedTimeUnixNano = generator.next() >> 2
    record.severityNumber = .warn2
    record.severityText = "WARN"
    record.body = randomValue(&generator)
    record.attributes = randomAttributes(&generator)
    record.flags = 1
    record.traceID = .init(bytes(16, &generator))
    record.spanID = .init(bytes(8, &generator))
    record.eventName = "name"
    let request = LogsRequest.with {
      $0.resourceLogs = [.with { $0.scopeLogs = [.with { $0.logRecords = [record] }] }]
    }
    let found = try records(try Self.logs(try request.serializedBytes())) { try $0.log($1) }[0].record
    let expected = LogRecord(
      timeNanoseconds: Int64(record.timeUnixNano), observedTimeNanoseconds: Int64(record.observedTimeUnixNano),
      severityNumber: 14, severityText: "WARN", body: value(record.body), attributes: attributes(record.attributes),
      traceID: Array(record.traceID).withUnsafeBytes { TraceID(bytes: $0) } ?? .none,
      spanID: Array(record.spanID).withUnsafeBytes { SpanID(bytes: $0) } ?? .none, flags: 1, eventName: "name")
    #expect(found == expected, "seed \(seed)")
  }

  @Test("a record takes its own time, else the observed one, else the receiver's") func times() throws {
    let request = LogsRequest.with {
      $0.resourceLogs = [
        .with {
          $0.scopeLogs = [
            .with {
              $0.logRecords = [
                .with { ($0.timeUnixNano, $0.observedTimeUnixNano) = (5, 6) }, .with { $0.observedTimeUnixNano = 7 },
                .init(),
              ]
            }
          ]
        }
      ]
    }
    let found = try records(try Self.logs(try request.serializedBytes())) { try $0.log($1) }.map(\.record)
    #expect(found.map(\.timeNanoseconds) == [5, 7, 99])
    #expect(found.map(\.observedTimeNanoseconds) == [6, 7, 0])
  }

  @Test("what is too deep, too large or too much is refused with its reason, and the rest is kept") func refused()
    throws
  {
    var deep = ProtoValue.with { $0.intValue = 1 }
    for _ in 0..<40 { deep = .with { $0.arrayValue.values = [deep] } }
    let request = LogsRequest.with {
      $0.resourceLogs = [
        .with {
          $0.scopeLogs = [
            .with {
              $0.logRecords = [
                .with { $0.body = deep }, .with { $0.severityText = String(repeating: "x", count: 2000) },
                .with { $0.timeUnixNano = .max }, .with { $0.eventName = "kept" }, .with { $0.eventName = "too many" },
              ]
            }
          ]
        }
      ]
    }
    var limits = EventLimits()
    limits.recordBytesMax = 1000
    limits.recordsMax = 1
    let decoded = try Self.logs(try request.serializedBytes(), limits: limits)
    #expect(
      decoded.rejections.counts == [.nestedTooDeep: 1, .recordTooLarge: 1, .invalidTimestamp: 1, .requestLimit: 1])
    #expect(try records(decoded) { try $0.log($1) }.map(\.record.eventName) == ["kept"])
  }

  @Test("spans without valid ids are refused") func ids() throws {
    let request = TraceRequest.with {
      $0.resourceSpans = [
        .with {
          $0.scopeSpans = [
            .with {
              $0.spans = [
                .with { $0.startTimeUnixNano = 1 },
                .with {
                  $0.traceID = .init(repeating: 1, count: 16)
                  $0.startTimeUnixNano = 1
                },
                .with {
                  $0.traceID = .init(repeating: 1, count: 16)
                  $0.spanID = .init(repeating: 1, count: 8)
                },
              ]
            }
          ]
        }
      ]
    }
    let decoded = try Self.spans(try request.serializedBytes())
    #expect(decoded.rejections.counts == [.invalidTraceID: 1, .invalidSpanID: 1, .invalidTimestamp: 1])
    #expect(decoded.batches.isEmpty)
  }
}
