import NeedletailEnvironment
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One kind of native histograms: some series of it, sample by sample, in the byte form.
struct HistogramShape {
  let name: String
  /// How many samples a scrape observes, and how many octaves they are wide (one deviation).
  var rate: Double
  var octaves: Double
  var schema: Int8 = 3
  /// Upper bounds where buckets are custom.
  var bounds: [Double] = []
  /// What counts are multiplied by: histograms of floats where it is no integer.
  var scale = 1.0
  /// By how much more at most, another number each time: floats that never come again.
  var unsteadiness = 0.0
  /// One of so many samples begins anew, or is a stale marker.
  var resetEvery = Int.max
  var staleEvery = Int.max

  static let all = [
    HistogramShape(name: "latency, 1,500 a scrape", rate: 1500, octaves: 0.9),
    HistogramShape(name: "latency, 30 a scrape", rate: 30, octaves: 0.6),
    HistogramShape(name: "latency, 1 a scrape", rate: 1, octaves: 0.6),
    HistogramShape(
      name: "latency with resets, stale markers", rate: 1500, octaves: 0.9, resetEvery: 100, staleEvery: 80),
    HistogramShape(
      name: "11 custom bounds, 300 a scrape", rate: 300, octaves: 1.5, schema: NativeHistogram.customBucketsSchema,
      bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]),
    HistogramShape(name: "floats, counts by 59.7", rate: 1500, octaves: 0.9, scale: 1 / 59.7),
    HistogramShape(name: "floats that never repeat", rate: 1500, octaves: 0.9, scale: 1 / 59.7, unsteadiness: 0.05),
  ]

  /// As many samples have been before, so that most buckets are there.
  private static let warmUp = 100

  /// As many samples of a series.
  func series(_ number: Int, count: Int) -> [[UInt8]] {
    var random = SeededGenerator(seed: UInt64(number) &+ UInt64(rate))
    // Buckets 2^(1/8) wide, around 50 ms; custom ones are put together from these.
    let middle = -34.0 + Double(number % 16)
    let deviation = octaves * 8
    let half = Int(deviation * 3.5)
    let density = (-half...half).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
    let total = density.reduce(0, +)
    var counts = [Double](repeating: 0, count: density.count)
    var sum = 0.0
    return (-Self.warmUp..<count).compactMap { index in
      if index % resetEvery == resetEvery - 1 { (counts, sum) = (counts.map { _ in 0 }, 0) }
      for bucket in counts.indices {
        let more = poisson(rate * density[bucket] / total, &random)
        counts[bucket] += more
        sum += more * exp2((middle + Double(bucket - half) - Double.random(in: 0..<1, using: &random)) / 8)
      }
      if index < 0 { return nil }
      if index % staleEvery == staleEvery - 1 {
        return bytes(NativeHistogram(schema: schema, count: 0, sum: StaleMarker.value))
      }
      let factor = scale * (1 + unsteadiness * Double.random(in: 0..<1, using: &random))
      return bytes(histogram(counts, first: Int(middle) - half, sum: sum, scale: factor))
    }
  }

  private func bytes(_ histogram: NativeHistogram) -> [UInt8] {
    var writer = ByteWriter()
    histogram.encode(to: &writer)
    return writer.bytes
  }

  private func histogram(_ counts: [Double], first: Int, sum: Double, scale: Double) -> NativeHistogram {
    var buckets: [Double] = []
    var spans: [NativeHistogram.BucketSpan] = []
    if bounds.isEmpty {
      // As a client does: empty buckets are left out where there are more than two of them.
      var next = 0
      for (index, count) in counts.enumerated() where count > 0 {
        let gap = first + index - next
        if spans.isEmpty || gap > 2 {
          spans.append(.init(offset: Int32(gap), length: 0))
        } else {
          buckets += [Double](repeating: 0, count: gap)
          spans[spans.count - 1].length += UInt32(gap)
        }
        buckets.append(count * scale)
        spans[spans.count - 1].length += 1
        next = first + index + 1
      }
    } else {
      buckets = [Double](repeating: 0, count: bounds.count + 1)
      for (index, count) in counts.enumerated() {
        let value = exp2(Double(first + index) / 8)
        buckets[bounds.firstIndex { value <= $0 } ?? bounds.count] += count * scale
      }
      spans = [.init(offset: 0, length: UInt32(buckets.count))]
    }
    return NativeHistogram(
      schema: schema, zeroThreshold: bounds.isEmpty ? 0x1p-128 : 0, count: buckets.reduce(0, +), sum: sum * scale,
      positiveSpans: spans, positiveBuckets: buckets, customBounds: bounds)
  }

  private func poisson(_ mean: Double, _ random: inout SeededGenerator) -> Double {
    if mean > 30 {
      var noise = -6.0
      for _ in 0..<12 { noise += Double.random(in: 0..<1, using: &random) }
      return max(0, (mean + noise * mean.squareRoot()).rounded())
    }
    var number = 0.0
    var product = Double.random(in: 0..<1, using: &random)
    let least = exp(-mean)
    while product > least {
      number += 1
      product *= Double.random(in: 0..<1, using: &random)
    }
    return number
  }
}
