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
        let point = DeltaPoint(
          series: series(Int.random(in: 0..<5, using: &generator)), start: 10, time: time,
          value: Double(Int.random(in: 0...100, using: &generator)))
        sums[point.series, default: 0] += point.value
        points.append(point)
      }
      let applied = accumulator.apply(points.shuffled(using: &generator))
      #expect(applied.rejections.isEmpty, "seed \(seed)")
      if Bool.random(using: &generator) {
        // The store did not take it: the sender's next try must come to the same.
        accumulator.rollback(applied)
        #expect(accumulator.apply(points).rows == applied.rows, "seed \(seed)")
      }
      for row in applied.rows { last[row.series] = row.total }
      // The same request again, after it was stored, changes nothing.
      let again = accumulator.apply(points)
      #expect(again.rows.isEmpty && again.rejections.total == points.count, "seed \(seed)")
    }
    #expect(last == sums, "seed \(seed)")
  }

  @Test("a series begins with zero at its start") func start() throws {
    let accumulator = DeltaAccumulator(countMax: 10)
    let applied = accumulator.apply([
      DeltaPoint(series: series(1), start: 5, time: 9, value: 3),
      DeltaPoint(series: series(2), start: 0, time: 9, value: 4),
    ])
    let batch = try #require(applied.batch(tenant: .default, batchID: Hash128(high: 1, low: 1)))
    let samples = batch.withRows { rows in
      (0..<rows.seriesCount).map { row in
        rows.samples(of: row).map { "\(rows.timestamp($0))=\(Double(bitPattern: rows.valueBits($0)))" }
      }
    }
    #expect(samples == [["5=0.0", "9=3.0"], ["9=4.0"]])
  }

  @Test("a full accumulator forgets what it has not seen for longest, and refuses what is left") func bounded() {
    let accumulator = DeltaAccumulator(countMax: 10)
    func feed(_ indices: Range<Int>, time: Int64) -> DeltaAccumulator.Applied {
      accumulator.apply(indices.map { DeltaPoint(series: series($0), start: 0, time: time, value: 1) })
    }
    #expect(feed(0..<10, time: 1).rejections.isEmpty)
    #expect(feed(10..<11, time: 2).rejections.counts == [.deltaLimit: 1])
    #expect(feed(0..<5, time: 3).rejections.isEmpty)
    #expect(feed(10..<11, time: 4).rejections.isEmpty)
    #expect(accumulator.count == 6)
    #expect(feed(0..<5, time: 5).rows.map(\.total) == Array(repeating: 3, count: 5))
  }
}
