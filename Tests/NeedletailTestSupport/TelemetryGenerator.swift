import NeedletailEnvironment
import NeedletailTelemetry

/// Makes telemetry that is ugly on purpose, all of it decided by a seed.
package struct TelemetryGenerator: Sendable {
  package var random: SeededGenerator

  package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  /// A number of `range`.
  package mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  /// True once in `n` times.
  package mutating func oneIn(_ n: Int) -> Bool { int(1...n) == 1 }

  package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  /// One of a few metrics, with labels of few values each, so that selectors meet some and miss others.
  package mutating func labelSet() -> LabelSet {
    var labels = [Label(LabelSet.nameLabel, pick(["up", "http_requests_total", "temperature", "é_umlaut"]))]
    for name in ["job", "instance", "path", "A", "zone"] where oneIn(2) {
      labels.append(Label(name, pick(["a", "b", "api-1", "api-2", "0", "", "with space", "Ω"])))
    }
    return LabelSet(labels)
  }

  /// The bits of a value: small numbers, counters, decimals, and all that is special about doubles.
  package mutating func valueBits() -> UInt64 {
    switch int(0...9) {
    case 0: StaleMarker.bitPattern
    case 1: pick([0x7ff8_0000_0000_0000, 0x7ff8_0000_0000_0001, 0xfff8_dead_beef_0001, 0x7ff0_0000_0000_0003])
    case 2:
      pick([
        0.0, -0.0, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
      ]).bitPattern
    case 3: random.next()
    case 4...6: Double(int(-5...100_000)).bitPattern
    default: (Double(int(0...100_000)) / 100).bitPattern
    }
  }

  /// A native histogram with a few buckets; at times the stale one.
  package mutating func histogram() -> NativeHistogram {
    let count = int(0...6)
    let buckets = (0..<count).map { _ in Double(int(0...50)) }
    let sum = oneIn(8) ? StaleMarker.value : Double(int(0...1000)) / 8
    return NativeHistogram(
      schema: Int8(int(-4...8)), zeroThreshold: 0x1p-128, zeroCount: Double(int(0...3)),
      count: buckets.reduce(0, +), sum: sum, resetHint: pick([.unknown, .reset, .notReset, .gauge]),
      positiveSpans: count == 0 ? [] : [.init(offset: Int32(int(-9...9)), length: UInt32(count))],
      positiveBuckets: buckets)
  }

  /// A matcher that may meet the label sets of `labelSet()`.
  package mutating func matcher() throws -> LabelMatcher {
    let name = pick([LabelSet.nameLabel, "job", "instance", "path", "A", "zone", "missing"])
    let operation = pick(LabelMatcher.Operation.allCases)
    switch operation {
    case .equal, .notEqual: return try LabelMatcher(name, operation, pick(["a", "b", "up", "api-1", "", "Ω", "none"]))
    case .matches, .notMatches:
      return try LabelMatcher(name, operation, pick(["a|b", "api-.*", ".*", ".+", "", "h.*total|up", "[^a]", "Ω?"]))
    }
  }
}
