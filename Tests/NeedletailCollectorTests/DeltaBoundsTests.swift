import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

/// What totals and requests may take, and that what is not kept moves no total.
@Suite("Bounds of delta temporality")
struct DeltaBoundsTests {
  private func series(_ index: Int) -> SeriesID { SeriesID(Hash128(high: 1, low: UInt64(index))) }

  /// One observation in each bucket.
  private func histogram(_ buckets: some Sequence<Int32>, schema: Int8 = -4, sum: Double = 1) -> NativeHistogram {
    var side = HistogramSide()
    for bucket in buckets { side.append(bucket, 1) }
    return NativeHistogram(
      schema: schema, count: Double(side.counts.count), sum: sum, positiveSpans: side.spans,
      positiveBuckets: side.counts)
  }

  private func point(
    _ time: Int64, _ histogram: NativeHistogram, series index: Int = 1, start: Int64 = 0
  ) -> DeltaPoint {
    DeltaPoint(series: series(index), start: start, time: time, value: .histogram(histogram), point: Int(time))
  }

  private func total(_ row: DeltaAccumulator.Applied.Row?) -> NativeHistogram? {
    if case .histogram(let histogram) = row?.total { histogram } else { nil }
  }

  @Test("what a total cannot hold at the coarsest resolution is refused, and the total stays as it was")
  func coarsest() {
    let accumulator = DeltaAccumulator(countMax: 1 << 20)
    let far = (0..<50 as Range<Int64>).map { turn in
      point(turn + 1, histogram((0..<100 as Range<Int32>).map { Int32(turn) * 1000 + $0 * 2 }))
    }
    let applied = accumulator.apply(far, now: 0)
    #expect(applied.rows.count == 3 && applied.rejections.counts == [.invalidHistogram: 47])
    #expect(applied.rejections.message.contains("320 buckets"))
    let wide = accumulator.apply([point(60, histogram((0..<16_384).map { $0 * 2 }), series: 2)], now: 0)
    #expect(wide.rows.isEmpty && accumulator.count == 1)
    let last = accumulator.apply([point(70, histogram([0]))], now: 0)
    #expect(total(last.rows.first)?.count == 301 && total(last.rows.first)?.positiveBuckets.count == 300)
  }

  @Test(
    "one request may not take more memory than its limit, however small its points are",
    arguments: 0..<10 as Range<UInt64>)
  func request(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let bytesMax = Int.random(in: 20_000...60_000, using: &generator)
    let accumulator = DeltaAccumulator(countMax: 1 << 20, requestBytesMax: bytesMax)
    #expect(accumulator.apply([point(1, histogram((0..<300).map { $0 * 2 }, schema: 8))], now: 0).rows.count == 1)
    let tiny = (2..<1002 as Range<Int64>).map { time in
      let isOther = Int.random(in: 0..<5, using: &generator) == 0
      return point(
        time, histogram([Int32.random(in: 0..<600, using: &generator)], schema: 8),
        series: isOther ? Int(time) : 1, start: time - 1)
    }
    let applied = accumulator.apply(tiny, now: 0)
    let batches = applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 1)).map(\.batch)
    let stored = batches.reduce(0) { $0 + $1.frame.bytes.count }
    #expect(stored <= applied.byteCount + 256 && stored >= applied.byteCount / 2, "seed \(seed)")
    #expect(applied.byteCount <= bytesMax && applied.byteCount > bytesMax - 6000, "seed \(seed)")
    #expect(applied.rejections.counts == [.requestLimit: 1000 - applied.rows.count], "seed \(seed)")
    // Those in front were taken, and the next request begins anew.
    #expect(applied.rows.map(\.time) == tiny.prefix(applied.rows.count).map(\.time), "seed \(seed)")
    #expect(accumulator.apply([point(2000, histogram([0], schema: 8))], now: 0).rejections.isEmpty, "seed \(seed)")
  }

  @Test("totals that grow by what is new in each change stay within the limit") func growth() throws {
    let accumulator = DeltaAccumulator(countMax: 20)
    var weight = 0
    var refused = 0
    for time in 1...30 as ClosedRange<Int64> {
      let change = histogram((0..<8 as Range<Int32>).map { Int32(time) * 8 + $0 })
      let applied = accumulator.apply([point(time, change)], now: 0)
      refused += applied.rejections.counts[.deltaLimit] ?? 0
      if let row = applied.rows.first { weight = row.total.weight }
    }
    #expect(weight <= 20 && weight > 15 && refused > 0)
  }

  @Test("a full accumulator does not forget the series whose point it looks for room for") func comingAgain() {
    let accumulator = DeltaAccumulator(countMax: 20)
    #expect(accumulator.apply([point(1, histogram([1]))], now: 0).rejections.isEmpty)
    #expect(accumulator.apply([point(1, histogram([1]), series: 2)], now: 0).rejections.isEmpty)
    let change = histogram(1...105 as ClosedRange<Int32>)
    let applied = accumulator.apply([point(2, change, start: 1)], now: DeltaAccumulator.idleMilliseconds)
    #expect(total(applied.rows.first)?.count == 106 && applied.rows.first?.hasZero == false)
    #expect(accumulator.count == 1)
  }

  @Test("a total that is no number is taken back like any other", arguments: [Double.nan, .infinity, 1])
  func notANumber(sum: Double) {
    let accumulator = DeltaAccumulator(countMax: 100)
    let points = [
      point(2, histogram([1], sum: sum), start: 1), point(3, histogram([1], sum: -sum), start: 1),
      DeltaPoint(series: series(2), start: 1, time: 2, value: .number(sum), point: 9),
      DeltaPoint(series: series(2), start: 1, time: 3, value: .number(-sum), point: 9),
    ]
    accumulator.rollback(accumulator.apply(points, now: 0))
    #expect(accumulator.count == 0)
    let again = accumulator.apply(points, now: 0)
    #expect(again.rows.count == 4 && again.rejections.isEmpty && again.rows.filter(\.hasZero).count == 2)
  }

  @Test("a series that another request moved on in the meantime is not taken back, even to the same total")
  func movedOn() {
    let accumulator = DeltaAccumulator(countMax: 100)
    let zero = { DeltaPoint(series: self.series(1), start: 0, time: $0, value: .number(0), point: 0) }
    let first = accumulator.apply([zero(1)], now: 0)
    _ = accumulator.apply([zero(2)], now: 0)
    accumulator.rollback(first)
    #expect(accumulator.apply([zero(2)], now: 0).rejections.counts == [.deltaNotAfterLast: 1])
  }

  @Test("a total never looks like the end of its series, whatever the bits of a change are") func stale() {
    for isHistogramFirst in [false, true] {
      let accumulator = DeltaAccumulator(countMax: 100)
      let values: [DeltaValue] = [.number(StaleMarker.value), .histogram(histogram([1], sum: StaleMarker.value))]
      for (index, value) in ((isHistogramFirst ? values.reversed() : values) + values).enumerated() {
        let change = DeltaPoint(series: series(1), start: 0, time: Int64(index + 1), value: value, point: 0)
        switch accumulator.apply([change], now: 0).rows.first?.total {
        case .number(let number): #expect(number.isNaN && !StaleMarker.matches(number))
        case .histogram(let histogram): #expect(histogram.sum.isNaN && !histogram.isStale)
        case nil: Issue.record("change \(index) was not taken")
        }
      }
    }
  }

  @Test("totals that fit into no batch are taken back") func lost() {
    let accumulator = DeltaAccumulator(countMax: 1 << 20)
    let change = histogram((0..<300).map { $0 * 2 })
    let points = (0..<12_000).map {
      DeltaPoint(series: series($0), start: 0, time: 1, value: .histogram(change), point: $0)
    }
    let applied = accumulator.apply(points, now: 0)
    let parts = applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 1), cutBytes: .max)
    #expect(applied.rows.count == 12_000 && parts.isEmpty)
    accumulator.rollback(applied, except: parts.map(\.rows))
    #expect(accumulator.count == 0)
  }

  @Test("what is not stored is taken back and the rest is not", arguments: 0..<30 as Range<UInt64>)
  func partly(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let accumulator = DeltaAccumulator(countMax: 1000)
    let values = (0..<100).map { DeltaPoint(series: series($0), start: 0, time: 1, value: .number(1), point: $0) }
    let applied = accumulator.apply(values, now: 0)
    let parts = applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 9), cutBytes: 800)
    let stored = parts.filter { _ in Bool.random(using: &generator) }
    accumulator.rollback(applied, except: stored.map(\.rows))
    #expect(accumulator.count == stored.reduce(0) { $0 + $1.pointCount }, "seed \(seed)")
    let again = Set(accumulator.apply(values, now: 0).rows.map(\.series))
    let kept = Set(stored.flatMap { applied.rows[$0.rows].map(\.series) })
    #expect(again == Set(values.map(\.series)).subtracting(kept), "seed \(seed)")
  }

  @Test("whatever is taken back, totals are those of what is stored", arguments: 0..<50 as Range<UInt64>)
  func repetitions(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let accumulator = DeltaAccumulator(countMax: 1000)
    var model: [SeriesID: Double] = [:]
    for request in 0..<10 {
      // Some series stand in a request many times.
      let points = (0..<40).map { index in
        DeltaPoint(
          series: series(Int.random(in: 0..<8, using: &generator)), start: 0, time: Int64(request * 100 + index + 1),
          value: .number(Double(Int.random(in: 1...9, using: &generator))), point: index)
      }
      let applied = accumulator.apply(points, now: 0)
      let parts = applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 1), cutBytes: 400)
      // As the distributor does: the parts up to one that failed are stored.
      let stored = parts.prefix(Int.random(in: 0...parts.count, using: &generator))
      accumulator.rollback(applied, except: stored.map(\.rows))
      for row in stored.flatMap({ applied.rows[$0.rows] }) {
        guard case .number(let total) = row.total else { continue }
        model[row.series] = total
      }
      #expect(accumulator.count == model.count, "seed \(seed)")
    }
    for (series, total) in model {
      let last = accumulator.apply(
        [DeltaPoint(series: series, start: 0, time: 100_000, value: .number(1), point: 0)], now: 0)
      #expect(last.rows.map(\.total) == [.number(total + 1)], "seed \(seed)")
    }
  }

  @Test("what the store would refuse moves no total and silences no series") func times() {
    let accumulator = DeltaAccumulator(countMax: 100)
    let add = { (time: Int64, value: Double) in
      accumulator.apply(
        [DeltaPoint(series: self.series(1), start: 0, time: time, value: .number(value), point: 0)], now: 0,
        within: 1_000_000...2_000_000)
    }
    #expect(add(2_000_001, 100).rejections.counts == [.tooFarInFuture: 1])
    #expect(add(999_999, 100).rejections.counts == [.outOfRetention: 1])
    #expect(accumulator.count == 0)
    #expect(add(1_500_000, 1).rows.map(\.total) == [.number(1)])
    #expect(add(2_000_000, 2).rows.map(\.total) == [.number(3)])
  }

  @Test("what is about to leave the retention is refused: it may be outside once the store sees it") func margin() {
    let retention = { (now: Int64) in (now - 1_000_000)...(now + 600_000) }
    #expect(DeltaTotals.takeable(retention, now: 5_000_000) == 4_060_000...5_600_000)
    #expect(DeltaTotals.takeable({ _ in 3...4 }, now: 5_000_000) == 3...4, "a window does not move on by itself")
    #expect(DeltaTotals.takeable({ _ in .min ... .max }, now: .max) == .min ... .max)
    #expect(DeltaTotals.takeable({ $0...$0 }, now: 5) == 60_005...60_005)
  }

  @Test("memory is reserved ahead of the rows, and where there is none no total moves") func memory() {
    let accumulator = DeltaAccumulator(countMax: 1 << 20)
    let points = { (time: Int64) in
      (0..<10_000).map {
        DeltaPoint(series: self.series($0), start: 0, time: time, value: .number(1), point: $0)
      }
    }
    let budget = IngestBudget(bytesMax: 4 << 20)
    let applied = accumulator.apply(points(1), now: 0, budget: budget)
    #expect(applied.rows.count == 10_000 && budget.bytesInFlight == applied.reservedBytes)
    #expect(applied.reservedBytes >= 10_000 * MemoryLayout<DeltaAccumulator.Applied.Row>.stride)
    let small = IngestBudget(bytesMax: applied.reservedBytes / 2)
    let refused = accumulator.apply(points(2), now: 0, budget: small)
    #expect(refused.missingBytes > 0 && small.bytesInFlight == refused.reservedBytes)
    #expect(accumulator.apply(points(2), now: 0).rows.allSatisfy { $0.total == .number(2) })
  }
}
