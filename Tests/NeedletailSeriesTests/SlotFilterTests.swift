import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Series of some slots")
struct SlotFilterTests {
  private let series = (0..<40).map { LabelSet(["__name__": "m", "i": "\($0)"]) }

  private func labels(_ cursor: consuming SeriesCursor) throws -> [LabelSet] {
    var found: [LabelSet] = []
    while let chunk = try cursor.next() { found += (0..<chunk.seriesCount).map { chunk.labels($0) } }
    return found
  }

  @Test("a selection of some slots finds the series that lie in them and no others, in heads and in parts")
  func filtered() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let now = machine.nowMilliseconds
    // Some in a part, some in the head, some in both.
    for (number, some) in [series[..<25], series[15...]].enumerated() {
      let batch = try DefinedBatch(some, time: now + Int64(number) * 1000)
      _ = try await machine.append(batch.batch, batch.definitions)
      if number == 0 { _ = try machine.journal.flush() }
    }
    let map = SlotMap.standard
    for seed in 1...8 as ClosedRange<UInt64> {
      var generator = TelemetryGenerator(seed: seed)
      let slots = (0..<UInt16(map.count)).filter { _ in generator.oneIn(3) }
      let filter = machine.engine.filter(slots)
      let expected = series.filter { slots.contains(map.slot(of: SeriesID($0, tenant: .default))) }
      let found = try machine.engine.select(tenant: .default, [], .all, slots: filter)
      #expect(try Set(labels(found)) == Set(expected), "seed \(seed)")
      // What is left out counts towards no limit.
      let limits = SeriesQueryLimits(seriesMax: expected.count, samplesMax: .max)
      #expect(
        try labels(machine.engine.select(tenant: .default, [], .all, limits: limits, slots: filter)).count
          == expected.count)
    }
    #expect(machine.engine.filter(0..<UInt16(map.count)) == nil)
    #expect(try labels(machine.engine.select(tenant: .default, [], .all, slots: machine.engine.filter([]))).isEmpty)
  }
}
