import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailQueryEngine

@Suite("Samples that stand for others")
struct StandInTests {
  private static let functions = [
    "max_over_time", "min_over_time", "count_over_time", "present_over_time", "last_over_time", "first_over_time",
    "rate", "increase", "delta", "sum_over_time", "changes", "resets", "absent_over_time", "irate",
  ]

  private static func data(_ generator: inout TelemetryGenerator) -> [LabelSet: [MemorySeries.Point]] {
    let hasSpecials = generator.oneIn(3)
    let hasStarts = generator.oneIn(4)
    var series: [LabelSet: [MemorySeries.Point]] = [:]
    for index in 0..<generator.int(1...6) {
      var points: [MemorySeries.Point] = []
      var (time, value) = (Int64(generator.int(0...9000)), 0.0)
      let resets = generator.int(3...40)
      for _ in 0..<generator.int(0...200) {
        time += Int64(generator.int(1...9000))
        value = generator.oneIn(resets) ? 0 : value + Double(generator.int(0...20)) / 3
        var told = value
        if hasSpecials, generator.oneIn(20) { told = generator.pick([.nan, StaleMarker.value, -0.0, 0, .infinity]) }
        points.append(
          MemorySeries.Point(time: time, value: told, start: hasStarts && generator.oneIn(9) ? time - 1 : 0))
      }
      series[LabelSet(["__name__": "m_total", "i": "\(index)"])] = points
    }
    return series
  }

  /// The answer in words, to the last bit.
  private static func words(_ value: QueryValue) -> [String] {
    switch value {
    case .matrix(let columns), .vector(let columns):
      (0..<columns.count).map { series in
        let samples = columns.offsets[series]..<columns.offsets[series + 1]
        let cells = samples.map { index in
          let value = columns.values[index]
          return "\(columns.timestamps[index]) \(value.isNaN ? "NaN" : String(value.bitPattern))"
        }
        return "\(columns.labels[series]) \(cells)"
      }
    default: ["\(value)"]
    }
  }

  @Test("change no answer in any bit", arguments: 1...150)
  func answers(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let data = Self.data(&generator)
    let plain = QueryEngine(series: MemorySeries(data), limits: .patient)
    let most = generator.int(1...40)
    let engine = QueryEngine(series: MemorySeries(data, condensedMax: most), limits: .patient, parallelism: 2)
    for _ in 0..<12 {
      let range = generator.pick(["10s", "1m", "5m", "20m", "1h"])
      let shift = generator.pick(["", " offset 2m", " @ 600", " offset -1m"])
      let text = "\(generator.pick(Self.functions))(m_total[\(range)]\(shift))"
      let (start, length) = (Int64(generator.int(0...900_000)), Int64(generator.pick([0, 60_000, 900_000])))
      let step = Int64(generator.pick([1000, 60_000, 250_000]))
      let wanted = try await plain.range(text, tenant: .default, from: start, to: start + length, step: step)
      let found = try await engine.range(text, tenant: .default, from: start, to: start + length, step: step)
      #expect(Self.words(found.value) == Self.words(wanted.value), "seed \(seed): \(text)")
      #expect(found.warnings == wanted.warnings && found.infos == wanted.infos, "seed \(seed): \(text)")
    }
  }

  @Test("lie between two bounds of windows", arguments: 1...200)
  func bounds(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let start = Int64(generator.int(-50...50))
    let end = start + Int64(generator.int(1...60))
    let (interval, count) = (Int64(generator.int(0...20)), generator.int(1...8))
    let standIns = StandIns(.ends, after: start, through: end, interval: interval, count: count)
    let starts = (0..<Int64(count)).map { start + $0 * interval }
    for first in stride(from: start - 20, to: end + 200, by: 3) {
      for length in [1, 2, 7, 30, 90] as [Int64] {
        let last = first + length
        // A sample is in a window where it is later than its start, and not later than its end.
        let isWhole = starts.allSatisfy { begin in
          let finish = begin + end - start
          return (begin..<finish).contains(first - 1) == (begin..<finish).contains(last - 1)
            && !(first <= begin && last > finish)
        }
        #expect(standIns.mayReplace(from: first, to: last) == isWhole, "seed \(seed): \(first) to \(last)")
        let isInside = first > start && last <= end + Int64(count - 1) * interval
        if isWhole, isInside, starts.contains(where: { first > $0 && last <= $0 + end - start }) {
          #expect(length <= standIns.longest, "seed \(seed): \(first) to \(last)")
        }
      }
    }
    let far = StandIns(.ends, after: .min, through: .max, interval: .max, count: .max)
    #expect(!far.mayReplace(from: .min, to: .max))
    _ = far.longest
  }
}
