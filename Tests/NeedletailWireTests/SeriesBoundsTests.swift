import NeedletailOTLP
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

private typealias Metric = Opentelemetry_Proto_Metrics_V1_Metric
private typealias ProtoAttribute = Opentelemetry_Proto_Common_V1_KeyValue
private typealias Request = Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest

/// What one request may name and hold, and how what is beyond it is counted.
@Suite struct SeriesBoundsTests {
  private let time: UInt64 = 2_000_000_000

  private func attribute(_ key: String, _ text: String = "x") -> ProtoAttribute {
    .with { ($0.key, $0.value.stringValue) = (key, text) }
  }

  private func deep(_ depth: Int) -> ProtoAttribute {
    var value = Opentelemetry_Proto_Common_V1_AnyValue.with { $0.intValue = 1 }
    for _ in 0..<depth { value = .with { $0.arrayValue.values = [value] } }
    return .with { ($0.key, $0.value) = ("deep", value) }
  }

  private func gauge(_ name: String, _ points: [[ProtoAttribute]]) -> Metric {
    .with {
      $0.name = name
      $0.gauge.dataPoints = points.map { attributes in
        .with { ($0.timeUnixNano, $0.asInt, $0.attributes) = (time, 1, attributes) }
      }
    }
  }

  private func histogram(
    _ bounds: [Double], _ attributes: [ProtoAttribute] = [], isDelta: Bool = false
  ) -> Metric {
    .with {
      $0.name = "h"
      $0.histogram.aggregationTemporality = isDelta ? .delta : .cumulative
      $0.histogram.dataPoints = [
        .with {
          ($0.timeUnixNano, $0.count, $0.sum, $0.attributes) = (time, 1, 1, attributes)
          ($0.explicitBounds, $0.bucketCounts) = (bounds, Array(repeating: 0, count: bounds.count) + [1])
        }
      ]
    }
  }

  private func decode(
    _ metrics: [Metric], resource: [ProtoAttribute] = [], limits: SeriesLimits = SeriesLimits()
  ) throws -> DecodedSeries {
    let bytes: [UInt8] = try Request.with {
      $0.resourceMetrics = [
        .with {
          $0.resource.attributes = resource
          $0.scopeMetrics = [.with { $0.metrics = metrics }]
        }
      ]
    }.serializedBytes()
    let decoding = SeriesDecoding(
      tenant: .default, batchID: Hash128(high: 1, low: 2), resolver: SeriesResolver(), limits: limits)
    return try bytes.withUnsafeBytes { try OTLPMetricsDecoder.decode($0, decoding) }
  }

  private func write(
    _ series: [Prometheus_TimeSeries], limits: SeriesLimits = SeriesLimits()
  ) throws -> DecodedSeries {
    let bytes: [UInt8] = try Prometheus_WriteRequest.with { $0.timeseries = series }.serializedBytes()
    let decoding = SeriesDecoding(
      tenant: .default, batchID: Hash128(high: 1, low: 2), resolver: SeriesResolver(), limits: limits)
    return try bytes.withUnsafeBytes { try RemoteWriteDecoder.decode($0, decoding) }
  }

  private func named(_ fill: (inout Prometheus_TimeSeries) -> Void) -> Prometheus_TimeSeries {
    .with {
      $0.labels = [.with { ($0.name, $0.value) = ("__name__", "m") }]
      fill(&$0)
    }
  }

  @Test("histograms, exemplars and series count towards what a request may hold") func room() throws {
    var limits = SeriesLimits()
    limits.samplesMax = 10
    let histograms = try write([named { $0.histograms = Array(repeating: .init(), count: 15) }], limits: limits)
    #expect(histograms.histogramCount == 10 && histograms.rejections.counts == [.requestLimit: 5])
    let exemplars = try write([named { $0.exemplars = Array(repeating: .init(), count: 15) }], limits: limits)
    #expect(exemplars.exemplarCount == 10 && exemplars.rejections.warnings == [.requestLimit: 5])
    #expect(exemplars.rejections.isEmpty && !exemplars.rejections.message.isEmpty)
    let series = try write(Array(repeating: named { $0.samples = [.init()] }, count: 15), limits: limits)
    #expect(series.sampleCount == 10 && series.rejections.counts == [.requestLimit: 5])
    let exponential = Metric.with {
      $0.name = "e"
      $0.exponentialHistogram.aggregationTemporality = .cumulative
      $0.exponentialHistogram.dataPoints = Array(repeating: .with { $0.timeUnixNano = time }, count: 15)
    }
    let decoded = try decode([exponential], limits: limits)
    #expect(decoded.histogramCount + decoded.rejections.total == 15 && decoded.histogramCount <= 10)
  }

  @Test("exemplars that do not fit into one frame go into several batches") func exemplarsAreCut() throws {
    let long = String(repeating: "x", count: 4000)
    let exemplar = Prometheus_Exemplar.with {
      $0.labels = ["a", "b", "c", "d"].map { name in .with { ($0.name, $0.value) = (name, long) } }
    }
    let decoded = try write([named { $0.exemplars = Array(repeating: exemplar, count: 2500) }])
    #expect(decoded.batches.count == 2 && decoded.exemplarCount == 2500 && decoded.rejections.isEmpty)
    #expect(decoded.batches.reduce(0) { $0 + $1.exemplarCount } == 2500)
    #expect(decoded.batchPointCounts == [0, 0])
  }

  @Test("what does not fit into a frame after all is rejected, and not counted as taken") func unfitting() {
    var output = SeriesOutput(RemoteWriteTests.decoding(SeriesResolver()), bodyBytes: 0)
    output.builder.beginSeries(SeriesID(Hash128(high: 1, low: 1)))
    for time in 0..<(3 << 20) as Range<Int64> {
      output.builder.append(timestamp: time, valueBits: 0)
      output.decoded.sampleCount += 1
    }
    let decoded = output.finish()
    #expect(decoded.batches.isEmpty && decoded.sampleCount == 0)
    #expect(decoded.rejections.counts == [.recordTooLarge: 3 << 20])
  }

  @Test("a point with too many attributes is rejected as one, whatever they are called") func attributes() throws {
    let nameless = Array(repeating: attribute(""), count: 300)
    let long = (0..<20).map { attribute("a\($0)", String(repeating: "x", count: 4000)) }
    let decoded = try decode([gauge("g", [nameless, long, []]), histogram([1, 2, 3], nameless)])
    #expect(decoded.sampleCount == 1 && decoded.rejections.counts == [.labelLimit: 3])
    let refused = try decode([gauge("g", [[], []])], resource: nameless)
    #expect(refused.sampleCount == 0 && refused.rejections.counts == [.labelLimit: 2])
  }

  @Test("an attribute that nests too deep costs its point, not the request") func nesting() throws {
    let decoded = try decode([gauge("g", [[deep(40)], [deep(3)], []])])
    #expect(decoded.sampleCount == 2 && decoded.rejections.counts == [.nestedTooDeep: 1])
    let resource = try decode([gauge("g", [[], []])], resource: [deep(40)])
    #expect(resource.sampleCount == 0 && resource.rejections.counts == [.nestedTooDeep: 2])
  }

  @Test("the labels that one request may define are bounded, and no half of a histogram is taken") func definitions()
    throws
  {
    var limits = SeriesLimits()
    limits.definitionBytesMax = 400
    let decoded = try decode([histogram((0..<100).map { Double($0) })], limits: limits)
    #expect(decoded.batches.isEmpty && decoded.sampleCount == 0)
    #expect(decoded.rejections.counts == [.requestLimit: 1])
  }

  @Test("a histogram's point is one, cumulative or not, and what is refused beside the points is no point")
  func counting() throws {
    let cumulative = try decode(
      [histogram([1, 2, 3])],
      resource: [attribute("service.name", "s"), attribute("long", String(repeating: "x", count: 5000))])
    #expect(cumulative.sampleCount == 1 && cumulative.batchPointCounts == [1])
    #expect(cumulative.rejections.isEmpty && cumulative.rejections.warnings == [.labelLimit: 1])
    #expect(cumulative.batches[0].sampleCount == 6)
    let delta = try decode([histogram([1, 2, 3], isDelta: true), histogram([1], [attribute("a")], isDelta: true)])
    #expect(delta.sampleCount == 0 && delta.deltaPointCount == 2)
    #expect(delta.deltas.map(\.point) == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
  }

  @Test("a metric without a name is refused, whatever its unit and kind") func nameless() throws {
    var unit = gauge("", [[]])
    unit.unit = "s"
    var unnamed = histogram([1])
    unnamed.name = "..."
    let decoded = try decode([unit, unnamed])
    #expect(decoded.batches.isEmpty && decoded.rejections.counts == [.missingName: 2])
  }

  @Test(
    "a unit and what it is per are each added where the name lacks them",
    arguments: [
      ("requests.second", "1/s", "requests_second"), ("bytes.per.op", "By/s", "bytes_per_op_per_second"),
      ("a.per", "By/s", "a_per_bytes_per_second"), ("bytes.second", "By/s", "bytes_second"), ("", "s", ""),
    ])
  func units(name: String, unit: String, family: String) {
    #expect(MetricNaming.family(name: name, unit: unit, kind: .gauge, isMonotonic: false) == family)
  }
}
