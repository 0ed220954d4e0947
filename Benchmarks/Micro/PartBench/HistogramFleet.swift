import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Services that report the latencies of ten routes each as native histograms: the load `histograms` of the comparison with other servers.
struct HistogramFleet: Load {
  private struct Series {
    var first: Int
    var means: [Double]
    var counts: [Double]
    var sum = 0.0
  }

  private static let schema: Int8 = 3
  private static let roundsToRestart: UInt64 = 1_000
  private static let paths = ["/", "/cart", "/checkout", "/product", "/search"]

  let noun = "histogram"
  let seriesPerBatch = 20
  private let start: Int64
  private var series: [Series]

  init(series count: Int, start: Int64) {
    self.start = start
    series = (0..<count).map { number in
      let path = number % 10 / 2
      let rate = [1_500.0, 300, 60, 12, 2][path] / Double(1 + number % 2)
      let deviation = 8 * [1, 0.9, 0.8, 0.7, 0.6][path]
      let half = Int((3.5 * deviation).rounded())
      let density = (-half...half).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
      let total = density.reduce(0, +)
      // Around 50 ms.
      let first = -34 + Int(Fleet.mixed(UInt64(number)) % 16) - half
      return Series(first: first, means: density.map { $0 / total * rate }, counts: density.map { _ in 0 })
    }
    for number in series.indices {
      observe(number, rounds: (200 + 1_800 * Self.unit(UInt64(number))).rounded(), seed: ~UInt64(number))
    }
  }

  var seriesCount: Int { series.count }

  func labels(_ series: Int) -> LabelSet {
    LabelSet(
      [
        ("__name__", "http_request_latency_seconds"), ("instance", "host-\(series / 10)-0"), ("job", "bench"),
        ("method", series % 2 == 0 ? "GET" : "POST"), ("path", Self.paths[series % 10 / 2]),
        ("service", "service-\(series / 10 % 19)"),
      ].map { Label($0.0, $0.1) })
  }

  mutating func append(_ series: Int, _ round: Int, to batch: inout SeriesBatchBuilder) {
    let target = UInt64(series / 10 * 65_537 + round)
    if Fleet.mixed(target ^ 3 << 60) % Self.roundsToRestart == 0 {
      self.series[series].counts = self.series[series].means.map { _ in 0 }
      self.series[series].sum = 0
    }
    let seed = UInt64(series) << 24 &+ UInt64(round)
    observe(series, rounds: 0.5 + Self.unit(seed ^ 1 << 60), seed: seed)
    batch.append(
      timestamp: start + Int64(round) * Fleet.interval + Int64(Fleet.mixed(target) % 7),
      histogram: histogram(self.series[series]))
  }

  private mutating func observe(_ number: Int, rounds: Double, seed: UInt64) {
    for bucket in series[number].means.indices {
      let mean = series[number].means[bucket] * rounds
      let noise = Self.unit(seed &* 131 &+ UInt64(bucket))
      // As far off as a Poisson distribution where there are many; where there are few, now and then one.
      let more = mean > 3 ? (mean + (noise - 0.5) * (12 * mean).squareRoot()).rounded() : (mean + noise).rounded(.down)
      series[number].counts[bucket] += more
      let place = Double(series[number].first + bucket) - Self.unit(seed &* 137 &+ UInt64(bucket))
      series[number].sum += more * exp2(place / 8)
    }
  }

  /// As a client sends it: empty buckets are left out where there are more than two of them.
  private func histogram(_ series: Series) -> NativeHistogram {
    var spans: [NativeHistogram.BucketSpan] = []
    var buckets: [Double] = []
    var next = 0
    for (place, count) in series.counts.enumerated() where count > 0 {
      let gap = series.first + place - next
      if spans.isEmpty || gap > 2 {
        spans.append(.init(offset: Int32(gap), length: 0))
      } else {
        buckets += [Double](repeating: 0, count: gap)
        spans[spans.count - 1].length += UInt32(gap)
      }
      buckets.append(count)
      spans[spans.count - 1].length += 1
      next = series.first + place + 1
    }
    return NativeHistogram(
      schema: Self.schema, zeroThreshold: 0x1p-128, count: buckets.reduce(0, +), sum: series.sum,
      positiveSpans: spans, positiveBuckets: buckets)
  }

  private static func unit(_ seed: UInt64) -> Double { Double(Fleet.mixed(seed) >> 11) / Double(1 << 53) }
}
