import Foundation
import NeedletailEnvironment
import NeedletailProcesses
import Testing

/// One fault, or one row of them, on the shared cluster under load, and the check of all that was acknowledged meanwhile.
struct Scenario: Sendable {
  /// `NEEDLETAIL_CLUSTER_ROUNDS`: how many times over each scenario lasts. One fits into `make test`.
  static let rounds = max(1, ProcessInfo.processInfo.environment["NEEDLETAIL_CLUSTER_ROUNDS"].flatMap(Int.init) ?? 1)

  /// What has to have been acknowledged of each signal for a scenario to say anything.
  private static let enough = 30
  /// What has to have been answered whole beside the load.
  private static let answersEnough = 3
  private static let signals: [Entry.Signal] = [.sample, .line, .span]
  /// `NEEDLETAIL_CLUSTER_LONG`: whether those are played too that take minutes in a debug build, or want a machine on which
  /// nothing else runs.
  static let isLong = ProcessInfo.processInfo.environment["NEEDLETAIL_CLUSTER_LONG"] != nil

  let name: String
  let harness: ClusterHarness
  let run: ClusterRun
  /// Everything that is left to chance follows from it: `NEEDLETAIL_CLUSTER_SEED`.
  let seed: UInt64

  /// Puts load on the cluster, has `body` do its worst, and checks what was acknowledged. What is printed where
  /// something is wrong has the seed and the last lines of all nodes.
  static func play(_ name: String, _ body: (Scenario) async throws -> Void) async throws {
    let seed =
      ProcessInfo.processInfo.environment["NEEDLETAIL_CLUSTER_SEED"].flatMap(UInt64.init)
      ?? UInt64.random(in: 0..<1 << 32)
    print("cluster scenario \(name), seed \(seed)")
    let harness = try await SharedCluster.shared.healthy()
    let run = ClusterRun("\(name)-\(seed)", on: harness, seed: seed)
    let scenario = Scenario(name: name, harness: harness, run: run, seed: seed)
    do {
      run.begin()
      try await run.progress(300, seconds: 60, "before anything happens")
      try await body(scenario)
      try await run.progress(300, seconds: 60, "after all of it")
      try await eventually(seconds: 60, "enough of each signal got through to prove something") {
        Self.signals.allSatisfy { run.ledger.acknowledged($0).count >= Self.enough }
      }
      // One that asks a node that stands still waits for seconds: how many it comes to by then is left to chance.
      try await eventually(seconds: 60, "a few queries were answered whole") {
        run.wholeAnswers >= Self.answersEnough
      }
      let watched = await run.finish()
      let problems = try await scenario.check(watched)
      guard problems.isEmpty else { throw TestFailure(problems.joined(separator: "\n")) }
      await SharedCluster.shared.note(run)
    } catch {
      _ = await run.finish()
      print("scenario \(name) of seed \(seed) failed: \(error)\n\(await harness.lastLines())")
      try await SharedCluster.shared.end()
      throw error
    }
  }

  /// Reads everything back when the cluster is whole again; returns what is wrong.
  private func check(_ watched: ClusterRun.Watched) async throws -> [String] {
    var problems = watched.violations.prefix(5).map { "while faults lasted: \($0)" }
    let books = run.ledger.books
    problems += books.refusals.prefix(3).map { "refused for good: \($0)" }
    try await harness.settle(seconds: 60)
    problems += try await agreement()
    for name in await harness.names { problems += try await replicas(of: name) }
    print(
      "cluster scenario \(name): \(books.acknowledged.count) of \(books.attempted.count) entries acknowledged, "
        + "\(books.retries) requests sent again; \(watched.whole) answers whole, \(watched.partial) partial, "
        + "\(watched.failed) failed; \(problems.count) problems")
    return problems
  }

  /// Asks for the agreement of all replicas until there is one; that has to be about everything.
  private func agreement() async throws -> [String] {
    let name = await harness.names[Int(seed % UInt64(await harness.names.count))]
    let reader = ReadBack(client: try await harness.client(name), telemetry: run.telemetry, consistency: .all)
    var last: (verdict: Verdict, coverages: [String])?
    do {
      try await eventually(seconds: 60, "all replicas agree: \(last.map { "\($0)" } ?? "no answer")") {
        guard let read = try? await run.read(reader, traces: run.traces(40, seed: seed)) else { return false }
        last = (read.verdict, read.coverages)
        // One that agrees with itself alone would say 1/1.
        return read.coverages.allSatisfy { $0.contains("partial=false") && $0.contains("replicas=3/3") }
      }
    } catch {
      return ["\(error)"]
    }
    guard let verdict = last?.verdict, !verdict.isClean else { return [] }
    return ["all replicas, asked by \(name): \(verdict)"]
  }

  /// Asks a node for what single replicas have until nothing is missing: what one of them lacks it is given by the
  /// others, in a while. What nobody sent, or is there twice, is wrong at any time.
  private func replicas(of name: String) async throws -> [String] {
    let reader = ReadBack(client: try await harness.client(name), telemetry: run.telemetry, consistency: .one)
    var last: Verdict?
    var counts = (counted: 0, held: 0)
    do {
      try await eventually(seconds: 60, "replicas have all, asked by \(name): \(last?.description ?? "no answer")") {
        let (verdict, coverages, _) = try await run.read(reader, traces: run.traces(15, seed: seed))
        last = verdict
        if let bad = coverages.first(where: { !$0.contains("partial=") }) { throw TestFailure("no coverage: \(bad)") }
        counts = (try await reader.sampleCount().count, try await reader.samples().entries.count)
        guard verdict.invented.isEmpty, verdict.duplicated.isEmpty else { throw TestFailure("\(name): \(verdict)") }
        return verdict.isClean && counts.counted == counts.held
      }
    } catch {
      return ["\(error); counts \(counts.counted) samples of \(counts.held)"]
    }
    return []
  }
}
