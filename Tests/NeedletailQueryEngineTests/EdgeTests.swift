import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

/// A series of numbers as a line: what a counter lost in resets is added first, so that its increase is a difference.
private struct LineModel {
  let points: [(time: Int64, value: Double)]
  let lookback: Int64

  /// The same for a counter, whose resets are undone.
  var undoingResets: LineModel {
    var lost = 0.0
    var previous = 0.0
    return LineModel(
      points: points.map { time, value in
        if value < previous { lost += previous }
        previous = value
        return (time, value + lost)
      }, lookback: lookback)
  }

  private func points(after start: Int64, through end: Int64) -> [(time: Int64, value: Double)] {
    points.filter { $0.time > start && $0.time <= end }
  }

  /// The value at a time on the line through the points, which is level beyond them.
  private static func value(at time: Int64, _ points: [(time: Int64, value: Double)]) -> Double {
    if let first = points.first, time <= first.time { return first.value }
    for (one, other) in zip(points, points.dropFirst()) where time <= other.time {
      let distance = Double(other.time - one.time)
      return one.value * Double(other.time - time) / distance + other.value * Double(time - one.time) / distance
    }
    return points.last?.value ?? .nan
  }

  func smoothed(at time: Int64) -> Double? {
    let near = points(after: time - lookback, through: time + lookback)
    return near.contains { $0.time <= time } ? Self.value(at: time, near) : nil
  }

  func smoothedDelta(from start: Int64, to end: Int64) -> Double? {
    let near = points(after: start - lookback, through: end + lookback)
    guard near.contains(where: { $0.time > start }), near.contains(where: { $0.time <= end }) else { return nil }
    return Self.value(at: end, near) - Self.value(at: start, near)
  }

  /// The points within, and the last one before.
  func anchored(from start: Int64, to end: Int64) -> [Double]? {
    let within = points(after: start, through: end).map(\.value)
    return within.isEmpty ? nil : points(after: start - lookback, through: start).suffix(1).map(\.value) + within
  }
}

@Suite("Windows have values at their edges")
struct EdgeTests {
  private static func isClose(_ left: Double?, _ right: Double?) -> Bool {
    guard let left, let right else { return left == nil && right == nil }
    return abs(left - right) <= 1e-9 * max(1, abs(left))
  }

  private static func series(_ random: inout SeededGenerator) -> [MemorySeries.Point] {
    var time: Int64 = -20_000
    var value = 0.0
    return (0..<30).map { _ in
      time += 1 + Int64(random.next() % (random.next() % 5 == 0 ? 60_000 : 8_000))
      let kind = random.next() % 8
      value = kind == 0 ? Double(random.next() % 5) : value + Double(random.next() % 10)
      return MemorySeries.Point(time: time, value: kind == 1 ? StaleMarker.value : value)
    }
  }

  @Test("the edges of a random series are those of the line through its samples", arguments: 1...30)
  func sameAsLine(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let points = Self.series(&random)
    let options = QueryOptions(lookback: 1000 + Int64(random.next() % 40_000))
    let range = 1 + Int64(random.next() % 50_000)
    let engine = QueryEngine(series: MemorySeries([LabelSet(["__name__": "m_total"]): points]), limits: .patient)
    let line = LineModel(
      points: points.filter { !StaleMarker.matches($0.value) }.map { ($0.time, $0.value) },
      lookback: options.lookback)
    let counter = line.undoingResets
    let step = 1 + Int64(random.next() % 9_000)
    func check(_ query: String, _ wanted: (_ start: Int64, _ end: Int64) -> Double?) async throws {
      let result = try await engine.range(
        query, tenant: .default, from: -40_000, to: 250_000, step: step, options: options)
      guard case .matrix(let columns) = result.value else {
        Issue.record("not a matrix")
        return
      }
      let found = Dictionary(uniqueKeysWithValues: zip(columns.timestamps, columns.values))
      for time in stride(from: Int64(-40_000), through: 250_000, by: Int64.Stride(step)) {
        let value = wanted(time - range, time)
        #expect(Self.isClose(found[time], value), "seed \(seed): \(query) at \(time)")
      }
    }
    let window = "m_total[\(range)ms]"
    try await check("m_total smoothed") { line.smoothed(at: $1) }
    try await check("delta(\(window) smoothed)") { line.smoothedDelta(from: $0, to: $1) }
    try await check("increase(\(window) smoothed)") { counter.smoothedDelta(from: $0, to: $1) }
    try await check("rate(\(window) smoothed) * \(range) / 1000") { counter.smoothedDelta(from: $0, to: $1) }
    try await check("delta(\(window) anchored)") { start, end in
      line.anchored(from: start, to: end).flatMap { values in
        values.last.flatMap { last in values.first.map { last - $0 } }
      }
    }
    try await check("increase(\(window) anchored)") { start, end in
      counter.anchored(from: start, to: end).flatMap { values in
        values.last.flatMap { last in values.first.map { last - $0 } }
      }
    }
    try await check("changes(\(window) anchored)") { start, end in
      line.anchored(from: start, to: end).map { Double(zip($0, $0.dropFirst()).count { $0 != $1 }) }
    }
    try await check("resets(\(window) anchored)") { start, end in
      line.anchored(from: start, to: end).map { Double(zip($0, $0.dropFirst()).count { $0 > $1 }) }
    }
  }
}
