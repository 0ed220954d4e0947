import BenchmarkSupport

/// A load: targets that all report the same series, every 15 seconds, each a few milliseconds off in a way of its own that all of its
/// series share. Values and labels follow from a seed, so that every server gets the same bytes.
struct Fleet {
  static let intervalMilliseconds = 15_000
  private static let seed: UInt64 = 0x6E65_6564_6C65
  /// A service with native histograms starts again once in so many rounds, and its histograms begin anew.
  private static let roundsToRestart: UInt64 = 1_000

  let templates: [SeriesTemplate]
  let targets: Int
  let rounds: Int
  /// Every how many rounds a tenth of the targets goes and is replaced by new ones; nil: never.
  let roundsToChurn: Int?
  let startMilliseconds: Int
  private let targetLabel: String
  private var generations: [Int]
  private var labels: [[UInt8]] = []
  private var states: [Int64]
  private var sums: [Double]
  /// Of those series alone that are native histograms.
  private var latencies: [Int: LatencyHistogram] = [:]

  /// A load of about `series` series at a time, whose last round is at `endMilliseconds`.
  init(
    _ templates: [SeriesTemplate], series: Int, rounds: Int, roundsToChurn: Int? = nil,
    targetLabel: String = "instance",
    endMilliseconds: Int
  ) {
    self.templates = templates
    self.rounds = rounds
    self.roundsToChurn = roundsToChurn
    self.targetLabel = targetLabel
    targets = max(1, series / templates.count)
    startMilliseconds = endMilliseconds - (rounds - 1) * Self.intervalMilliseconds
    generations = Array(repeating: 0, count: targets)
    states = Array(repeating: 0, count: targets * templates.count)
    sums = Array(repeating: 0, count: targets * templates.count)
    labels = (0..<targets).flatMap { target in encodedLabels(target) }
    for slot in states.indices { reset(slot) }
  }

  var slots: Int { targets * templates.count }
  var samples: Int { slots * rounds }

  /// How many buckets of a native histogram hold something before the first round, on average.
  var bucketsPerHistogram: Double {
    Double(latencies.values.map { $0.histogram.buckets.filter { $0 > 0 }.count }.reduce(0, +)) / Double(latencies.count)
  }

  /// How many series there will have been at the end.
  var seriesInAll: Int {
    guard let roundsToChurn else { return slots }
    return slots + (rounds - 1) / roundsToChurn * (targets / 10) * templates.count
  }

  /// Goes over to the next round: replaces targets, and moves every value.
  mutating func advance(to round: Int) {
    if let roundsToChurn, round > 0, round % roundsToChurn == 0 {
      let tenth = targets / 10
      let first = round / roundsToChurn * tenth
      for index in first..<first + tenth { replace(index % targets) }
    }
  }

  /// Appends the samples of some series in this round to a body.
  mutating func append(_ slots: Range<Int>, round: Int, to body: inout RemoteWriteBody) {
    for slot in slots {
      let target = slot / templates.count
      // Never none: a sample at the very edge of a window counts in one version of Prometheus and not in the next.
      let jitter = 1 + Int(mixed(Self.seed ^ UInt64(target * 65_537 + round)) % 7)
      let milliseconds = startMilliseconds + round * Self.intervalMilliseconds + jitter
      if let index = latencies.index(forKey: slot) {
        latencies.values[index].observe(
          seed: Self.seed &* 31 &+ UInt64(slot) << 24 &+ UInt64(round),
          beginsAnew: mixed(Self.seed &* 13 &+ UInt64(target * 65_537 + round)) % Self.roundsToRestart == 0)
        body.append(labels: labels[slot][...], milliseconds: milliseconds, histogram: latencies.values[index].histogram)
      } else {
        body.append(labels: labels[slot][...], milliseconds: milliseconds, value: next(slot, round))
      }
    }
  }

  /// The name by which a target goes now.
  func name(of target: Int) -> String {
    targetLabel == "customer" ? "c-\(target)" : "host-\(target)-\(generations[target])"
  }

  private mutating func replace(_ target: Int) {
    generations[target] += 1
    let encoded = encodedLabels(target)
    for index in templates.indices {
      labels[target * templates.count + index] = encoded[index]
      reset(target * templates.count + index)
    }
  }

  private func encodedLabels(_ target: Int) -> [[UInt8]] {
    let shared = [
      (targetLabel, name(of: target)), ("job", "bench"), ("datacenter", "eu-central-1\(["a", "b", "c"][target % 3])"),
      ("environment", target % 5 == 0 ? "staging" : "production"), ("os", "Debian12"), ("rack", "rack-\(target % 40)"),
      ("region", "eu-\(target % 4)"), ("service", "service-\(target % 19)"), ("team", "team-\(target % 7)"),
    ]
    return templates.map { template in
      var bytes: [UInt8] = []
      // Sorted by name, as a Prometheus sends them; the name of the metric sorts before all letters.
      RemoteWriteBody.append(label: "__name__", template.name, to: &bytes)
      for (name, value) in (shared + template.labels).sorted(by: { $0.0 < $1.0 }) {
        RemoteWriteBody.append(label: name, value, to: &bytes)
      }
      return bytes
    }
  }

  private mutating func reset(_ slot: Int) {
    let random = Int64(truncatingIfNeeded: mixed(Self.seed &+ UInt64(slot)) >> 40)
    let target = slot / templates.count
    sums[slot] = 0
    switch templates[slot % templates.count].kind {
    case .counter(let rate): states[slot] = rate == 0 ? 0 : random % 10_000 * rate
    case .hundredths(let rate): states[slot] = rate * (random % 100_000)
    case .gauge(let middle), .pages(let middle): states[slot] = middle / 2 + random % middle
    case .bucket(let share, let rate, let path):
      // Of the same past for all buckets of a histogram, unless it is of a target that has only begun.
      let past = Double(mixed(Self.seed &+ UInt64(target * 8 + path)) % 10_000) * rate
      states[slot] = generations[target] == 0 ? Int64(past * share) : 0
    case .latencies(let rate, let octaves):
      latencies[slot] = LatencyHistogram(rate: rate, octaves: octaves, seed: Self.seed &+ UInt64(slot))
    case .constant, .mantissa, .sum: states[slot] = 0
    }
  }

  private mutating func next(_ slot: Int, _ round: Int) -> Double {
    let random = mixed(Self.seed &* 31 &+ UInt64(slot) << 24 &+ UInt64(round))
    let noise = Double(random >> 11) / Double(1 << 53)
    switch templates[slot % templates.count].kind {
    case .counter(let rate):
      states[slot] += Int64(Double(rate) * 2 * noise)
      return Double(states[slot])
    case .hundredths(let rate):
      states[slot] += Int64(Double(rate) * (0.8 + 0.4 * noise) + (rate > 0 ? noise : 0))
      return Double(states[slot]) / 100
    case .gauge(let middle):
      states[slot] += Int64((noise - 0.5) * Double(middle) / 25) + (middle - states[slot]) / 64
      return Double(states[slot]) / 100
    case .pages(let middle):
      // Half of the time such a gauge stays where it is.
      if random & 1 == 0 { states[slot] += Int64((noise - 0.5) * Double(middle) / 500) }
      return Double(states[slot]) * 4_096
    case .constant(let value): return value
    case .mantissa(let mean): return mean * (0.75 + noise / 2)
    case .bucket(let share, let rate, let path):
      states[slot] += Int64(observations(slot, path, round, rate) * share)
      return Double(states[slot])
    case .sum(let mean, let rate, let path):
      sums[slot] += observations(slot, path, round, rate) * mean * (0.9 + 0.2 * noise)
      return sums[slot]
    case .latencies: return Double(latencies[slot]?.histogram.count ?? 0)
    }
  }

  /// How many requests a path of a target saw in a round: the same for all buckets of its histogram.
  private func observations(_ slot: Int, _ path: Int, _ round: Int, _ rate: Double) -> Double {
    let target = slot / templates.count
    let noise = unit(Self.seed &* 17 &+ UInt64(target * 8 + path) << 24 &+ UInt64(round))
    return (rate * (0.5 + noise)).rounded(.down)
  }
}
