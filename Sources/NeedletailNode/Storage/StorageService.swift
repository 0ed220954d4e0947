import Logging
import NeedletailBlocks
import NeedletailEnvironment
import ServiceLifecycle

/// Opens the storage, keeps it in shape while the server runs (flush, retention, merges), and closes it when everything
/// that uses it has ended.
struct StorageService: Service {
  /// How often it is looked whether there is something to do.
  private static let interval = Duration.milliseconds(500)
  /// How often parts beyond the retention are looked for, in nanoseconds.
  private static let retentionInterval: Int64 = 600_000_000_000

  let configuration: ServerConfiguration
  let executor: ThreadExecutor
  let clock: any WallClock
  let random: any RandomSource
  let fileSystem: any FileSystem
  let logger: Logger
  let counters: MaintenanceCounters
  let stopTime: StopTime
  /// Waits until the storage may be opened; false where that will not be.
  let mayOpen: @Sendable () async -> Bool
  /// Called with the storage when it is open.
  let onOpen: @Sendable (NodeStorage) throws -> Void
  /// Called just before the storage is closed.
  let onClose: @Sendable () -> Void

  func run() async throws {
    guard await cancelWhenGracefulShutdown(mayOpen) else { return }
    let storage = try await open()
    do { try onOpen(storage) } catch {
      try? await executor.run { storage.close() }
      throw error
    }
    let merges = MergeLoop(clock: clock, logger: logger, counters: counters)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await maintain(storage) }
      group.addTask {
        await merges.run(storage.mergers.map { merger in (merger.signal, { try merger.merge() ?? 0 }) })
      }
    }
    onClose()
    await Self.uncancelled {
      // What is in parts need not be read back at the next start.
      if stopTime.allowsFlush(bytes: storage.headBytes) { await flush(storage) }
      try? await executor.run { storage.close() }
    }
    logger.info("storage closed", metadata: ["folder": "\(configuration.dataFolder)"])
  }

  private func open() async throws -> NodeStorage {
    let (configuration, fileSystem, clock, random) = (configuration, fileSystem, clock, random)
    let started = clock.monotonicNanoseconds()
    let storage: NodeStorage
    do {
      storage = try await executor.run {
        try NodeStorage(configuration, fileSystem: fileSystem, clock: clock, random: random)
      }
    } catch {
      throw StartupError("the data folder \(configuration.dataFolder) cannot be opened: \(error)")
    }
    let replay = storage.replay
    for warning in storage.warnings { logger.warning("\(warning)") }
    logger.info(
      "storage open",
      metadata: [
        "folder": "\(configuration.dataFolder)", "records": "\(replay.records)", "bytes": "\(replay.bytes)",
        "milliseconds": "\((clock.monotonicNanoseconds() - started) / 1_000_000)",
      ])
    for damage in storage.series.unreadableParts {
      logger.error("a part cannot be read; answers lack what it holds", metadata: ["damage": "\(damage)"])
    }
    if let tail = replay.tornTail {
      logger.notice(
        "the log ended in the middle of a write that was never acknowledged",
        metadata: ["segment": "\(tail.segment)", "offset": "\(tail.at)", "bytes": "\(tail.bytes)"])
    }
    for damage in replay.damages {
      logger.error(
        "a range of the log is damaged and marked for repair",
        metadata: ["segment": "\(damage.segment)", "range": "\(damage.range)"])
    }
    for loss in storage.losses { logger.error("answers may lack something", metadata: ["reason": "\(loss)"]) }
    for refusal in replay.refusals { logger.error("a log record was refused", metadata: ["reason": "\(refusal)"]) }
    return storage
  }

  /// Flushes by size and by time, and drops what is beyond the retention, until the server shuts down.
  private func maintain(_ storage: NodeStorage) async {
    var lastFlush = clock.monotonicNanoseconds()
    var lastRetention: Int64?
    for await _ in AsyncTimer(interval: Self.interval).cancelOnGracefulShutdown() {
      let now = clock.monotonicNanoseconds()
      let (interval, isForever) = configuration.flushInterval.milliseconds.multipliedReportingOverflow(by: 1_000_000)
      let isDue = !isForever && now - lastFlush >= interval
      if isDue || storage.headBytes >= configuration.flushBytes || storage.wantsFlush {
        lastFlush = now
        await flush(storage)
      }
      if now - (lastRetention ?? .min / 2) >= Self.retentionInterval {
        lastRetention = now
        await enforceRetention(storage)
      }
    }
  }

  private func flush(_ storage: NodeStorage) async {
    let started = clock.monotonicNanoseconds()
    let bytes = storage.headBytes
    do {
      let report = try await executor.run { try storage.flush() }
      let took = clock.monotonicNanoseconds() - started
      counters.flushed(nanoseconds: took)
      stopTime.measured(bytes: bytes, nanoseconds: took)
      guard !report.parts.isEmpty else { return }
      logger.info("flushed", metadata: ["parts": "\(report.parts.count)", "generation": "\(report.generation)"])
    } catch {
      counters.failed()
      logger.error("a flush failed and will be tried again", metadata: ["reason": "\(error)"])
    }
  }

  private func enforceRetention(_ storage: NodeStorage) async {
    do {
      let dropped = try await executor.run { try storage.enforceRetention() }
      if dropped > 0 { logger.info("dropped parts beyond the retention", metadata: ["parts": "\(dropped)"]) }
    } catch {
      counters.failed()
      logger.error("parts beyond the retention could not be dropped", metadata: ["reason": "\(error)"])
    }
  }

  /// Runs `body` to its end even where the surrounding task is cancelled.
  private static func uncancelled(_ body: @escaping @Sendable () async -> Void) async {
    await Task { await body() }.value
  }
}

/// Ticks at a fixed interval until its task is cancelled.
struct AsyncTimer: AsyncSequence, Sendable {
  let interval: Duration

  struct Iterator: AsyncIteratorProtocol {
    let interval: Duration

    mutating func next() async -> Void? {
      do {
        try await Task.sleep(for: interval)
        return ()
      } catch {
        return nil
      }
    }
  }

  func makeAsyncIterator() -> Iterator { Iterator(interval: interval) }
}
