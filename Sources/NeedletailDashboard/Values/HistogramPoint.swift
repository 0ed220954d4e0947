/// A native histogram at one time.
package struct HistogramPoint: Equatable, Sendable {
  package struct Bucket: Equatable, Sendable {
    package var lower: Double
    package var upper: Double
    package var includesLower: Bool
    package var includesUpper: Bool
    package var count: Double

    package init(lower: Double, upper: Double, includesLower: Bool, includesUpper: Bool, count: Double) {
      self.lower = lower
      self.upper = upper
      self.includesLower = includesLower
      self.includesUpper = includesUpper
      self.count = count
    }
  }

  /// Unix seconds.
  package var time: Double
  package var count: Double
  package var sum: Double
  /// Those that hold something, in ascending order.
  package var buckets: [Bucket]

  package init(time: Double, count: Double, sum: Double, buckets: [Bucket]) {
    self.time = time
    self.count = count
    self.sum = sum
    self.buckets = buckets
  }

  /// On one line, as Prometheus writes it: `{count:3, sum:4.5, [-0.5,0.5]:1, (1,2]:2}`.
  package func text(_ spell: (Double) -> String) -> String {
    var parts = ["count:\(spell(count))", "sum:\(spell(sum))"]
    for bucket in buckets {
      let (open, close) = (bucket.includesLower ? "[" : "(", bucket.includesUpper ? "]" : ")")
      parts.append("\(open)\(spell(bucket.lower)),\(spell(bucket.upper))\(close):\(spell(bucket.count))")
    }
    return "{" + parts.joined(separator: ", ") + "}"
  }
}
