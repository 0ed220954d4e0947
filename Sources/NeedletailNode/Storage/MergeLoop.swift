import Logging
import NeedletailEnvironment
import ServiceLifecycle

/// Merges small parts of metrics, logs and spans for as long as the server runs.
///
/// On a thread of its own, beside the flush loop: a merge may take minutes, and neither a flush, nor retention, nor a
/// query may wait for it. When the server shuts down, a merge under way ends at the next block, and what it had written
/// is removed.
struct MergeLoop: Sendable {
  /// Merges what there is to merge of one signal; returns how many parts there are fewer.
  ///
  /// Blocks, and throws soon after its task is cancelled.
  typealias Merge = @Sendable () throws -> Int

  /// How often it is looked whether there is something to merge.
  static let interval = Duration.milliseconds(500)
  /// How long nothing is merged after a failure: what makes merges fail, above all a full disk, does not go away by
  /// itself, and each try writes up to a whole part in vain.
  static let pauseAfterFailure = Duration.seconds(30)

  let clock: any WallClock
  let logger: Logger
  let counters: MaintenanceCounters
  var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  /// Merges, signal by signal, until the server shuts down or the task is cancelled.
  func run(_ merges: [(signal: String, merge: Merge)]) async {
    let executor = ThreadExecutor(threads: 1)
    // Only a task can be cancelled, not a call that waits in a pool: the merge runs as part of this task.
    await cancelWhenGracefulShutdown {
      await withTaskExecutorPreference(executor) { await repeatedly(merges) }
    }
    await executor.shutDown()
  }

  private func repeatedly(_ merges: [(signal: String, merge: Merge)]) async {
    while !Task.isCancelled {
      var pause = Self.interval
      for (signal, merge) in merges where !run(merge, signal) { pause = Self.pauseAfterFailure }
      do { try await sleep(pause) } catch { return }
    }
  }

  /// Returns false where the merge failed.
  private func run(_ merge: Merge, _ signal: String) -> Bool {
    let started = clock.monotonicNanoseconds()
    do {
      let gone = try merge()
      guard gone > 0 else { return true }
      counters.merged(nanoseconds: clock.monotonicNanoseconds() - started)
      logger.info("merged parts", metadata: ["signal": "\(signal)", "fewer": "\(gone)"])
      return true
    } catch {
      if Task.isCancelled { return true }
      counters.failed()
      logger.error(
        "parts could not be merged; merging goes on later", metadata: ["signal": "\(signal)", "reason": "\(error)"])
      return false
    }
  }
}
