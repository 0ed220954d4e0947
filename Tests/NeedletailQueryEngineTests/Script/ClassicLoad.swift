import NeedletailTelemetry

@testable import NeedletailQueryEngine

/// Turns the series of classic histograms into native histograms with custom buckets.
struct ClassicLoad {
  private struct Family {
    var buckets: [Double: [Int64: Double]] = [:]
    var sums: [Int64: Double] = [:]
    var counts: [Int64: Double] = [:]
  }

  private var families: [LabelSet: Family] = [:]

  mutating func add(_ labels: LabelSet, _ values: [SeriesNotation.Value], step: Int64) {
    var points: [Int64: Double] = [:]
    for (index, value) in values.enumerated() {
      if case .number(let number) = value { points[Int64(index) * step] = number }
    }
    let name = labels.metricName ?? ""
    for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
      let key = labels.setting("le", "").setting(LabelSet.nameLabel, String(name.dropLast(suffix.count)))
      var family = families[key] ?? Family()
      switch suffix {
      case "_bucket": family.buckets[SeriesNotation.number(labels["le"] ?? "") ?? .nan] = points
      case "_sum": family.sums = points
      default: family.counts = points
      }
      families[key] = family
    }
  }

  func converted() -> [LabelSet: [MemorySeries.Point]] {
    families.filter { !$0.value.buckets.isEmpty }.mapValues { family in
      let bounds = family.buckets.keys.sorted()
      let times = Set(family.buckets.values.flatMap(\.keys)).sorted()
      return times.map { time in
        let finite = bounds.filter(\.isFinite)
        var histogram = NativeHistogram(
          schema: NativeHistogram.customBucketsSchema, count: 0, sum: family.sums[time] ?? 0, customBounds: finite)
        var previous = 0.0
        for bound in finite {
          let count = family.buckets[bound]?[time] ?? previous
          histogram.positiveBuckets.append(count - previous)
          previous = count
        }
        histogram.count = family.counts[time] ?? family.buckets[.infinity]?[time] ?? previous
        histogram.positiveBuckets.append(histogram.count - previous)
        histogram.positiveSpans = [.init(offset: 0, length: UInt32(histogram.positiveBuckets.count))]
        return MemorySeries.Point(time: time, value: histogram.sum, histogram: histogram)
      }
    }
  }
}
