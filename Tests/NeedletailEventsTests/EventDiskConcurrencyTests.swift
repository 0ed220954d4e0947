import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Nobody waits for the disk who does not ask for it, with events")
struct EventDiskConcurrencyTests {
  /// What is in the middle of its work when the disk stands still.
  enum Work: CaseIterable {
    case commit, flush, merge, retention, query

    /// Some of the calls that it is made of, as far as they tell it from others.
    var calls: Set<String> {
      switch self {
      case .commit: ["write", "sync", "open"]
      case .flush: ["write", "sync", "syncDirectory", "createDirectory", "commit", "remove"]
      case .merge: ["read", "write", "sync", "syncDirectory", "createDirectory", "commit", "remove"]
      case .retention: ["commit", "remove"]
      case .query: ["read"]
      }
    }
  }

  /// What an append and a query that should have got through came upon.
  private final class Findings: Sendable {
    let probes = Lock(0)
    let wrong = Lock<[String]>([])
  }

  /// What an append and a query need; all of it stays for as long as the test.
  private struct Target: Sendable {
    let logs: EventEngine
    let journal: Journal
    let clock: ManualClock
  }

  private static func lines(_ bodies: [String], at time: Int64, id: Int) throws -> EventBatch {
    try makeBatch(
      bodies.map { (EventStream(), LogRecord(timeNanoseconds: time, body: .string($0))) }, id: UInt64(id))
  }

  /// Appends a line that parts may be of a day with, and looks for it among all of that day.
  private static func probe(_ target: Target, _ findings: Findings) {
    let number = findings.probes.withLock { number in
      defer { number += 1 }
      return number
    }
    do {
      let body = "probe \(number)"
      let batch = try lines([body], at: target.clock.wallNanoseconds(), id: 1000 + number)
      _ = try target.logs.appendInMemory(batch, to: target.journal)
      let found = try target.logs.selectLogs(EventQuery(tenant: .default)).all().map(\.record.body.text)
      if !found.contains(body) { findings.wrong.withLock { $0.append("\(body) is not found") } }
    } catch {
      findings.wrong.withLock { $0.append("probe \(number): \(error)") }
    }
  }

  /// A machine with parts of one day, and lines that are in none.
  private func prepared(_ work: Work, _ disk: WatchedFileSystem, _ faulty: FaultyFileSystem) throws -> EventMachine {
    let machine = try EventMachine(
      faulty, MemoryCatalog(), options: EventEngineOptions(retentionNanoseconds: day), ownThread: false, watched: disk)
    for part in 0..<8 {
      let batch = try Self.lines((0..<5).map { "line \(part) \($0)" }, at: now - Int64(part), id: part)
      _ = try machine.logs.appendInMemory(batch, to: machine.journal)
      try machine.flush()
    }
    if work == .retention { machine.clock.advance(nanoseconds: 3 * day) }
    let batch = try Self.lines((0..<5).map { "late \($0)" }, at: machine.clock.wallNanoseconds(), id: 100)
    _ = try machine.logs.appendInMemory(batch, to: machine.journal)
    if work == .flush { machine.journal.commitPending() }
    if work == .retention { try machine.flush() }
    return machine
  }

  private func run(_ work: Work, on machine: EventMachine) throws {
    switch work {
    case .commit: machine.journal.commitPending()
    case .flush: try machine.flush()
    case .merge: #expect(try machine.logs.mergeParts() > 0)
    case .retention: #expect(try machine.logs.enforceRetention(now: machine.clock.wallNanoseconds()) == 8)
    case .query: #expect(try machine.logs.selectLogs(EventQuery(tenant: .default)).all().count >= 45)
    }
  }

  @Test(
    "While the disk stands still at any call of a commit, a flush, a merge and the like, events are stored and found",
    arguments: Work.allCases)
  func standstill(_ work: Work) throws {
    let faulty = FaultyFileSystem(seed: 1)
    let disk = WatchedFileSystem(faulty)
    let machine = try prepared(work, disk, faulty)
    let findings = Findings()
    let target = Target(logs: machine.logs, journal: machine.journal, clock: machine.clock)
    let standstill = Standstill { Self.probe(target, findings) }
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
