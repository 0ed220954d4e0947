import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("Queries that may not wait for a disk")
struct SeriesInMemoryTests {
  /// A machine with some parts of one day, and how often its disk was asked for something.
  private final class Watched: Sendable {
    let machine: SeriesMachine
    private let calls = Lock<[FileError.Operation]>([])

    init() async throws {
      let faulty = FaultyFileSystem(seed: 1)
      let disk = WatchedFileSystem(faulty)
      let options = SeriesEngineOptions(
        retention: .forever, blockBytes: 2048, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
      machine = try SeriesMachine(faulty, options: options, watched: disk)
      for round in 0..<3 as Range<Int64> {
        let series = (0..<20).map { LabelSet(["__name__": "m", "of": "series \($0)"]) }
        let new = try DefinedBatch(series, time: machine.nowMilliseconds - 1000 + round)
        _ = try await machine.append(new.batch, new.definitions)
        _ = try machine.journal.flush()
      }
      disk.watch { [weak self] call in self?.calls.withLock { $0.append(call.operation) } }
    }

    /// What was asked of the disk since the last call.
    func takeCalls() -> [FileError.Operation] {
      calls.withLock { calls in
        defer { calls = [] }
        return calls
      }
    }
  }

  private func inMemory<Result>(_ run: InMemoryRun, _ body: () throws -> Result) rethrows -> Result {
    try InMemoryRun.$current.withValue(run) { try body() }
  }

  @Test("they read no file: what is not kept in memory is refused, and what is kept is answered as ever")
  func refusal() async throws {
    let watched = try await Watched()
    let machine = watched.machine
    let matchers = [try LabelMatcher("of", .matches, "series 1.*")]
    func samples() throws -> (answer: Answer, isComplete: Bool) {
      var cursor = try machine.engine.select(tenant: .default, matchers, .all)
      let answer = try #require(try Answer(&cursor))
      return (answer, cursor.damages.isEmpty)
    }
    let cold = InMemoryRun()
    #expect(try !inMemory(cold) { try samples().isComplete })
    #expect(cold.hasRefused && watched.takeCalls() == [])
    let fromDisk = try samples()
    #expect(fromDisk.isComplete && fromDisk.answer.samples.count == 11)
    #expect(watched.takeCalls().contains(.read))
    let warm = InMemoryRun()
    let kept = try inMemory(warm) { try samples() }
    #expect(kept.isComplete && kept.answer == fromDisk.answer)
    #expect(!warm.hasRefused && watched.takeCalls() == [])
  }

  @Test("lists of labels and series are answered from what is kept as well")
  func lists() async throws {
    let watched = try await Watched()
    let engine = watched.machine.engine
    func names() throws -> [[String]] {
      let series = try engine.series(tenant: .default, [LabelMatcher("of", equals: "series 3")], .all)
      return [
        try engine.labelNames(tenant: .default, [], .all).elements,
        try engine.labelValues(tenant: .default, name: "of", [], .all).elements, series.elements.map { "\($0)" },
      ]
    }
    let cold = InMemoryRun()
    _ = try inMemory(cold) { try names() }
    #expect(cold.hasRefused && watched.takeCalls() == [])
    let fromDisk = try names()
    _ = watched.takeCalls()
    let warm = InMemoryRun()
    #expect(try inMemory(warm) { try names() } == fromDisk)
    #expect(fromDisk.map(\.count) == [2, 20, 1] && !warm.hasRefused && watched.takeCalls() == [])
  }

  @Test("a question that finds more series than it may look at ends early", arguments: [59, 60])
  func work(max: Int) async throws {
    let watched = try await Watched()
    let engine = watched.machine.engine
    let matchers = [LabelMatcher("__name__", equals: "m")]
    let questions: [() throws -> Int] = [
      {
        var cursor = try engine.select(tenant: .default, matchers, .all)
        return try Answer(&cursor)?.samples.count ?? 0
      },
      { try engine.series(tenant: .default, matchers, .all).elements.count },
      { try engine.labelValues(tenant: .default, name: "of", matchers, .all).elements.count },
      { try engine.labelNames(tenant: .default, matchers, .all).elements.count * 10 },
    ]
    for question in questions {
      #expect(try question() == 20)
      // Three parts have twenty series each.
      let run = InMemoryRun(workMax: max)
      if max < 60 {
        #expect(throws: SeriesQueryError.cancelled) { try inMemory(run) { try question() } }
        #expect(run.hasRefused)
      } else {
        #expect(try inMemory(run) { try question() } == 20)
        #expect(!run.hasRefused)
      }
    }
  }

  @Test("a list without matchers is bound by the texts of the parts, however many series they have")
  func listWork() async throws {
    let engine = try await Watched().machine.engine
    let lists: [(count: Int, list: () throws -> Int)] = [
      (20, { try engine.labelValues(tenant: .default, name: "of", [], .all).elements.count }),
      (2, { try engine.labelNames(tenant: .default, [], .all).elements.count }),
    ]
    for (count, list) in lists {
      #expect(try list() == count)
      // Three parts have the same ones.
      let (enough, tooLittle) = (InMemoryRun(workMax: 3 * count), InMemoryRun(workMax: 3 * count - 1))
      #expect(try inMemory(enough) { try list() } == count)
      #expect(throws: SeriesQueryError.cancelled) { try inMemory(tooLittle) { try list() } }
      #expect(!enough.hasRefused && tooLittle.hasRefused)
    }
  }

  @Test("a question about a head that finds more series than it may look at ends early")
  func workInHead() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let series = (0..<20).map { LabelSet(["__name__": "m", "of": "series \($0)"]) }
    let new = try DefinedBatch(series, time: machine.nowMilliseconds)
    _ = try await machine.append(new.batch, new.definitions)
    let matchers = [LabelMatcher("__name__", equals: "m")]
    for (max, isEnough) in [(19, false), (20, true)] {
      let runs = (0..<2).map { _ in InMemoryRun(workMax: max) }
      let selected = try? inMemory(runs[0]) { try machine.engine.select(tenant: .default, matchers, .all) }
      let listed = try? inMemory(runs[1]) {
        try machine.engine.labelValues(tenant: .default, name: "of", matchers, .all).elements.count
      }
      #expect((selected != nil) == isEnough && listed == (isEnough ? 20 : nil))
      #expect(runs.allSatisfy { $0.hasRefused != isEnough })
    }
  }

  @Test("the last one to hold a part that was merged away leaves its removal to others")
  func removal() async throws {
    let watched = try await Watched()
    let machine = watched.machine
    var cursor: SeriesCursor? = try machine.engine.select(tenant: .default, [], .all)
    #expect(try machine.engine.mergeParts() > 0)
    _ = watched.takeCalls()
    let run = InMemoryRun()
    inMemory(run) { if cursor != nil { cursor = nil } }
    #expect(watched.takeCalls() == [])
    let postponed = run.takePostponed()
    #expect(postponed.count == 3 && run.takePostponed().isEmpty && !run.hasRefused)
    for work in postponed { work() }
    #expect(watched.takeCalls().contains(.remove))
  }
}
