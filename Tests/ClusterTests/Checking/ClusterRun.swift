import Foundation
import NeedletailEnvironment
import NeedletailProcesses

/// Load on a cluster for the time of one scenario, with queries that are checked while it lasts, and the reading back
/// of everything at the end.
final class ClusterRun: Sendable {
  /// What the queries found that ran beside the load.
  struct Watched: Sendable {
    var whole = 0
    var partial = 0
    var failed = 0
    var violations: [String] = []
  }

  let ledger = Ledger()
  let telemetry: RunTelemetry
  private let harness: ClusterHarness
  private let seed: UInt64
  private let tasks = Lock<[Task<Void, Never>]>([])
  private let watched = Lock(Watched())

  init(_ name: String, on harness: ClusterHarness, seed: UInt64) {
    self.harness = harness
    self.seed = seed
    telemetry = RunTelemetry(run: name, base: Int64(Date().timeIntervalSince1970 * 1000) - 600_000)
  }

  /// Starts writers of all signals and, where it is asked for, a reader.
  func begin(writers: Int = 3, pause: Int = 20, isWatched: Bool = true) {
    let signals = Array(repeating: Entry.Signal.sample, count: writers) + [.line, .span]
    let harness = harness
    for (number, signal) in signals.enumerated() {
      let writer = LoadWriter(
        number: number, signal: signal, telemetry: telemetry, ledger: ledger,
        nodes: { harness.clients }, pause: pause)
      tasks.withLock { $0.append(Task { await writer.run() }) }
    }
    guard isWatched else { return }
    tasks.withLock { $0.append(Task { await self.watch(series: writers * RunTelemetry.seriesPerWriter) }) }
  }

  /// Ends the load; returns what was seen meanwhile.
  func finish() async -> Watched {
    let running = tasks.withLock { tasks in
      defer { tasks = [] }
      return tasks
    }
    for task in running { task.cancel() }
    for task in running { await task.value }
    return watched.withLock { $0 }
  }

  /// How many queries beside the load were answered whole so far.
  var wholeAnswers: Int { watched.withLock { $0.whole } }

  /// Waits until at least so many more entries were acknowledged; the proof that the load goes on.
  func progress(_ count: Int, seconds: Int, _ when: String) async throws {
    let before = ledger.books.acknowledged.count
    try await eventually(seconds: seconds, "\(count) entries are acknowledged \(when)") {
      ledger.books.acknowledged.count >= before + count
    }
  }

  /// Asks one node after the other for one thing after the other: an answer that calls itself whole has all that was
  /// acknowledged before it was asked for, and no answer has what nobody sent.
  private func watch(series count: Int) async {
    var random = SeededGenerator(seed: seed)
    while !Task.isCancelled {
      let clients = harness.clients
      guard !clients.isEmpty else { return }
      let client = clients[Int.random(in: 0..<clients.count, using: &random)]
      let reader = ReadBack(client: client, telemetry: telemetry, consistency: .quorum, seconds: 5)
      let subject: Subject
      switch Int.random(in: 0..<8, using: &random) {
      case 0: subject = .lines
      case 1: subject = traces(1, seed: random.next()).first.map { .trace($0) } ?? .lines
      default: subject = .series(Int.random(in: 0..<count, using: &random))
      }
      await ask(reader, subject)
      try? await Task.sleep(for: .milliseconds(100))
    }
  }

  /// What a query is about.
  private enum Subject: Sendable {
    case series(Int)
    case lines
    case trace(Int)
  }

  private func ask(_ reader: ReadBack, _ subject: Subject) async {
    let before: Set<Entry>
    let answer: ReadBack.Answer?
    switch subject {
    case .series(let series):
      before = ledger.acknowledged(.sample, series: series)
      answer = try? await reader.samples(series: series)
    case .lines:
      before = ledger.acknowledged(.line)
      answer = try? await reader.lines()
    case .trace(let trace):
      before = ledger.acknowledged(.span, series: trace)
      answer = try? await reader.spans(of: trace)
    }
    if Task.isCancelled { return }
    guard let answer else { return watched.withLock { $0.failed += 1 } }
    let acknowledged = answer.isWhole ? before : []
    let verdict = Verdict(answer.entries, acknowledged: acknowledged, attempted: ledger.books.attempted)
    watched.withLock { watched in
      if answer.isWhole { watched.whole += 1 } else { watched.partial += 1 }
      guard !verdict.isClean || answer.coverage == nil else { return }
      watched.violations.append(
        "\(subject) of port \(reader.client.port), \(answer.coverage ?? "no coverage"): \(verdict)")
    }
  }
}
