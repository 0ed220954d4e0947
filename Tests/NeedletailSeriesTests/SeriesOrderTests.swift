import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The order of series")
struct SeriesOrderTests {
  /// The order as its documentation words it.
  private func precedes(_ left: LabelSet, _ right: LabelSet) -> Bool {
    func key(_ labels: LabelSet) -> [[UInt8]] {
      [Array((labels.metricName ?? "").utf8)] + labels.labels.flatMap { [Array($0.name.utf8), Array($0.value.utf8)] }
    }
    let (one, other) = (key(left), key(right))
    for (text, otherText) in zip(one, other) where text != otherText {
      return text.lexicographicallyPrecedes(otherText)
    }
    return one.count < other.count
  }

  private func texts(_ generator: inout TelemetryGenerator) -> LabelSet {
    let names = ["__name__", "A", "a", "ab", "abcdefgh", "abcdefghi", "z"]
    let values = ["", "1", "10", "2", "aaaaaaaab", "aaaaaaaaa", "\u{ff}", String(repeating: "x", count: 200)]
    return LabelSet((0..<generator.int(0...4)).map { _ in Label(generator.pick(names), generator.pick(values)) })
  }

  @Test("series compare by metric name, then label by label, as the documentation says", arguments: 1...20)
  func comparesAsDocumented(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    for _ in 0..<500 {
      let (left, right) = (texts(&generator), texts(&generator))
      let found = left.withUnsafeBytes { left in right.withUnsafeBytes { SeriesOrder.compare(left, $0) } }
      #expect((found < 0) == precedes(left, right), "seed \(seed): \(left) \(right)")
      #expect((found == 0) == (left == right), "seed \(seed): \(left) \(right)")
    }
  }

  @Test("labels get one number each, whatever came before", arguments: 1...10)
  func interning(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 200)
    var interner = LabelInterner()
    var known: [UInt32: (UInt32, Label)] = [:]
    for _ in 0..<300 {
      let labels = texts(&generator)
      let tenant = UInt32(generator.int(0...1))
      var numbers: [UInt32] = []
      try labels.withUnsafeBytes { try interner.intern($0, tenant: tenant, into: &numbers) }
      #expect(numbers.count == labels.labels.count)
      for (number, label) in zip(numbers, labels.labels) {
        if let (otherTenant, other) = known[number] {
          #expect(otherTenant == tenant && other == label)
        } else {
          #expect(!known.values.contains { $0.0 == tenant && $0.1 == label })
          known[number] = (tenant, label)
        }
      }
    }
  }
}
