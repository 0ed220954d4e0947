import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("The directory over flushes, beside queries")
struct GenerationConcurrencyTests {
  /// How far the writer has come.
  private final class Progress: Sendable {
    private let state = Lock((acknowledged: 0, isDone: false))

    var acknowledged: Int {
      get { state.withLock { $0.acknowledged } }
      set { state.withLock { $0.acknowledged = newValue } }
    }

    var isDone: Bool {
      get { state.withLock { $0.isDone } }
      set { state.withLock { $0.isDone = newValue } }
    }
  }

  @Test("queries beside freezes and fresh directories see every acknowledged series, once")
  func concurrency() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 5))
    let engine = machine.engine
    let now = machine.nowMilliseconds
    let progress = Progress()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while !progress.isDone {
          machine.journal.commitPending()
          await Task.yield()
        }
      }
      group.addTask {
        while !progress.isDone {
          _ = try machine.journal.flush()
          await Task.yield()
        }
      }
      group.addTask {
        defer { progress.isDone = true }
        for round in 0..<60 {
          // Every round brings new series and lets older ones go.
          let new = try SeriesGenerationTests.batch(
            round * 20..<round * 20 + 30, time: now + Int64(round))
          _ = try await engine.append(new.batch, definitions: new.definitions)
          progress.acknowledged = round * 20 + 30
        }
      }
      for _ in 0..<2 {
        group.addTask {
          while !progress.isDone {
            let before = progress.acknowledged
            var cursor = try engine.select(tenant: .default, [try LabelMatcher("pod", .matches, "pod-.*")], .all)
            await Task.yield()
            let found = try Answer(&cursor)
            let answer = try #require(found)
            #expect((0..<before).allSatisfy { answer.samples[SeriesGenerationTests.labels($0)] != nil })
            let values = try engine.labelValues(tenant: .default, name: "pod", [], .all).elements
            #expect(Set(values).count == values.count && values.count >= before)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try read(machine).samples.count == 1210)
  }
}
