import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Deletions beside appends, flushes, merges and queries")
struct DeletionConcurrencyTests {
  /// How far everybody has come, in rounds.
  private struct Progress {
    var acknowledged = 0
    /// Everything below was asked to be deleted, and is deleted.
    var asked = 0
    var deleted = 0
    var isDone = false
  }

  private final class Shared: Sendable {
    private let progress = Lock(Progress())

    func withLock<Result: Sendable>(_ body: (inout Progress) -> Result) -> Result {
      progress.withLock { body(&$0) }
    }
  }

  private static let rounds = 60

  private static func labels(_ name: String) -> LabelSet { LabelSet(["__name__": "m", "of": name]) }

  /// One sample of the series that stays and of the one that is deleted from.
  private static func write(_ round: Int, _ engine: SeriesEngine, base: Int64) async throws {
    let new = try DefinedBatch([labels("kept"), labels("gone")], id: UInt64(round)) { _, builder in
      builder.append(timestamp: base + Int64(round), valueBits: UInt64(round))
    }
    _ = try await engine.append(new.batch, definitions: new.definitions)
  }

  private static func check(_ engine: SeriesEngine, _ progress: Shared, base: Int64) async throws {
    let before = progress.withLock { $0 }
    var cursor = try engine.select(tenant: .default, [], .all)
    let asked = progress.withLock { $0.asked }
    await Task.yield()
    let answer = try #require(try Answer(&cursor))
    #expect(cursor.damages.isEmpty)
    let kept = (answer.samples[labels("kept")] ?? [:]).keys.map { Int($0 - base) }.sorted()
    #expect(kept == Array(0..<kept.count) && kept.count >= before.acknowledged)
    let gone = (answer.samples[labels("gone")] ?? [:]).keys.map { Int($0 - base) }.sorted()
    #expect(gone.allSatisfy { $0 >= before.deleted })
    // What nobody has asked to delete is there.
    if asked < before.acknowledged {
      #expect(Set(gone).isSuperset(of: asked..<before.acknowledged))
    }
  }

  @Test("queries see nothing of what is deleted and all of what is not")
  func beside() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let engine = machine.engine
    let day = SeriesEngine.day(of: machine.nowMilliseconds)
    let base = day * SeriesEngine.dayMilliseconds
    let progress = Shared()
    let isDone: @Sendable () -> Bool = { progress.withLock { $0.isDone } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      let background: [@Sendable () throws -> Void] = [
        { machine.journal.commitPending() }, { _ = try machine.journal.flush() }, { _ = try engine.mergeParts() },
        { _ = try engine.cleanTombstones() },
        {
          let through = progress.withLock { progress in
            progress.asked = max(progress.asked, progress.acknowledged - 3)
            return progress.asked
          }
          guard through > 0,
            let range = TimeRange(
              startMilliseconds: base, endMilliseconds: base + Int64(through) - 1)
          else { return }
          try engine.delete(tenant: .default, [LabelMatcher("of", equals: "gone")], range)
          progress.withLock { $0.deleted = through }
        },
      ]
      for work in background {
        group.addTask {
          while !isDone() {
            try work()
            await Task.yield()
          }
        }
      }
      group.addTask {
        defer { progress.withLock { $0.isDone = true } }
        for round in 0..<Self.rounds {
          try await Self.write(round, engine, base: base)
          progress.withLock { $0.acknowledged = round + 1 }
        }
      }
      group.addTask { while !isDone() { try await Self.check(engine, progress, base: base) } }
      try await group.waitForAll()
    }
    try await Self.check(engine, progress, base: base)
    #expect(progress.withLock { $0.deleted } > 0)
    var model = SeriesModel()
    for round in 0..<Self.rounds {
      model.add(.default, Self.labels("kept"), base + Int64(round), UInt64(round))
      if round >= progress.withLock({ $0.deleted }) {
        model.add(.default, Self.labels("gone"), base + Int64(round), UInt64(round))
      }
    }
    try DigestModel(model).check(engine, "at the end")
  }
}
