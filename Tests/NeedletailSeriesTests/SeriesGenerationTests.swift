import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The directory over flushes")
struct SeriesGenerationTests {
  static func labels(_ number: Int) -> LabelSet {
    LabelSet(["__name__": "m", "pod": "pod-\(number)", "zone": "\(number % 3)"])
  }

  /// One sample of each of some series.
  static func batch(_ numbers: Range<Int>, time: Int64) throws -> DefinedBatch {
    try DefinedBatch(numbers.map(labels), time: time)
  }

  private func append(
    _ numbers: Range<Int>, to machine: SeriesMachine, time: Int64, withDefinitions: Bool = true
  ) async throws {
    let new = try Self.batch(numbers, time: time)
    _ = try await machine.append(new.batch, withDefinitions ? new.definitions : nil)
  }

  private func directory(_ machine: SeriesMachine) -> SeriesDirectory {
    machine.engine.state.withLock { $0.head.directory }
  }

  @Test("flushes keep the directory: the same numbers, labels and postings")
  func survives() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let now = machine.nowMilliseconds
    let first = directory(machine)
    for round in 0..<5 {
      let count = round == 2 ? 50 : 50 + round
      try await append(0..<count, to: machine, time: now + Int64(round), withDefinitions: round != 2)
      _ = try machine.journal.flush()
      #expect(directory(machine) === first)
      let records = first.records
      #expect((0..<records.count).map { records.labels($0) } == (0..<records.count).map { Self.labels($0) })
      let view = try #require(first.view(of: .default))
      #expect(view.select([LabelMatcher("zone", equals: "1")]).members.count == (records.count + 1) / 3)
    }
    #expect(first.records.count == 54)
    #expect(machine.engine.statistics.activeSeries == 0)
    #expect(machine.engine.statistics.headBytes == 0)
    #expect(machine.engine.statistics.knownSeries == 54)
  }

  @Test("names and values of series without a sample in the head are not listed")
  func listing() async throws {
    let options = SeriesEngineOptions(retention: .milliseconds(86_400_000), blockBytes: 2048)
    let machine = try SeriesMachine(FaultyFileSystem(seed: 2), options: options)
    try await append(0..<10, to: machine, time: machine.nowMilliseconds)
    _ = try machine.journal.flush()
    machine.clock.advance(nanoseconds: 3 * 86_400_000_000_000)
    try machine.engine.enforceRetention(now: machine.nowMilliseconds)
    #expect(try machine.engine.labelValues(tenant: .default, name: "pod", [], .all).elements.isEmpty)
    #expect(try machine.engine.labelNames(tenant: .default, [], .all).elements.isEmpty)
    try await append(4..<6, to: machine, time: machine.nowMilliseconds, withDefinitions: false)
    #expect(try machine.engine.labelValues(tenant: .default, name: "pod", [], .all).elements == ["pod-4", "pod-5"])
    let matcher = LabelMatcher("zone", equals: "1")
    #expect(try machine.engine.labelValues(tenant: .default, name: "pod", [matcher], .all).elements == ["pod-4"])
    #expect(try machine.engine.labelNames(tenant: .default, [matcher], .all).elements == ["__name__", "pod", "zone"])
  }

  @Test("churn does not grow the directory for ever, and nothing is lost where a fresh one begins")
  func churn() async throws {
    var machine = try SeriesMachine(FaultyFileSystem(seed: 3))
    let now = machine.nowMilliseconds
    var directories = 0
    var most = 0
    for round in 0..<24 {
      let before = directory(machine)
      try await append(round * 100..<round * 100 + 100, to: machine, time: now + Int64(round))
      _ = try machine.journal.flush()
      if directory(machine) !== before { directories += 1 }
      most = max(most, machine.engine.statistics.knownSeries)
    }
    #expect(directories >= 4)
    #expect(most <= 500, "two generations are at least half, or the directory is fresh within one more")
    #expect(try read(machine).samples.count == 2400)
    machine = try machine.crash(.syncedOnly)
    #expect(try read(machine).samples.count == 2400)
  }

  @Test("while a frozen head waits for its flush, the labels of the directory before are known, and logged anew")
  func oldDirectory() async throws {
    var machine = try SeriesMachine(FaultyFileSystem(seed: 4))
    let now = machine.nowMilliseconds
    try await append(0..<300, to: machine, time: now)
    for round in 1..<3 {
      _ = try machine.journal.flush()
      try await append(0..<20, to: machine, time: now + Int64(round), withDefinitions: false)
    }
    let before = directory(machine)
    machine.disk.fail(.open, onPathsEnding: "/header.new", skip: 0, number: 28)
    #expect(throws: (any Error).self) { _ = try machine.journal.flush() }
    #expect(directory(machine) !== before && directory(machine).records.count == 0)
    try await append(10..<30, to: machine, time: now + 9, withDefinitions: false)
    #expect(directory(machine).records.count == 20)
    func counts(_ machine: SeriesMachine) throws -> [Int] {
      let answer = try read(machine)
      return [0, 15, 25, 250].map { answer.samples[Self.labels($0)]?.count ?? 0 }
    }
    #expect(try counts(machine) == [3, 4, 2, 1])
    machine = try machine.crash(.syncedOnly)
    #expect(machine.report.refusals.isEmpty)
    #expect(try counts(machine) == [3, 4, 2, 1])
    _ = try machine.journal.flush()
    #expect(try counts(machine) == [3, 4, 2, 1])
    #expect(machine.engine.state.withLock { $0.old == nil })
  }
}
