import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The histogram before a range")
struct HistogramBeforeTests {
  @Test("is told before another alone, is one that is there, and changes nothing else", arguments: 1...16)
  func before(seed: Int) async throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 23_000_000)
    var model = SeriesModel()
    let machine = try SeriesMachine(FaultyFileSystem(seed: UInt64(seed)))
    var found = 0
    for step in 0..<16 {
      let now = machine.nowMilliseconds
      guard let random = RandomBatch(&generator, tenant: .default, now: now, onto: model) else { continue }
      _ = try await machine.append(random.batch, random.definitions)
      model = random.model
      if step % 5 == 4 { _ = try machine.journal.flush() }
      if step == 12 { _ = try machine.engine.mergeParts() }
      let times = [RandomBatch.time(&generator, now), RandomBatch.time(&generator, now)].sorted()
      let range = try #require(TimeRange(startMilliseconds: times[0], endMilliseconds: times[1]))
      var cursor = try machine.engine.select(tenant: .default, [], range, withHistogramBefore: true)
      var answer = try #require(try Answer(&cursor), comment)
      for (labels, histograms) in answer.histograms {
        let outside = histograms.keys.filter { $0 < range.startMilliseconds }
        guard let time = outside.first else { continue }
        found += 1
        let all = model.histograms[.default]?[labels] ?? [:]
        #expect(outside.count == 1 && histograms.count > 1, comment)
        #expect(all[time] == histograms[time], comment)
        answer.histograms[labels]?[time] = nil
        answer.starts[labels]?[time] = nil
        if answer.starts[labels]?.isEmpty == true { answer.starts[labels] = nil }
      }
      #expect(answer == model.answer(.default, [], range), comment)
    }
    #expect(seed != 1 || found > 0)
  }
}
