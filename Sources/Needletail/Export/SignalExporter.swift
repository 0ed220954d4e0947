import NeedletailOTLP
import Synchronization

/// Delivers batches of one signal, repeating what deserves it, and counts what became of their records.
final class SignalExporter: Sendable {
  /// Records by what became of them.
  struct Counts: Equatable {
    /// Delivered.
    var exported: UInt64 = 0
    /// Refused by the receiver for good.
    var refused: UInt64 = 0
    /// Given up after the receiver could not be reached for too long, or when the process ended.
    var lost: UInt64 = 0
  }

  /// What became of a batch.
  enum Outcome: Equatable {
    /// Delivered, refused or given up: done with.
    case settled
    /// The task was cancelled before that.
    case interrupted
  }

  private struct State {
    var counts = Counts()
    var lastDiagnostic: ContinuousClock.Instant?
  }

  private let state = Mutex(State())
  private let name: String
  private let frame: ExportRequestFrame
  private let timeout: Duration
  /// How long an attempt may go on when the service stops.
  private let attemptGrace: Duration
  private let retry: Needletail.Configuration.Retry
  private let identifiers: IdentifierGenerator
  private let diagnostics: @Sendable (String) -> Void

  init(
    name: String, frame: ExportRequestFrame, configuration: Needletail.Configuration,
    identifiers: IdentifierGenerator
  ) {
    self.name = name
    self.frame = frame
    timeout = configuration.timeout
    attemptGrace = configuration.shutdownTimeout / 4
    retry = configuration.retry
    diagnostics = configuration.diagnostics
    self.identifiers = identifiers
  }

  // The lock is only taken in functions that are never inlined, as in `RecordQueue`.

  var counts: Counts { @inline(never) get { state.withLock { $0.counts } } }

  @inline(never) private func count(_ body: (inout Counts) -> Void) { state.withLock { body(&$0.counts) } }

  /// Delivers a batch.
  ///
  /// - Parameters:
  ///   - points: what is counted, where it is not records: the data points of a batch of metrics.
  ///   - deadline: when to give up, however much time the retry policy would still give; nil when it alone decides.
  func export(
    _ batch: RecordBatch, points: Int? = nil, through client: OTLPClient, deadline: ContinuousClock.Instant?
  ) async -> Outcome {
    let body = frame.request(batch)
    let records = UInt64(clamping: points ?? batch.count)
    let clock = ContinuousClock()
    var policy = RetryPolicy(retry)
    while true {
      let start = clock.now
      let limit = deadline.map { min(timeout, start.duration(to: $0)) } ?? timeout
      guard limit > .zero else { return giveUp(records, "the process ends") }
      let outcome = await attempt(body, through: client, timeout: limit)
      switch outcome {
      case .delivered(let rejected):
        let refused = min(rejected, records)
        count {
          $0.exported += records - refused
          $0.refused += refused
        }
        if refused > 0 { diagnose("\(refused) of \(records) records were refused") }
        return .settled
      case .refused(let reason):
        count { $0.refused += records }
        diagnose("\(records) records were refused: \(reason)")
        return .settled
      case .retryable(let reason, let retryAfter):
        if Task.isCancelled { return .interrupted }
        let random = identifiers.nextNumber()
        let spent = start.duration(to: clock.now)
        guard let wait = policy.wait(afterAttemptOf: spent, retryAfter: retryAfter, random: random) else {
          return giveUp(records, reason)
        }
        if let deadline, clock.now.advanced(by: wait) >= deadline { return giveUp(records, reason) }
        diagnose("will try again: \(reason)")
        do { try await Task.sleep(for: wait, clock: clock) } catch { return .interrupted }
      }
    }
  }

  /// Makes one attempt, and lets it end when the task is cancelled meanwhile.
  ///
  /// The receiver may have taken the batch and be about to say so: to cut the attempt off would send it twice.
  private func attempt(_ body: [UInt8], through client: OTLPClient, timeout: Duration) async -> OTLPClient.Outcome {
    let request = Task { await client.post(body, timeout: timeout) }
    let grace = attemptGrace
    return await withTaskCancellationHandler {
      await request.value
    } onCancel: {
      Task {
        try? await Task.sleep(for: grace)
        request.cancel()
      }
    }
  }

  private func giveUp(_ records: UInt64, _ reason: String) -> Outcome {
    count { $0.lost += records }
    diagnose("\(records) records are lost: \(reason)")
    return .settled
  }

  /// Tells of trouble, at most once a minute.
  @inline(never) private func diagnose(_ message: String) {
    let now = ContinuousClock.now
    let isDue = state.withLock { state in
      if let last = state.lastDiagnostic, last.duration(to: now) < .seconds(60) { return false }
      state.lastDiagnostic = now
      return true
    }
    if isDue { diagnostics("\(name): \(message)") }
  }
}
