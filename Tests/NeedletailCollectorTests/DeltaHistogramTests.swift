#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

@Suite("Native histograms of delta temporality")
struct DeltaHistogramTests {
  private let series = SeriesID(Hash128(high: 1, low: 1))

  /// A histogram of some observations, by value, at a resolution.
  private func histogram(_ values: [Double], schema: Int8) -> NativeHistogram {
    var side = HistogramSide()
    let base = exp2(exp2(-Double(schema)))
    for value in values.sorted() { side.append(Int32((log2(value) / log2(base)).rounded(.up)), 1) }
    var result = NativeHistogram(
      schema: schema, count: Double(values.count), sum: values.reduce(0, +))
    result.positiveSpans = side.spans
    result.positiveBuckets = side.counts
    return result
  }

  private func point(_ time: Int64, _ value: DeltaValue, start: Int64 = 0) -> DeltaPoint {
    DeltaPoint(series: series, start: start, time: time, value: value, point: 0)
  }

  @Test(
    "the total is the histogram of all observations, whatever the resolutions of the changes",
    arguments: 0..<40 as Range<UInt64>)
  func totals(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let accumulator = DeltaAccumulator(countMax: 1000)
    var all: [Double] = []
    var coarsest = Int8.max
    for time in 1...20 as ClosedRange<Int64> {
      let values = (0..<Int.random(in: 0...30, using: &generator)).map { _ in
        Double.random(in: 0.001...1000, using: &generator)
      }
      let schema = Int8.random(in: -2...3, using: &generator)
      all += values
      coarsest = min(coarsest, schema)
      let applied = accumulator.apply([point(time, .histogram(histogram(values, schema: schema)))], now: 0)
      let row = try #require(applied.rows.first)
      guard case .histogram(let total) = row.total else {
        Issue.record("not a histogram")
        return
      }
      let model = histogram(all, schema: total.schema)
      #expect(total.schema <= coarsest && total.positive == model.positive, "seed \(seed)")
      #expect(total.count == model.count && abs(total.sum - model.sum) <= 1e-9 * abs(model.sum), "seed \(seed)")
    }
  }

  @Test("a total that grows too wide becomes coarser, and its observations stay") func bounded() throws {
    let accumulator = DeltaAccumulator(countMax: 1000)
    var count = 0.0
    for time in 1...200 as ClosedRange<Int64> {
      let values = (0..<20).map { exp2(Double(($0 * 7 + Int(time) * 13) % 400) / 5 - 40) }
      count += 20
      let row = try #require(
        accumulator.apply([point(time, .histogram(histogram(values, schema: 5)))], now: 0).rows.first)
      guard case .histogram(let total) = row.total else {
        Issue.record("not a histogram")
        return
      }
      #expect(total.positiveBuckets.count <= 320 && total.count == count)
      #expect(total.positiveBuckets.reduce(0, +) == count)
    }
  }

  @Test("histograms count as several series towards the limit, and give it back") func weight() {
    let accumulator = DeltaAccumulator(countMax: 20)
    let values = (0..<100).map { exp2(Double($0) - 50) }
    let wide = DeltaValue.histogram(histogram(values, schema: 0))
    #expect(accumulator.apply([point(1, wide)], now: 0).rejections.isEmpty)
    let other = DeltaPoint(series: SeriesID(Hash128(high: 2, low: 2)), start: 0, time: 1, value: wide, point: 0)
    #expect(accumulator.apply([other], now: 0).rejections.counts == [.deltaLimit: 1])
    #expect(accumulator.apply([other], now: DeltaAccumulator.idleMilliseconds).rejections.isEmpty)
  }

  @Test("a series that turns from numbers to histograms begins again; a first histogram follows an empty one")
  func kinds() throws {
    let accumulator = DeltaAccumulator(countMax: 100)
    let change = histogram([1, 2, 3], schema: 0)
    _ = accumulator.apply([point(1, .number(5))], now: 0)
    #expect(accumulator.apply([point(2, .histogram(change))], now: 0).rows.first?.total == .histogram(change))
    let fresh = DeltaAccumulator(countMax: 100).apply([point(9, .histogram(change), start: 5)], now: 0)
    let part = try #require(fresh.parts(tenant: .default, batchID: Hash128(high: 1, low: 1)).first)
    #expect(part.batch.histogramCount == 2 && part.zeroCount == 1 && part.pointCount == 1)
  }

  @Test("a total that begins anew has the start of the change that it begins with") func newStart() throws {
    let accumulator = DeltaAccumulator(countMax: 100)
    let change = histogram([1, 2, 3], schema: 0)
    let custom = NativeHistogram(
      schema: NativeHistogram.customBucketsSchema, count: 2, sum: 3,
      positiveSpans: [NativeHistogram.BucketSpan(offset: 0, length: 2)], positiveBuckets: [1, 1], customBounds: [1])
    let starts = [
      point(20, .number(5), start: 10), point(30, .number(5), start: 20),
      // The zero of the new total would stand where the old one's last sample is, or before it: it is left out.
      point(40, .histogram(change), start: 30), point(50, .histogram(custom), start: 25),
      point(70, .histogram(change), start: 60), point(80, .number(1)),
    ].map { point in
      let row = accumulator.apply([point], now: 0).rows.first
      return "\(row?.start ?? -1) \(row?.hasZero ?? false)"
    }
    #expect(starts == ["10 true", "10 false", "30 false", "40 false", "60 true", "0 false"])
  }
}
