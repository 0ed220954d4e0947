import Foundation
import NeedletailProcesses
import Testing

/// What the harness does to a process, tried on one that belongs to no cluster: the scenarios build on it.
@Suite("The harness", .serialized, .timeLimit(.minutes(3)))
struct ClusterHarnessTests {
  /// One node under load.
  private func play(_ body: (ClusterHarness, ClusterRun) async throws -> Void) async throws {
    let harness = try ClusterHarness(["--set", "self-interval=off"])
    let run = ClusterRun("harness", on: harness, seed: 1)
    do {
      try await harness.join("n1")
      run.begin(writers: 1, pause: 2, isWatched: false)
      try await run.progress(100, seconds: 30, "at first")
      try await body(harness, run)
      try await run.progress(100, seconds: 30, "in the end")
      _ = await run.finish()
      let reader = ReadBack(client: try await harness.client("n1"), telemetry: run.telemetry)
      let verdict = try await run.read(reader, traces: run.traces()).verdict
      #expect(verdict.isClean, "\(verdict)")
      #expect(run.ledger.books.refusals.isEmpty, "\(run.ledger.books.refusals)")
    } catch {
      print(await harness.lastLines())
      _ = await run.finish()
      try await harness.end()
      throw error
    }
    try await harness.end()
  }

  @Test("kills a process, lets it stand still, and serves its folder alone")
  func signals() async throws {
    try await play { harness, run in
      #expect(try await harness.end("n1", SIGKILL) == -SIGKILL)
      #expect((try? await harness.client("n1").get("/-/ready")) == nil)
      try await harness.start("n1")
      try await run.progress(100, seconds: 30, "after a kill")
      try await harness.stop("n1", true)
      // The signal takes a moment to reach all threads.
      try await eventually(seconds: 20, "it does not answer") {
        (try? await harness.client("n1").ask("/-/ready", seconds: 1)) == nil
      }
      try await harness.stop("n1", false)
      try await run.progress(100, seconds: 30, "after a standstill")
      var names: [String] = []
      try await harness.alone { name, client in
        names.append(name)
        let reader = ReadBack(client: client, telemetry: run.telemetry)
        let verdict = try await run.read(reader, traces: run.traces(20)).verdict
        #expect(verdict.lost.isEmpty, "\(verdict)")
      }
      #expect(names == ["n1"])
      try await harness.start("n1")
    }
  }

  @Test("deletes a data folder, of which the checker finds that all is lost")
  func deletion() async throws {
    let harness = try ClusterHarness(["--set", "self-interval=off"])
    try await harness.join("n1")
    let run = ClusterRun("deleted", on: harness, seed: 1)
    run.begin(writers: 1, pause: 2, isWatched: false)
    try await run.progress(100, seconds: 30, "at first")
    _ = await run.finish()
    try await harness.end("n1", SIGTERM)
    try await harness.deleteData("n1")
    try await harness.start("n1")
    // Alone and with nothing it founds another cluster, once it has listened for a while whether there is one.
    try await harness.settle(seconds: 60)
    let reader = ReadBack(client: try await harness.client("n1"), telemetry: run.telemetry)
    let verdict = try await run.read(reader, traces: run.traces()).verdict
    #expect(Set(verdict.lost) == run.ledger.books.acknowledged && !verdict.lost.isEmpty)
    try await harness.end()
  }

  @Test(
    "fills a small disk, upon which nothing is acknowledged, and gives it back",
    .enabled(if: OutsideProgram.isCI || getuid() == 0, "a small disk is mounted, which only root may"))
  func fullDisk() async throws {
    try await play { harness, run in
      try await harness.end("n1", SIGTERM)
      try await harness.moveToSmallDisk("n1", mebibytes: 64)
      try await harness.start("n1")
      try await run.progress(100, seconds: 30, "on the small disk")
      try await harness.fillDisk("n1", true)
      let client = try await harness.client("n1")
      let telemetry = RunTelemetry(run: "large", base: run.telemetry.base)
      var isRefused = false
      for number in 0..<2000 where !isRefused {
        let request = telemetry.samples(writer: 0, number: number)
        let headers = request.headers.merging(["content-type": request.type]) { $1 }
        let answer = try await client.ask(request.path, isPost: true, body: request.body, headers: headers)
        isRefused = answer.status >= 500
      }
      #expect(isRefused)
      try await harness.fillDisk("n1", false)
    }
  }
}
