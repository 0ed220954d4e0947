import NeedletailEnvironment
import NeedletailTelemetry
import OTLPOracle
import SwiftProtobuf
import Testing

@testable import NeedletailWire

@Suite struct RemoteWriteTests {
  /// A sample as the slow conversion and the decoder's batches show it.
  struct Row: Hashable {
    var series: SeriesID
    var time: Int64
    var bits: UInt64
  }

  static func decoding(_ resolver: SeriesResolver, alwaysDefine: Bool = false) -> SeriesDecoding {
    SeriesDecoding(
      tenant: .default, batchID: Hash128(high: 1, low: 2), resolver: resolver, alwaysDefine: alwaysDefine)
  }

  static func decode(
    _ bytes: [UInt8], _ resolver: SeriesResolver = SeriesResolver(), alwaysDefine: Bool = false
  ) throws -> DecodedSeries {
    try bytes.withUnsafeBytes { try RemoteWriteDecoder.decode($0, decoding(resolver, alwaysDefine: alwaysDefine)) }
  }

  static func rows(_ decoded: DecodedSeries) -> [Row] {
    decoded.batches.flatMap { batch in
      batch.withRows { rows in
        (0..<rows.seriesCount).flatMap { row in
          rows.samples(of: row).map {
            Row(series: rows.seriesID(row), time: rows.timestamp($0), bits: rows.valueBits($0))
          }
        }
      }
    }
  }

  static func definitions(_ decoded: DecodedSeries) throws -> [SeriesID: LabelSet] {
    var result: [SeriesID: LabelSet] = [:]
    for part in decoded.definitions {
      try part.forEachSeries { id, labels in result[id] = LabelSet(canonicalBytes: Array(labels)) }
    }
    return result
  }

  private func randomRequest(_ generator: inout SeededGenerator) -> Prometheus_WriteRequest {
    var request = Prometheus_WriteRequest()
    for index in 0..<Int.random(in: 1...20, using: &generator) {
      var series = Prometheus_TimeSeries()
      var names = ["job", "ü", "instance", "zone", "a"].shuffled(using: &generator)
      names.removeLast(Int.random(in: 0...4, using: &generator))
      series.labels = ([("__name__", "metric_\(index)")] + names.map { ($0, "v\(generator.next() % 3)") })
        .shuffled(using: &generator).map { label in .with { ($0.name, $0.value) = label } }
      series.samples = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
        .with {
          $0.value = Double(bitPattern: generator.next())
          $0.timestamp = Int64.random(in: -5 ... .max, using: &generator)
        }
      }
      request.timeseries.append(series)
    }
    return request
  }

  @Test(
    "a decoded request holds what swift-protobuf reads from it, on a miss and on a hit",
    arguments: 0..<300 as Range<UInt64>)
  func oracle(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let request = randomRequest(&generator)
    let bytes: [UInt8] = try request.serializedBytes()
    let resolver = SeriesResolver()
    let first = try Self.decode(bytes, resolver)
    let again = try Self.decode(bytes, resolver)
    var expected: [Row] = []
    var sets: [SeriesID: LabelSet] = [:]
    for series in request.timeseries {
      let labels = LabelSet(series.labels.map { Label($0.name, $0.value) })
      let id = SeriesID(labels, tenant: .default)
      if !series.samples.isEmpty { sets[id] = labels }
      expected += series.samples.map { Row(series: id, time: $0.timestamp, bits: $0.value.bitPattern) }
    }
    #expect(Self.rows(first) == expected, "seed \(seed)")
    #expect(Self.rows(again) == expected, "seed \(seed)")
    #expect(try Self.definitions(first) == sets, "seed \(seed)")
    #expect(again.definitions.isEmpty)
    #expect(try Self.definitions(try Self.decode(bytes, resolver, alwaysDefine: true)) == sets)
    #expect(first.rejections.isEmpty)
  }

  private func series(_ labels: [(String, String)], samples: Int = 1) -> Prometheus_TimeSeries {
    .with {
      $0.labels = labels.map { label in .with { ($0.name, $0.value) = label } }
      $0.samples = (0..<samples).map { index in .with { $0.timestamp = Int64(index) } }
    }
  }

  @Test("series that are not allowed are left out and counted, the others are kept") func limits() throws {
    let long = String(repeating: "x", count: 5000)
    let request = Prometheus_WriteRequest.with {
      $0.timeseries = [
        series([("__name__", "good")]),
        series([("job", "nameless")], samples: 2),
        series([("__name__", "twice"), ("a", "1"), ("a", "2")]),
        series([("__name__", "empty name"), ("", "x")]),
        series([("__name__", "long"), ("a", long)]),
        series([("__name__", "many")] + (0..<64).map { ("l\($0)", "x") }),
        series([("__name__", "empty value"), ("dropped", "")]),
      ]
    }
    let decoded = try Self.decode(try request.serializedBytes())
    #expect(decoded.sampleCount == 2)
    #expect(
      decoded.rejections.counts == [.missingName: 2, .invalidLabels: 2, .labelLimit: 2], "\(decoded.rejections.message)"
    )
    #expect(try Self.definitions(decoded).values.map(\.description).sorted() == ["empty value", "good"])
  }

  @Test("native histograms of integers and floats become absolute counts; broken ones are refused") func histograms()
    throws
  {
    let integers = Prometheus_Histogram.with {
      $0.countInt = 6
      $0.sum = 2.5
      $0.schema = 3
      $0.zeroCountInt = 1
      $0.positiveSpans = [
        .with {
          $0.offset = -2; $0.length = 2
        },
        .with {
          $0.offset = 3; $0.length = 1
        },
      ]
      $0.positiveDeltas = [1, 2, -2]
      $0.resetHint = .no
      $0.timestamp = 77
    }
    var broken = integers
    broken.positiveDeltas = [1]
    var floats = integers
    floats.countFloat = 1.5
    floats.zeroCountFloat = 0.5
    floats.positiveDeltas = []
    floats.positiveCounts = [0.25, 0.5, 0.25]
    let request = Prometheus_WriteRequest.with {
      $0.timeseries = [
        .with {
          $0.labels = [
            .with {
              $0.name = "__name__"; $0.value = "h"
            }
          ]
          $0.histograms = [integers, broken, floats]
        }
      ]
    }
    let decoded = try Self.decode(try request.serializedBytes())
    #expect(decoded.histogramCount == 2 && decoded.rejections.counts == [.invalidHistogram: 1])
    let histograms = try decoded.batches[0].withRows { rows in
      try (0..<rows.histogramCount).map { index in
        var reader = ByteReader(rows.histogram(index).bytes)
        return try NativeHistogram(decoding: &reader)
      }
    }
    #expect(histograms[0].positiveBuckets == [1, 3, 1] && histograms[0].count == 6 && histograms[0].zeroCount == 1)
    #expect(histograms[0].resetHint == .notReset && histograms[0].schema == 3)
    #expect(histograms[1].positiveBuckets == [0.25, 0.5, 0.25] && histograms[1].count == 1.5)
  }

  @Test("a label that is not UTF-8 is refused") func utf8() throws {
    let label: [UInt8] = [0x0a, 0x08] + Array("__name__".utf8) + [0x12, 0x01, 0xff]
    let decoded = try Self.decode([0x0a, 0x11, 0x0a, 0x0d] + label + [0x12, 0x00])
    #expect(decoded.rejections.counts == [.invalidLabels: 1] && decoded.batches.isEmpty)
  }

  @Test("a full resolver forgets and still never answers wrongly") func resolver() {
    let resolver = SeriesResolver(countMax: 2048)
    var generator = SeededGenerator(seed: 4)
    var wrong = 0
    for _ in 0..<20_000 {
      let word = generator.next()
      let key = Hash128(high: word, low: word &* 3)
      if resolver.series(for: key) != nil { wrong += 1 }
      resolver.remember(SeriesID(Hash128(high: ~word, low: word)), for: key)
      if resolver.series(for: key) != SeriesID(Hash128(high: ~word, low: word)) { wrong += 1 }
    }
    #expect(wrong == 0 && resolver.count <= 2048)
  }
}
