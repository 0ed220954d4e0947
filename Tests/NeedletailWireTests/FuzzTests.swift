import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

/// Bytes that were valid once: nothing done to them may stop the process, and what still decodes must be well formed.
@Suite struct FuzzTests {
  private func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !result.isEmpty {
      let index = Int.random(in: result.indices, using: &generator)
      switch generator.next() % 5 {
      case 0: result[index] = UInt8(truncatingIfNeeded: generator.next())
      case 1: result[index] ^= 1 << UInt8(generator.next() % 8)
      case 2: result.removeSubrange(index..<min(result.count, index + Int(generator.next() % 5)))
      case 3: result.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0x7f].prefix(Int(generator.next() % 6)), at: index)
      default: result.removeLast(result.count - index)
      }
    }
    return result
  }

  private var metrics: [UInt8] {
    get throws {
      let attribute = Opentelemetry_Proto_Common_V1_KeyValue.with {
        $0.key = "a"
        $0.value.arrayValue.values = [.with { $0.stringValue = "x" }, .with { $0.kvlistValue = .init() }]
      }
      let points: [Opentelemetry_Proto_Metrics_V1_Metric] = [
        .with {
          $0.name = "sum"
          $0.sum.aggregationTemporality = .delta
          $0.sum.dataPoints = [.with { ($0.timeUnixNano, $0.asInt, $0.attributes) = (1 << 40, 1, [attribute]) }]
        },
        .with {
          $0.name = "histogram"
          $0.histogram.aggregationTemporality = .cumulative
          $0.histogram.dataPoints = [
            .with { ($0.timeUnixNano, $0.explicitBounds, $0.bucketCounts) = (1 << 40, [1, 2], [1, 2, 3]) }
          ]
        },
        .with {
          $0.name = "exponential"
          $0.exponentialHistogram.aggregationTemporality = .cumulative
          $0.exponentialHistogram.dataPoints = [
            .with {
              ($0.timeUnixNano, $0.scale, $0.positive.offset) = (1 << 40, 12, -7)
              $0.positive.bucketCounts = [1, 0, 0, 0, 2]
            }
          ]
        },
        .with {
          $0.name = "summary"
          $0.summary.dataPoints = [.with { ($0.timeUnixNano, $0.quantileValues) = (1 << 40, [.init()]) }]
        },
      ]
      return try Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest.with {
        $0.resourceMetrics = [
          .with {
            $0.resource.attributes = [attribute]
            $0.scopeMetrics = [.with { $0.metrics = points }]
          }
        ]
      }.serializedBytes()
    }
  }

  @Test("no decoder stops the process, whatever is done to its input", arguments: 0..<8 as Range<UInt64>)
  func mutations(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let metrics = try metrics
    let stream = EventStream(resource: [Attribute("service.name", .string("s"))], scopeName: "x")
    let span = SpanRecord(
      traceID: TraceID(high: 1, low: 2), spanID: SpanID(3), name: "n", startNanoseconds: 5, endNanoseconds: 9,
      attributes: [Attribute("m", .map([Attribute("l", .array([.int(1), .double(2)]))]))],
      events: [.init(timeNanoseconds: 1, name: "e")],
      links: [.init(traceID: TraceID(high: 1, low: 1), spanID: SpanID(1))])
    let traces = OTLPTraceJSON.protobuf([(stream, span)])
    let json = OTLPTraceJSON.json([(stream, span)])
    let histogram = Prometheus_Histogram.with {
      ($0.countInt, $0.schema, $0.positiveDeltas) = (3, 1, [1, 1])
      $0.positiveSpans = [.with { ($0.offset, $0.length) = (1, 2) }]
    }
    let write: [UInt8] = try Prometheus_WriteRequest.with {
      $0.timeseries = [
        .with {
          $0.labels = [.with { ($0.name, $0.value) = ("__name__", "up") }]
          $0.samples = [.with { ($0.value, $0.timestamp) = (1, 2) }]
          $0.histograms = [histogram]
          $0.exemplars = [.with { $0.labels = [.with { ($0.name, $0.value) = ("trace_id", "x") }] }]
        }
      ]
      $0.metadata = [.with { $0.metricFamilyName = "up" }]
    }.serializedBytes()
    var decodedCount = 0
    for _ in 0..<500 {
      if let decoded = try? OTLPMetricsTests.decode(mutated(metrics, &generator)) { decodedCount += try check(decoded) }
      if let decoded = try? RemoteWriteTests.decode(mutated(write, &generator)) { decodedCount += try check(decoded) }
      if let decoded = try? EventDecoderTests.spans(mutated(traces, &generator)) { decodedCount += try check(decoded) }
      if let decoded = try? EventDecoderTests.logs(mutated(traces, &generator)) { decodedCount += try check(decoded) }
      let text = mutated(json, &generator)
      let bytes = text.withUnsafeBytes { try? OTLPJSONTranscoder.protobuf($0, signal: .traces) }
      if let bytes { decodedCount += try check(try EventDecoderTests.spans(bytes)) }
    }
    #expect(decodedCount > 100, "seed \(seed): the mutations should leave some input valid")
  }

  private func check(_ decoded: DecodedSeries) throws -> Int {
    _ = try RemoteWriteTests.definitions(decoded)
    for batch in decoded.batches {
      try batch.withRows { rows in
        for index in 0..<rows.histogramCount {
          var reader = ByteReader(rows.histogram(index).bytes)
          _ = try NativeHistogram(decoding: &reader)
        }
        for index in 0..<rows.exemplarCount { _ = try LabelSet(validating: rows.exemplar(index).labels) }
      }
    }
    return 1
  }

  private func check(_ decoded: DecodedEvents) throws -> Int {
    for batch in decoded.batches {
      try batch.withRows { rows in
        for row in 0..<rows.rowCount { if rows.isSpans { _ = try rows.span(row) } else { _ = try rows.log(row) } }
      }
    }
    return 1
  }

  @Test("well-formed UTF-8 is told from ill-formed as the standard library does it")
  func utf8() {
    var generator = SeededGenerator(seed: 1)
    let leads: [UInt8] = [0x61, 0x80, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x9f, 0xa0, 0x90, 0x8f]
    var wrong: [[UInt8]] = []
    for _ in 0..<100_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &generator)).map { _ in leads.randomElement(using: &generator) ?? 0
      }
      let isValid = bytes.withUnsafeBytes { isValidUTF8($0) }
      if isValid != (String(validating: bytes, as: UTF8.self) != nil) { wrong.append(bytes) }
    }
    #expect(wrong.isEmpty)
  }
}
