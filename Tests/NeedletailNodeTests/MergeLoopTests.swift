import Logging
import NeedletailEnvironment
import NeedletailSimulation
import ServiceLifecycle
import Testing

@testable import NeedletailNode

@Suite("The loop of merges")
struct MergeLoopTests {
  private struct Failure: Error {}

  /// Runs a loop as a server does.
  private struct LoopService: Service {
    let loop: MergeLoop
    let merges: [(signal: String, merge: MergeLoop.Merge)]

    func run() async throws { await loop.run(merges) }
  }

  private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

  @Test("a merge under way is cancelled when the server shuts down, and that is no failure")
  func shutdown() async throws {
    let counters = MaintenanceCounters()
    let (begun, beginning) = AsyncStream<Void>.makeStream()
    let merge: MergeLoop.Merge = {
      beginning.finish()
      // As a merge does: it looks whether it is cancelled, and never lets go of its thread.
      while !Task.isCancelled {}
      throw CancellationError()
    }
    let loop = MergeLoop(clock: ManualClock(), logger: logger, counters: counters)
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [LoopService(loop: loop, merges: [("logs", merge), ("spans", merge)])], logger: logger))
    async let ended: Void = group.run()
    for await _ in begun {}
    await group.triggerGracefulShutdown()
    try await ended
    #expect(counters.snapshot.failures == 0 && counters.snapshot.merges == 0)
  }

  @Test("after a failure there is a long pause, the other signals have their turn, and merges are counted")
  func failure() async {
    let counters = MaintenanceCounters()
    let calls = Lock(0)
    let pauses = Lock<[Duration]>([])
    let failing: MergeLoop.Merge = {
      let call = calls.withLock { calls in
        calls += 1
        return calls
      }
      guard call > 2 else { throw Failure() }
      return 0
    }
    var loop = MergeLoop(clock: ManualClock(), logger: logger, counters: counters)
    loop.sleep = { pause in
      let count = pauses.withLock { pauses in
        pauses.append(pause)
        return pauses.count
      }
      if count == 3 { throw CancellationError() }
    }
    await loop.run([("logs", failing), ("spans", { 7 })])
    let (long, short) = (MergeLoop.pauseAfterFailure, MergeLoop.interval)
    #expect(pauses.withLock { $0 } == [long, long, short] && long > short)
    #expect(counters.snapshot.failures == 2 && counters.snapshot.merges == 3)
  }
}
