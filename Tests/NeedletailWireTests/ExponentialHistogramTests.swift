#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

import NeedletailOTLP
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

private typealias Point = Opentelemetry_Proto_Metrics_V1_ExponentialHistogramDataPoint
private typealias Metric = Opentelemetry_Proto_Metrics_V1_Metric

/// What an exponential histogram may say of itself.
@Suite struct ExponentialHistogramTests {
  private func convert(_ fill: (inout Point) -> Void) throws -> NativeHistogram? {
    let bytes: [UInt8] = try Point.with {
      ($0.timeUnixNano, $0.count) = (1_000_000, 1)
      fill(&$0)
    }.serializedBytes()
    return try bytes.withUnsafeBytes {
      switch try ExponentialHistogram.convert(try OTLPExponentialPoint($0)) {
      case .valid(let histogram): return histogram
      case .invalid(let why):
        #expect(!why.isEmpty)
        return nil
      }
    }
  }

  /// Whether a histogram with one observation in that bucket is taken, on either side.
  private func isTaken(_ bucket: Double, scale: Int32) throws -> Bool {
    let offset = try #require(Int32(exactly: bucket))
    let positive = try convert {
      $0.scale = scale
      ($0.positive.offset, $0.positive.bucketCounts) = (offset, [1])
    }
    let negative = try convert {
      $0.scale = scale
      ($0.negative.offset, $0.negative.bucketCounts) = (offset - 1, [0, 1, 0])
    }
    #expect((positive == nil) == (negative == nil))
    return positive != nil
  }

  @Test("a bucket that no number can lie in costs its point; all that one can lie in are taken", arguments: -4...20)
  func range(scale: Int) throws {
    // The bucket of a value is the one above which it does not lie: the logarithm to the base 2^(2^-scale), less one.
    let density = exp2(Double(scale))
    let (lowest, highest) = ((-1074 * density).rounded(.up) - 1, (1024 * density).rounded(.up) - 1)
    let merged = exp2(Double(max(0, scale - 8)))
    for bucket in [lowest, 0, highest, highest + merged] {
      #expect(try isTaken(bucket, scale: Int32(scale)), "bucket \(bucket)")
    }
    for bucket in [lowest - merged, highest + 2 * merged, -0x7fff_0000, 0x7fff_0000] {
      #expect(try !isTaken(bucket, scale: Int32(scale)), "bucket \(bucket)")
    }
  }

  @Test("an empty bucket may lie anywhere") func empty() throws {
    let histogram = try convert { ($0.positive.offset, $0.positive.bucketCounts) = (1 << 30, [0, 0]) }
    #expect(histogram?.positiveSpans == [] && histogram?.positiveBuckets == [])
  }

  @Test(
    "a zero threshold is a finite number from zero up",
    arguments: [(0, true), (1e-9, true), (-1e-9, false), (.nan, false), (.infinity, false), (-.infinity, false)]
      as [(Double, Bool)])
  func threshold(value: Double, isValid: Bool) throws {
    let histogram = try convert { $0.zeroThreshold = value }
    #expect((histogram != nil) == isValid && (histogram.map { $0.zeroThreshold == value } ?? true))
  }

  @Test("only the flag ends a series, not a sum with the bits of the stale marker") func stale() throws {
    #expect(try convert { $0.sum = StaleMarker.value }.map { $0.sum.isNaN && !$0.isStale } == true)
    #expect(try convert { $0.flags = 1 }?.isStale == true)
    #expect(try convert { $0.sum = -.infinity }?.sum == -.infinity)
    for temporality in [Opentelemetry_Proto_Metrics_V1_AggregationTemporality.cumulative, .delta] {
      let metric = Metric.with {
        $0.name = "h"
        $0.histogram.aggregationTemporality = temporality
        $0.histogram.dataPoints = [
          .with { ($0.timeUnixNano, $0.count, $0.sum) = (1_000_000, 1, StaleMarker.value) }
        ]
      }
      let request = Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest.with {
        $0.resourceMetrics = [.with { $0.scopeMetrics = [.with { $0.metrics = [metric] }] }]
      }
      let decoded = try OTLPMetricsTests.decode(try request.serializedBytes())
      var bits = RemoteWriteTests.rows(decoded).map(\.bits)
      for case .number(let number) in decoded.deltas.map(\.value) { bits.append(number.bitPattern) }
      #expect(bits.contains { Double(bitPattern: $0).isNaN } && !bits.contains(StaleMarker.bitPattern))
    }
  }

  @Test("only the flag ends a series of numbers or a summary's, not a value with the bits of the stale marker")
  func staleNumbers() throws {
    let number = Metric.with {
      $0.name = "g"
      $0.gauge.dataPoints = [.with { ($0.timeUnixNano, $0.asDouble) = (1_000_000, StaleMarker.value) }]
    }
    let summary = Metric.with {
      $0.name = "s"
      $0.summary.dataPoints = [
        .with {
          ($0.timeUnixNano, $0.count, $0.sum) = (1_000_000, 1, StaleMarker.value)
          $0.quantileValues = [.with { ($0.quantile, $0.value) = (0.5, StaleMarker.value) }]
        }
      ]
    }
    let request = Opentelemetry_Proto_Collector_Metrics_V1_ExportMetricsServiceRequest.with {
      $0.resourceMetrics = [.with { $0.scopeMetrics = [.with { $0.metrics = [number, summary] }] }]
    }
    let bits = RemoteWriteTests.rows(try OTLPMetricsTests.decode(try request.serializedBytes())).map(\.bits)
    #expect(bits.filter { Double(bitPattern: $0).isNaN }.count == 3 && !bits.contains(StaleMarker.bitPattern))
  }
}
