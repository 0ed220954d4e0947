import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Appends, queries and flushes at the same time")
struct SeriesConcurrencyTests {
  /// How far the writers have come.
  private final class Progress: Sendable {
    let acknowledged = Lock([Int](repeating: 0, count: writers))
    private let done = Lock(false)

    var isDone: Bool {
      get { done.withLock { $0 } }
      set { done.withLock { $0 = newValue } }
    }
  }

  private static let writers = 4
  private static let rounds = 40

  private static func labels(_ writer: Int) -> LabelSet {
    LabelSet(["__name__": "m", "writer": "\(writer)"])
  }

  /// Round `round` of a writer: the samples `0...round` exist once it is acknowledged.
  private static func write(_ writer: Int, _ round: Int, _ engine: SeriesEngine, now: Int64) async throws {
    let new = try DefinedBatch([labels(writer)], id: UInt64(writer * rounds + round)) { _, builder in
      builder.append(timestamp: now - 1_000_000 + Int64(round), valueBits: Double(round).bitPattern)
    }
    _ = try await engine.append(new.batch, definitions: new.definitions)
  }

  @Test("every query sees a whole prefix of each writer's samples, at least what was acknowledged before it began")
  func prefixes() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
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
        try await withThrowingTaskGroup(of: Void.self) { writers in
          for writer in 0..<Self.writers {
            writers.addTask {
              for round in 0..<Self.rounds {
                try await Self.write(writer, round, engine, now: now)
                progress.acknowledged.withLock { $0[writer] = round + 1 }
              }
            }
          }
          defer { progress.isDone = true }
          try await writers.waitForAll()
        }
      }
      group.addTask {
        while !progress.isDone {
          let before = progress.acknowledged.withLock { $0 }
          var cursor = try engine.select(tenant: .default, [], .all)
          await Task.yield()
          let answer = try #require(try Answer(&cursor))
          #expect(cursor.damages.isEmpty)
          for writer in 0..<Self.writers {
            let times = answer.samples[Self.labels(writer)]?.keys.sorted() ?? []
            #expect(times.count >= before[writer])
            #expect(times == (0..<times.count).map { now - 1_000_000 + Int64($0) })
          }
        }
      }
      try await group.waitForAll()
    }
    let answer = try read(machine)
    #expect(answer.samples.values.allSatisfy { $0.count == Self.rounds })
    #expect(answer.samples.count == Self.writers)
  }

  /// As many series that nobody has seen before, more than a page of the directory holds.
  private static func fresh(_ round: Int, now: Int64) throws -> DefinedBatch {
    let labels = (0..<2500).map { LabelSet(["__name__": "m", "round": "\(round)", "series": "\($0)"]) }
    return try DefinedBatch(labels, time: now - 1000)
  }

  @Test("series that come at the instant before a query lists its series are among them, and can be read")
  func newSeriesBeforeListing() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let first = try Self.fresh(0, now: machine.nowMilliseconds)
    _ = try await machine.append(first.batch, first.definitions)
    // With a part beside the head, identities and labels of both are compared.
    _ = try machine.journal.flush()
    let late = try Self.fresh(1, now: machine.nowMilliseconds)
    var snapshot = machine.engine.snapshot(.default, .all)
    var outcome: SeriesAppendOutcome?
    let gathering = try snapshot.gather([], limit: .max) {
      outcome = try? machine.engine.appendInMemory(late.batch, late.definitions, to: machine.journal).result
    }
    #expect(outcome?.accepted == 2500)
    #expect(gathering.count == 5000 && snapshot.damages.isEmpty)
    var readers = SourceReaders(snapshot.sources)
    for entry in 0..<gathering.count { _ = try readers.labels(gathering.first(of: entry)) }
  }

  /// A stress; the test above meets the instant for certain.
  @Test("series that come while a query looks for some do not upset it, page after page")
  func newSeries() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 2))
    let engine = machine.engine
    let now = machine.nowMilliseconds
    let first = try Self.fresh(0, now: now)
    _ = try await machine.append(first.batch, first.definitions)
    _ = try machine.journal.flush()
    let progress = Progress()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for round in 1..<12 {
          let next = try Self.fresh(round, now: now)
          _ = try await machine.append(next.batch, next.definitions)
        }
        progress.isDone = true
      }
      group.addTask {
        while !progress.isDone {
          // With a part beside the head, identities and labels of both are compared.
          let cursor = try engine.select(tenant: .default, [], .all)
          #expect(cursor.matchedSeriesCount >= 2500)
          _ = try engine.digests(window: SeriesWindow(of: now))
          await Task.yield()
        }
      }
      try await group.waitForAll()
    }
    #expect(try engine.select(tenant: .default, [], .all).matchedSeriesCount == 12 * 2500)
  }
}
