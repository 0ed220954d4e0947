import NeedletailEnvironment

/// A series of the shop's, as plain values.
package struct ShopSeries: Sendable {
  package var labels: [String: String]
  package var samples: [(time: Int64, value: Double)]

  /// Some series of each of the metrics of numbers and of buckets that a vocabulary knows, a sample every 15 seconds or so.
  ///
  /// Values have the traits that the vocabulary promises: what is summable is a multiple of 1/64, counters begin anew at
  /// times, and no two series of what is distinct are ever equal.
  package static func of(
    _ vocabulary: QueryVocabulary, from start: Int64, count: Int, _ random: inout SeededGenerator
  ) -> [ShopSeries] {
    var all: [ShopSeries] = []
    var names: Set<String> = []
    for metric in vocabulary.metrics + vocabulary.buckets where names.insert(metric.name).inserted {
      var sets: [[String: String]] = [["__name__": metric.name]]
      for label in metric.labels {
        let values = metric.name.hasSuffix("_bucket") && label.name == "le" ? label.values + ["+Inf"] : label.values
        sets = sets.flatMap { set in values.map { set.merging([label.name: $0]) { $1 } } }
      }
      // Not all of them, so that some sides of operators are missing.
      sets = sets.filter { _ in Int.random(in: 0..<10, using: &random) < 7 }
      for (number, labels) in sets.enumerated() {
        all.append(series(metric, labels, number, from: start, count: count, &random))
      }
    }
    return all
  }

  private static func series(
    _ metric: QueryVocabulary.Metric, _ labels: [String: String], _ number: Int, from start: Int64, count: Int,
    _ random: inout SeededGenerator
  ) -> ShopSeries {
    var samples: [(time: Int64, value: Double)] = []
    var counter = Double(Int.random(in: 0...1000, using: &random))
    let isCounter = metric.name.hasSuffix("_total") || metric.name.hasSuffix("_bucket")
    let odd: [String: Double] = ["nan": .nan, "inf": .infinity, "-inf": -.infinity, "zero": -0.0]
    for scrape in 0..<count where Int.random(in: 0..<20, using: &random) > 0 {
      let time = start + Int64(scrape) * 15_000 + Int64.random(in: 1...489, using: &random)
      var value = Double(Int.random(in: 0...2000, using: &random) * 64 + number) / 64
      if isCounter {
        counter += Double(Int.random(in: 0...40, using: &random))
        if Int.random(in: 0..<60, using: &random) == 0 { counter = 1 }
        value = metric.name == "cpu_seconds_total" ? counter / 10 : counter
      } else if metric.name == "constant" {
        value = Double(number % 5)
      } else if metric.name == "odd" {
        value = odd[labels["kind"] ?? ""] ?? [.nan, 1, -1, 0, .infinity][scrape % 5]
      }
      samples.append((time, value))
    }
    return ShopSeries(labels: labels, samples: samples)
  }
}
