import NeedletailEnvironment
import NeedletailTelemetry
import NeedletailWire
import Testing

@testable import NeedletailCollector

@Suite struct DeltaAccumulatorTests {
  private func series(_ index: Int) -> SeriesID { SeriesID(Hash128(high: 1, low: UInt64(index))) }

  @Test("totals are the sums of all points, however they are split over requests", arguments: 0..<50 as Range<UInt64>)
  func totals(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let accumulator = DeltaAccumulator(countMax: 100)
    var sums: [SeriesID: Double] = [:]
    var last: [SeriesID: Double] = [:]
    var time: Int64 = 1000
    for _ in 0..<20 {
      var points: [DeltaPoint] = []
      for _ in 0..<Int.random(in: 1...10, using: &generator) {
        time += 1
        let value = Double(Int.random(in: 0...100, using: &generator))
        let point = DeltaPoint(
          series: series(Int.random(in: 0..<5, using: &generator)), start: 10, time: time,
          value: .number(value), point: points.count)
        sums[point.series, default: 0] += value
        points.append(point)
      }
      let applied = accumulator.apply(points.shuffled(using: &generator), now: 0)
      #expect(applied.rejections.isEmpty, "seed \(seed)")
      if Bool.random(using: &generator) {
        // The store did not take it: the sender's next try must come to the same.
        accumulator.rollback(applied)
        #expect(accumulator.apply(points, now: 0).rows == applied.rows, "seed \(seed)")
      }
      for row in applied.rows { last[row.series] = row.number }
      // The same request again, after it was stored, changes nothing.
      let again = accumulator.apply(points, now: 0)
      #expect(again.rows.isEmpty && again.rejections.total == points.count, "seed \(seed)")
    }
    #expect(last == sums, "seed \(seed)")
  }

  @Test("a series begins with zero at its start") func start() throws {
    let accumulator = DeltaAccumulator(countMax: 10)
    let applied = accumulator.apply(
      [
        DeltaPoint(series: series(1), start: 5, time: 9, value: .number(3), point: 0),
        DeltaPoint(series: series(2), start: 0, time: 9, value: .number(4), point: 1),
      ], now: 0)
    let part = try #require(applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 1)).first)
    #expect(part.pointCount == 2 && part.zeroCount == 1)
    let samples = part.batch.withRows { rows in
      (0..<rows.seriesCount).map { row in
        rows.samples(of: row).map { "\(rows.timestamp($0))=\(Double(bitPattern: rows.valueBits($0)))" }
      }
    }
    #expect(samples == [["5=0.0", "9=3.0"], ["9=4.0"]])
  }

  private func feed(
    _ accumulator: DeltaAccumulator, _ indices: Range<Int>, time: Int64, now: Int64
  ) -> DeltaAccumulator.Applied {
    accumulator.apply(
      indices.map { DeltaPoint(series: series($0), start: 0, time: time, value: .number(1), point: $0) }, now: now)
  }

  @Test("a full accumulator forgets what was idle for long, and refuses what is new until then") func bounded() {
    let idle = DeltaAccumulator.idleMilliseconds
    let accumulator = DeltaAccumulator(countMax: 10)
    #expect(feed(accumulator, 0..<10, time: 1, now: 0).rejections.isEmpty)
    #expect(feed(accumulator, 10..<11, time: 2, now: idle / 2).rejections.counts == [.deltaLimit: 1])
    #expect(feed(accumulator, 0..<5, time: 3, now: idle / 2).rejections.isEmpty)
    #expect(feed(accumulator, 10..<11, time: 4, now: idle).rejections.isEmpty)
    #expect(accumulator.count == 6)
    #expect(feed(accumulator, 0..<5, time: 5, now: idle).rows.map(\.number) == Array(repeating: 3, count: 5))
  }

  @Test("new series do not reset the totals of those that are in use, however many come at once") func flood() {
    let accumulator = DeltaAccumulator(countMax: 10)
    _ = feed(accumulator, 0..<10, time: 1, now: 0)
    for time in 2..<5 as Range<Int64> {
      #expect(feed(accumulator, 10..<40, time: time, now: time * 60_000).rejections.counts == [.deltaLimit: 30])
    }
    #expect(feed(accumulator, 0..<10, time: 9, now: 300_000).rows.map(\.number) == Array(repeating: 2, count: 10))
  }

  @Test("of a point with many values all are taken or none, and it is rejected as one") func groups() {
    let accumulator = DeltaAccumulator(countMax: 4)
    let histogram = { (time: Int64, count: Int) in
      (0..<count).map { DeltaPoint(series: self.series($0), start: 0, time: time, value: .number(1), point: 7) }
    }
    #expect(accumulator.apply(histogram(1, 5), now: 0).rejections.counts == [.deltaLimit: 1])
    #expect(accumulator.count == 0)
    #expect(accumulator.apply(histogram(1, 3), now: 0).rows.map(\.beginsPoint) == [true, false, false])
    #expect(accumulator.apply(histogram(1, 3), now: 0).rejections.counts == [.deltaNotAfterLast: 1])
  }

  @Test("totals are cut into batches, and those that were not stored are taken back alone") func parts() {
    let accumulator = DeltaAccumulator(countMax: 100)
    let values = (0..<100).map { DeltaPoint(series: series($0), start: 0, time: 1, value: .number(1), point: $0) }
    let applied = accumulator.apply(values, now: 0)
    let parts = applied.parts(tenant: .default, batchID: Hash128(high: 1, low: 9), cutBytes: 1000)
    #expect(parts.count > 2 && parts.map(\.pointCount).reduce(0, +) == 100)
    #expect(parts.flatMap { Array($0.rows) } == Array(0..<100))
    #expect(Set(parts.map(\.batch.frame.batchID)).count == parts.count)
    accumulator.rollback(applied, except: [parts[0].rows])
    #expect(accumulator.count == parts[0].pointCount)
    #expect(accumulator.apply(values, now: 0).rows.count == 100 - parts[0].pointCount)
  }
}

extension DeltaAccumulator.Applied.Row {
  /// The total of a series of numbers.
  fileprivate var number: Double? {
    if case .number(let number) = total { number } else { nil }
  }
}
