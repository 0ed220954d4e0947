import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("MetricsQL's functions over ranges are what a simple model says")
struct RollupTests {
  private static let times = Array(stride(from: Int64(0), through: 900_000, by: 10_000))

  /// Of the samples within a window, and the one before it where it lies within five minutes.
  private struct Model {
    var samples: [(time: Int64, value: Double)]

    func window(_ end: Int64, _ range: Int64) -> (inside: [Double], all: [Double]) {
      let inside = samples.filter { $0.time > end - range && $0.time <= end }
      let before = samples.last { $0.time <= end - range && $0.time > end - range - 300_000 }
      return (inside.map(\.value), (before.map { [$0.value] } ?? []) + inside.map(\.value))
    }
  }

  private static let functions: [(name: String, value: @Sendable (_ inside: [Double], _ all: [Double]) -> Double?)] = [
    ("increases_over_time", { _, all in Double(zip(all, all.dropFirst()).count { $0 < $1 }) }),
    ("decreases_over_time", { _, all in Double(zip(all, all.dropFirst()).count { $0 > $1 }) }),
    ("ascent_over_time", { _, all in zip(all, all.dropFirst()).reduce(0) { $0 + max(0, $1.1 - $1.0) } }),
    ("descent_over_time", { _, all in zip(all, all.dropFirst()).reduce(0) { $0 + max(0, $1.0 - $1.1) } }),
    (
      "increase_pure",
      { inside, all in
        let known = all.count > inside.count ? all : [0] + all
        return zip(known, known.dropFirst()).reduce(0) { $0 + ($1.1 < $1.0 ? $1.1 : $1.1 - $1.0) }
      }
    ),
    ("distinct_over_time", { inside, _ in Double(Set(inside).count) }),
    ("range_over_time", { inside, _ in inside.max().flatMap { high in inside.min().map { high - $0 } } }),
    ("sum2_over_time", { inside, _ in inside.reduce(0) { $0 + $1 * $1 } }),
    (
      "mode_over_time",
      { inside, _ in
        let counts = Dictionary(grouping: inside) { $0 }.mapValues(\.count)
        return counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key
      }
    ),
    (
      "median_over_time",
      { inside, _ in
        let sorted = inside.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
      }
    ),
  ]

  @Test("over random samples, at random times, in ranges of any length", arguments: 0..<20 as Range<UInt64>)
  func sameAsModel(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    var model = Model(samples: [])
    for time in Self.times where random.next() % 5 != 0 {
      model.samples.append((time + Int64(random.next() % 9000), Double(random.next() % 7)))
    }
    let points = model.samples.map { MemorySeries.Point(time: $0.time, value: $0.value) }
    let engine = QueryEngine(series: MemorySeries([LabelSet(["__name__": "m"]): points]), limits: .patient)
    for (name, value) in Self.functions {
      let range = Int64(random.next() % 200 + 1) * 1000
      let answer = try await engine.range(
        "\(name)(m[\(range)ms])", tenant: .default, from: 0, to: 1_200_000, step: 13_000)
      guard case .matrix(let columns) = answer.value else { continue }
      let found = Dictionary(uniqueKeysWithValues: zip(columns.timestamps, columns.values))
      for time in stride(from: Int64(0), through: 1_200_000, by: 13_000) {
        let (inside, all) = model.window(time, range)
        let wanted = inside.isEmpty ? nil : value(inside, all)
        #expect(found[time] == wanted, "seed \(seed): \(name)(m[\(range)ms]) at \(time)")
      }
    }
  }

  @Test("increases of ranges side by side add up to the increase of the whole", arguments: 0..<10 as Range<UInt64>)
  func addsUp(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let points = Self.times.map { MemorySeries.Point(time: $0, value: Double(random.next() % 50)) }
    let engine = QueryEngine(series: MemorySeries([LabelSet(["__name__": "m"]): points]), limits: .patient)
    func ask(_ query: String) async throws -> Double? {
      guard case .vector(let columns) = try await engine.instant(query, tenant: .default, at: 900_000).value else {
        return nil
      }
      return columns.values.first
    }
    #expect(
      try await ask("sum_over_time(increase_pure(m[1m])[15m1s:1m])") == ask("increase_pure(m[16m])"), "seed \(seed)")
  }
}
