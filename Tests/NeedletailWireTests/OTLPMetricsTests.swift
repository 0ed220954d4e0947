import NeedletailOTLP
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

private typealias Request = Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest
private typealias Metric = Opentelemetry_Proto_Metrics_V1_Metric
private typealias ProtoAttribute = Opentelemetry_Proto_Common_V1_KeyValue

@Suite struct OTLPMetricsTests {
  private func attribute(_ key: String, _ text: String) -> ProtoAttribute {
    .with {
      $0.key = key
      $0.value.stringValue = text
    }
  }

  private func request(_ metrics: [Metric], scope: String = "") -> Request {
    .with {
      $0.resourceMetrics = [
        .with {
          $0.resource.attributes = [
            attribute("service.name", "cart"), attribute("service.namespace", "shop"),
            attribute("service.instance.id", "i1"), attribute("host.name", "h"),
          ]
          $0.scopeMetrics = [
            .with {
              $0.scope.name = scope
              $0.metrics = metrics
            }
          ]
        }
      ]
    }
  }

  static func decode(
    _ bytes: [UInt8], _ resolver: SeriesResolver = SeriesResolver()
  ) throws -> DecodedSeries {
    try bytes.withUnsafeBytes { try OTLPMetricsDecoder.decode($0, RemoteWriteTests.decoding(resolver)) }
  }

  /// `series = value@ms` for every sample, stale markers as `stale`; decoded twice, as misses and as hits.
  private func samples(_ metrics: [Metric], scope: String = "") throws -> [String] {
    let bytes: [UInt8] = try request(metrics, scope: scope).serializedBytes()
    let resolver = SeriesResolver()
    let first = try Self.decode(bytes, resolver)
    let again = try Self.decode(bytes, resolver)
    #expect(again.definitions.isEmpty)
    #expect(RemoteWriteTests.rows(first) == RemoteWriteTests.rows(again))
    let names = try RemoteWriteTests.definitions(first)
    return RemoteWriteTests.rows(first).map { row in
      let value = row.bits == StaleMarker.bitPattern ? "stale" : Double(bitPattern: row.bits).description
      return "\(names[row.series]?.description ?? "?") = \(value)@\(row.time)"
    }
  }

  private let identity = "instance=\"i1\", job=\"shop/cart\""
  private var info: String { "target_info{host_name=\"h\", \(identity)} = 1.0@2000" }
  private let time: UInt64 = 2_000_000_000

  @Test("gauges and sums get Prometheus' names, labels and start") func numbers() throws {
    let gauge = Metric.with {
      $0.name = "cpu.utilization"
      $0.unit = "1"
      $0.gauge.dataPoints = [
        .with {
          $0.timeUnixNano = time
          $0.asInt = 3
          $0.attributes = [
            attribute("9.a", "x"), attribute("a.b", "1"), attribute("a_b", "2"), attribute("job", "fake"),
          ]
        }
      ]
    }
    let sum = Metric.with {
      $0.name = "http.requests"
      $0.unit = "By/s"
      $0.sum.isMonotonic = true
      $0.sum.aggregationTemporality = .cumulative
      $0.sum.dataPoints = [
        .with { ($0.timeUnixNano, $0.asDouble) = (time, 1.5) }, .with { ($0.timeUnixNano, $0.flags) = (time, 1) },
      ]
    }
    #expect(
      try samples([gauge, sum], scope: "lib") == [
        "cpu_utilization_ratio{a_b=\"1;2\", \(identity), key_9_a=\"x\", otel_scope_name=\"lib\"} = 3.0@2000",
        "http_requests_bytes_per_second_total{\(identity), otel_scope_name=\"lib\"} = 1.5@2000",
        "http_requests_bytes_per_second_total{\(identity), otel_scope_name=\"lib\"} = stale@2000", info,
      ])
  }

  @Test("histograms become cumulative buckets, count and sum; summaries quantiles") func histograms() throws {
    let histogram = Metric.with {
      $0.name = "latency"
      $0.unit = "ms"
      $0.histogram.aggregationTemporality = .cumulative
      $0.histogram.dataPoints = [
        .with {
          $0.timeUnixNano = time
          $0.count = 6
          $0.sum = 9
          $0.explicitBounds = [0.005, 10]
          $0.bucketCounts = [1, 2, 3]
        }
      ]
    }
    let summary = Metric.with {
      $0.name = "size"
      $0.summary.dataPoints = [
        .with {
          $0.timeUnixNano = time
          $0.count = 2
          $0.sum = 3
          $0.quantileValues = [.with { ($0.quantile, $0.value) = (0.99, 7) }]
        }
      ]
    }
    #expect(
      try samples([histogram, summary]) == [
        "latency_milliseconds_count{\(identity)} = 6.0@2000",
        "latency_milliseconds_sum{\(identity)} = 9.0@2000",
        "latency_milliseconds_bucket{\(identity), le=\"0.005\"} = 1.0@2000",
        "latency_milliseconds_bucket{\(identity), le=\"10\"} = 3.0@2000",
        "latency_milliseconds_bucket{\(identity), le=\"+Inf\"} = 6.0@2000",
        "size_count{\(identity)} = 2.0@2000", "size_sum{\(identity)} = 3.0@2000",
        "size{\(identity), quantile=\"0.99\"} = 7.0@2000", info,
      ])
  }

  @Test("exponential histograms keep their counts when the scale is brought down") func exponential() throws {
    let metric = Metric.with {
      $0.name = "e"
      $0.exponentialHistogram.aggregationTemporality = .cumulative
      $0.exponentialHistogram.dataPoints = [
        .with {
          $0.timeUnixNano = time
          $0.scale = 10
          $0.count = 15
          $0.positive.offset = -3
          $0.positive.bucketCounts = [1, 2, 0, 4, 8] + Array(repeating: 0, count: 40) + [5]
          $0.exemplars = [
            .with {
              $0.traceID = .init(repeating: 1, count: 16); $0.asDouble = 1
            }
          ]
        },
        .with { ($0.timeUnixNano, $0.scale) = (time, -5) },
      ]
    }
    let decoded = try Self.decode(try request([metric]).serializedBytes())
    #expect(decoded.histogramCount == 1 && decoded.rejections.counts == [.invalidHistogram: 1])
    #expect(decoded.exemplarCount == 1)
    let histogram = try decoded.batches[0].withRows { rows in
      var reader = ByteReader(rows.histogram(0).bytes)
      return try NativeHistogram(decoding: &reader)
    }
    // By four: -3...-1 go to -1, 0 and 1 to 0, 42 to 10; Prometheus' index is one more.
    #expect(histogram.schema == 8)
    #expect(histogram.positiveSpans == [.init(offset: 0, length: 2), .init(offset: 9, length: 1)])
    #expect(histogram.positiveBuckets == [3, 12, 5])
  }

  @Test("delta points are set aside for the accumulator; without temporality they are refused") func deltas() throws {
    let metric = { (temporality: Opentelemetry_Proto_Metrics_V1_AggregationTemporality) in
      Metric.with {
        $0.name = "d"
        $0.sum.aggregationTemporality = temporality
        $0.sum.dataPoints = [
          .with { ($0.timeUnixNano, $0.startTimeUnixNano, $0.asInt) = (time, 1_000_000_000, 4) }
        ]
      }
    }
    let decoded = try Self.decode(try request([metric(.delta), metric(.unspecified)]).serializedBytes())
    #expect(
      decoded.deltas.map(\.value) == [.number(4)] && decoded.deltas[0].start == 1000 && decoded.deltas[0].time == 2000)
    #expect(decoded.rejections.counts == [.unsupportedTemporality: 1])
  }

  @Test("exponential histograms of delta temporality are set aside whole") func deltaHistograms() throws {
    let metric = Metric.with {
      $0.name = "d"
      $0.exponentialHistogram.aggregationTemporality = .delta
      $0.exponentialHistogram.dataPoints = [
        .with {
          ($0.timeUnixNano, $0.startTimeUnixNano, $0.count, $0.sum) = (time, 1_000_000_000, 3, 9)
          $0.positive.bucketCounts = [1, 2]
        }
      ]
    }
    let decoded = try Self.decode(try request([metric]).serializedBytes())
    #expect(decoded.rejections.isEmpty && decoded.histogramCount == 0 && decoded.deltaPointCount == 1)
    guard case .histogram(let histogram)? = decoded.deltas.first?.value else {
      Issue.record("no histogram: \(decoded.deltas)")
      return
    }
    #expect(histogram.count == 3 && histogram.sum == 9 && histogram.positiveBuckets == [1, 2])
  }

  @Test(
    "numbers in labels are plain decimals",
    arguments: [
      (0.005, "0.005"), (1, "1"), (10_000_000, "10000000"), (1e-7, "0.0000001"), (1e21, "1000000000000000000000"),
      (-2.5, "-2.5"), (1.5e-5, "0.000015"), (.infinity, "+Inf"), (0, "0"), (123_456.789e15, "123456789000000000000"),
    ] as [(Double, String)])
  func numbers(value: Double, text: String) { #expect(MetricNaming.number(value) == text) }

  @Test(
    "families are named as Prometheus names them",
    arguments: [
      ("a.b", "s", "a_b_seconds"), ("a_seconds", "s", "a_seconds"), ("a", "{request}", "a"),
      ("a", "{x}/s", "a_per_second"),
      ("1a", "", "_1a"), ("a", "m/s", "a_meters_per_second"), ("a", "%", "a_percent"), ("a:b", "weird", "a:b_weird"),
      ("..", "", ""),
    ])
  func families(name: String, unit: String, family: String) {
    #expect(MetricNaming.family(name: name, unit: unit, kind: .gauge, isMonotonic: false) == family)
    #expect(MetricNaming.family(name: "total.a", unit: "", kind: .sum, isMonotonic: true) == "a_total")
  }
}
