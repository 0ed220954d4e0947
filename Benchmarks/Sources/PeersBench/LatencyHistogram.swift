import BenchmarkSupport
import Foundation

/// The latencies of one path of a service since its process began.
struct LatencyHistogram {
  /// Deviations on each side of the middle; beyond nothing is observed.
  private static let reach = 3.5

  private(set) var histogram: IntegerHistogram
  /// How many observations a bucket has in a round, on average.
  private let means: [Double]

  /// One that has up to 2,000 rounds behind it.
  init(rate: Double, octaves: Double, seed: UInt64) {
    let deviation = octaves * Double(1 << IntegerHistogram.schema)
    let half = Int((deviation * Self.reach).rounded())
    let density = (-half...half).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
    let total = density.reduce(0, +)
    means = density.map { $0 / total * rate }
    // Around 50 ms.
    let middle = -34 + Int(mixed(seed) % 16)
    histogram = IntegerHistogram(first: middle - half, buckets: Array(repeating: 0, count: means.count))
    observe(rounds: (200 + 1_800 * unit(seed ^ 1)).rounded(), seed: seed ^ 2)
  }

  /// A round more, which may be the first of a new process.
  mutating func observe(seed: UInt64, beginsAnew: Bool) {
    if beginsAnew {
      for bucket in histogram.buckets.indices { histogram.buckets[bucket] = 0 }
      histogram.sum = 0
    }
    // All buckets of a busy round have more.
    observe(rounds: 0.5 + unit(seed ^ 4), seed: seed)
  }

  private mutating func observe(rounds: Double, seed: UInt64) {
    for bucket in means.indices {
      let mean = means[bucket] * rounds
      let noise = unit(seed &* 131 &+ UInt64(bucket))
      // As far off as a Poisson distribution where there are many; where there are few, now and then one.
      let more = mean > 3 ? (mean + (noise - 0.5) * (12 * mean).squareRoot()).rounded() : (mean + noise).rounded(.down)
      guard more > 0 else { continue }
      histogram.buckets[bucket] += Int64(more)
      let place = Double(histogram.first + bucket) - unit(seed &* 137 &+ UInt64(bucket))
      histogram.sum += more * exp2(place / Double(1 << IntegerHistogram.schema))
    }
  }
}
