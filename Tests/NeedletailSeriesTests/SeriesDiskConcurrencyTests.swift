import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Nobody waits for the disk who does not ask for it")
struct SeriesDiskConcurrencyTests {
  /// What is in the middle of its work when the disk stands still.
  enum Work: CaseIterable {
    case commit, flush, merge, retention, deletion, cleaning, query

    /// Some of the calls that it is made of, as far as they tell it from others.
    var calls: Set<String> {
      switch self {
      case .commit: ["write", "sync", "open"]
      case .flush: ["write", "sync", "syncDirectory", "createDirectory", "commit", "remove"]
      case .merge: ["read", "write", "sync", "syncDirectory", "createDirectory", "commit", "remove"]
      case .retention: ["commit", "remove"]
      case .deletion: ["write", "sync", "commit"]
      case .cleaning: ["read", "write", "sync", "commit", "remove"]
      case .query: ["read"]
      }
    }
  }

  /// What an append and a query that should have got through came upon.
  private final class Findings: Sendable {
    let probes = Lock(0)
    let wrong = Lock<[String]>([])
  }

  private static func labels(_ name: String) -> LabelSet { LabelSet(["__name__": "m", "of": name]) }

  /// One sample of each of some series.
  private static func batch(_ names: [String], time: Int64) throws -> DefinedBatch {
    try DefinedBatch(names.map(labels), time: time)
  }

  /// Appends to a series that parts have and to one that is new, and asks for both.
  private static func probe(_ machine: SeriesMachine, _ findings: Findings) {
    let number = findings.probes.withLock { number in
      defer { number += 1 }
      return number
    }
    do {
      let time = machine.nowMilliseconds + Int64(number)
      let names = ["series 0", "new \(number)"]
      let new = try batch(names, time: time)
      _ = try machine.engine.appendInMemory(new.batch, new.definitions, to: machine.journal)
      for name in names {
        var cursor = try machine.engine.select(tenant: .default, [LabelMatcher("of", equals: name)], .all)
        let isFound = try Answer(&cursor)?.samples[labels(name)]?[time] != nil
        if !isFound || !cursor.damages.isEmpty {
          findings.wrong.withLock { $0.append("probe \(number) does not find its sample of \(name)") }
        }
      }
    } catch {
      findings.wrong.withLock { $0.append("probe \(number): \(error)") }
    }
  }

  /// A machine with parts of one day, some of them with deletions where these are to be cleaned away.
  private func prepared(_ work: Work, _ disk: WatchedFileSystem, _ faulty: FaultyFileSystem) async throws
    -> SeriesMachine
  {
    let options = SeriesEngineOptions(
      retention: .milliseconds(86_400_000), blockBytes: 2048, mergeFanIn: 3, closedDayQuietMilliseconds: 0)
    let machine = try SeriesMachine(faulty, options: options, watched: disk)
    let names = (0..<20).map { "series \($0)" }
    for round in 0..<4 as Range<Int64> {
      let new = try Self.batch(names, time: machine.nowMilliseconds - 1000 + round)
      _ = try await machine.append(new.batch, new.definitions)
      _ = try machine.journal.flush()
    }
    if work == .cleaning { try machine.engine.delete(tenant: .default, [LabelMatcher("of", equals: "series 3")], .all) }
    if work == .retention { machine.clock.advance(nanoseconds: 3 * 86_400_000_000_000) }
    // What is to be written: more than a file of the log holds.
    for index in 0..<3 {
      let names = (0..<10).map { "late \(index) \($0) " + String(repeating: "x", count: 1000) }
      let new = try Self.batch(names, time: machine.nowMilliseconds)
      _ = try machine.engine.appendInMemory(new.batch, new.definitions, to: machine.journal)
    }
    if work == .flush { machine.journal.commitPending() }
    if work == .retention { _ = try machine.journal.flush() }
    return machine
  }

  private func run(_ work: Work, on machine: SeriesMachine) throws {
    switch work {
    case .commit: machine.journal.commitPending()
    case .flush: _ = try machine.journal.flush()
    case .merge: #expect(try machine.engine.mergeParts() > 0)
    case .retention: #expect(try machine.engine.enforceRetention(now: machine.nowMilliseconds).count == 4)
    case .deletion: try machine.engine.delete(tenant: .default, [LabelMatcher("of", equals: "series 5")], .all)
    case .cleaning: #expect(try machine.engine.cleanTombstones() > 0)
    case .query: #expect(try read(machine).samples.count >= 50)
    }
  }

  @Test(
    "While the disk stands still at any call of a commit, a flush, a merge and the like, appends and queries go on",
    arguments: Work.allCases)
  func standstill(_ work: Work) async throws {
    let faulty = FaultyFileSystem(seed: 1)
    let disk = WatchedFileSystem(faulty)
    let machine = try await prepared(work, disk, faulty)
    let findings = Findings()
    let standstill = Standstill { Self.probe(machine, findings) }
    disk.watch { standstill.meet("\($0.operation)") }
    machine.catalog.watchCommits { standstill.meet("commit") }
    try run(work, on: machine)
    disk.watch(nil)
    machine.catalog.watchCommits(nil)
    standstill.end()
    #expect(findings.wrong.withLock { $0 } == [])
    try #require(standstill.stuckAt == nil)
    #expect(work.calls.isSubset(of: standstill.calls), "\(work) is no longer made of what is to stand still")
  }
}
