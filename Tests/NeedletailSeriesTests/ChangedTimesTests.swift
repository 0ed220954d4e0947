import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Which times changed is never told too narrowly")
struct ChangedTimesTests {
  private static let minute: Int64 = 60_000

  @Test("against a list of all changes", arguments: 1...30)
  func model(seed: UInt64) {
    var generator = TelemetryGenerator(seed: seed &+ 77_000)
    var changes = ChangedTimes()
    var all: [(mark: UInt64, times: ClosedRange<Int64>)] = []
    var now: Int64 = generator.pick([0, 1_700_000_000_000, .min + 5, .max - 5_000_000_000, -90_000])
    for _ in 0..<300 {
      switch generator.int(0...9) {
      case 0:
        changes.noteAll()
        all.append((changes.mark, .min ... .max))
      case 1...6:
        now += Int64(generator.int(0...200_000))
        let age = generator.pick([0, Int64(generator.int(0...90_000)), Int64(generator.int(0...200_000_000))])
        let end = now.subtractingReportingOverflow(age)
        let length = Int64(generator.int(0...300_000))
        let start = end.partialValue.subtractingReportingOverflow(length)
        guard !end.overflow, !start.overflow else { continue }
        changes.note(start.partialValue...end.partialValue)
        all.append((changes.mark, start.partialValue...end.partialValue))
      default:
        let mark = UInt64(generator.int(0...Int(changes.mark)))
        let end = now.subtractingReportingOverflow(Int64(generator.int(-100_000...100_000_000)))
        let start = end.partialValue.subtractingReportingOverflow(Int64(generator.int(0...100_000_000)))
        guard !end.overflow, !start.overflow else { continue }
        check(changes, all, mark, start.partialValue...end.partialValue, "seed \(seed)")
      }
    }
  }

  /// All that changed is told; what is told is in order, and lies within a minute of a change or, of what is older than
  /// a day, somewhere before.
  private func check(
    _ changes: ChangedTimes, _ all: [(mark: UInt64, times: ClosedRange<Int64>)], _ mark: UInt64,
    _ range: ClosedRange<Int64>, _ comment: Comment
  ) {
    let told = changes.changed(since: mark, within: range)
    for change in all where change.mark > mark && change.times.overlaps(range) {
      let times = change.times.clamped(to: range)
      #expect(
        told.contains { $0.lowerBound <= times.lowerBound && times.upperBound <= $0.upperBound }, comment)
    }
    for (one, next) in zip(told, told.dropFirst()) { #expect(one.upperBound < next.lowerBound, comment) }
    for times in told { #expect(range.lowerBound <= times.lowerBound && times.upperBound <= range.upperBound, comment) }
    if all.allSatisfy({ $0.mark <= mark }) { #expect(told.isEmpty, comment) }
  }

  @Test("what lies a minute or more from every recent change is not told")
  func isPrecise() {
    var changes = ChangedTimes()
    let now: Int64 = 1_700_000_040_000
    changes.note(now - 3_600_000...now)
    let mark = changes.mark
    changes.note(now - 600_000...now - 590_000)
    changes.note(now...now)
    let told = changes.changed(since: mark, within: now - 7_200_000...now + 100)
    #expect(told == [now - 600_000...now - 540_001, now...now + 100])
    #expect(changes.changed(since: changes.mark, within: .min ... .max).isEmpty)
    #expect(changes.changed(since: mark, within: now - 500_000...now - 1).isEmpty)
  }

  @Test("an edge that goes back changes all, one that goes on nothing")
  func edge() {
    var changes = ChangedTimes()
    changes.moveEdge(to: 1_000)
    let mark = changes.mark
    changes.moveEdge(to: 2_000)
    #expect(changes.changed(since: mark, within: 0...5_000).isEmpty)
    changes.moveEdge(to: 1_500)
    #expect(changes.changed(since: mark, within: 0...5_000) == [0...5_000])
  }

  @Test("an append, a deletion and the retention tell what they change")
  func engineTells() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let engine = machine.engine
    let now = machine.nowMilliseconds
    let labels = LabelSet(["__name__": "m"])
    let id = SeriesID(labels, tenant: .default)
    func append(_ time: Int64) async throws {
      var builder = SeriesBatchBuilder()
      var definitions = SeriesDefinitionsBuilder()
      builder.beginSeries(id)
      builder.append(timestamp: time, valueBits: 0)
      definitions.append(id, labels: labels)
      let batch = builder.build(tenant: .default, batchID: Hash128(high: 7, low: UInt64(bitPattern: time)))
      _ = try await machine.append(try #require(batch), definitions.build(tenant: .default))
    }
    try await append(now)
    var mark = engine.changeMark
    let range = now - 7_200_000...now
    #expect(engine.changedTimes(since: mark, within: range).isEmpty)
    try await append(now - 3_600_000)
    #expect(engine.changedTimes(since: mark, within: range).contains { $0.contains(now - 3_600_000) })
    #expect(!engine.changedTimes(since: mark, within: range).contains { $0.contains(now) })
    mark = engine.changeMark
    _ = try machine.journal.flush()
    #expect(engine.changedTimes(since: mark, within: range).isEmpty)
    try engine.delete(tenant: .default, [LabelMatcher("__name__", equals: "m")], .all)
    #expect(engine.changedTimes(since: mark, within: range) == [range])
  }
}
