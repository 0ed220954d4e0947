import NeedletailBlocks
import Testing

@testable import NeedletailSeries

@Suite("Which parts are merged")
struct MergePolicyTests {
  private let day: Int64 = 86_400_000
  private let policy = MergePolicy(fanIn: 8, bytesMax: 1 << 30, quietMilliseconds: 1000)

  private func record(_ id: UInt64, day: Int64, bytes: UInt64) -> PartRecord {
    PartRecord(
      id: PartID(id),
      summary: PartSummary(
        kind: .series, format: 2, partition: day, level: 0, rows: 1, groups: 1, minTime: 0, maxTime: 0), bytes: bytes)
  }

  private func chosen(_ parts: [PartRecord], now: Int64, lastAdded: [Int64: Int64] = [:]) -> [UInt64] {
    policy.choose(parts, lastAdded: lastAdded, now: now).map(\.rawValue)
  }

  @Test("while a day goes on, eight parts of about one size are merged, the smallest first")
  func tiers() {
    let small = (1...7).map { record(UInt64($0), day: 5, bytes: 1000 * UInt64($0)) }
    #expect(chosen(small, now: 5 * day).isEmpty)
    let large = (11...18).map { record(UInt64($0), day: 5, bytes: 100 << 20) }
    #expect(chosen(small + large, now: 5 * day) == Array(11...18))
    #expect(chosen(small + large + [record(8, day: 5, bytes: 1)], now: 5 * day) == [8, 1, 2, 3, 4, 5, 6, 7])
  }

  @Test("no merge holds more than its bound")
  func bound() {
    let parts = (1...8).map { record(UInt64($0), day: 5, bytes: 200 << 20) }
    #expect(chosen(parts, now: 5 * day).isEmpty)
    #expect(chosen(parts, now: 6 * day) == [1, 2, 3, 4, 5])
  }

  @Test("a day that is over and quiet becomes one part")
  func closedDay() {
    let parts = [record(1, day: 5, bytes: 30_000), record(2, day: 5, bytes: 5000)]
    #expect(chosen(parts, now: 6 * day - 1).isEmpty)
    #expect(chosen(parts, now: 6 * day) == [2, 1])
    #expect(chosen(parts, now: 6 * day, lastAdded: [5: 6 * day - 999]).isEmpty)
    #expect(chosen(parts, now: 6 * day, lastAdded: [5: 6 * day - 1000]) == [2, 1])
    #expect(chosen(parts, now: 6 * day, lastAdded: [5: .min]) == [2, 1])
    #expect(chosen([record(1, day: 5, bytes: 3)], now: 6 * day).isEmpty)
  }

  @Test("a straggler does not make a whole day be written again, stragglers are merged with each other")
  func stragglers() {
    let whole = record(1, day: 5, bytes: 100 << 20)
    #expect(chosen([whole, record(2, day: 5, bytes: 1000)], now: 7 * day).isEmpty)
    #expect(chosen([whole, record(2, day: 5, bytes: 1000), record(3, day: 5, bytes: 2000)], now: 7 * day) == [2, 3])
    #expect(chosen([whole, record(2, day: 5, bytes: 10 << 20)], now: 7 * day) == [2, 1])
  }
}
