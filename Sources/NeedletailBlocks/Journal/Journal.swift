// The journal is where "acknowledged" is made true. Appends run under one lock that is only ever held for memory work;
// a committer takes what has gathered, writes it, syncs it and wakes all who wait for it, while the next group gathers
// behind it: under load one sync carries many appends, and an append alone waits for nothing but its own sync.
//
// Two locks, always taken in this order: `committer` (held across disk calls), then `state` (memory only).

import NeedletailEnvironment

/// The heart that all engines of a node share: what is acknowledged went through here.
package final class Journal: Sendable {
  let state: Lock<JournalState>
  let committer: Lock<JournalCommitter>
  let flushing = Lock(FlushProgress())
  let participants: [any JournalParticipant]
  let parts: PartsFolder
  let catalog: any PartCatalog
  private let options: JournalOptions
  private let clock: any WallClock
  private let seal: LogSeal
  private let bell = WakeSignal()
  private let thread = Lock<OwnThread?>(nil)

  init(
    participants: [any JournalParticipant], parts: PartsFolder, catalog: any PartCatalog, clock: any WallClock,
    options: JournalOptions, seal: LogSeal, writer: LogWriter, generation: UInt64, sequence: UInt64
  ) {
    self.participants = participants
    self.parts = parts
    self.catalog = catalog
    self.clock = clock
    self.options = options
    self.seal = seal
    // Replayed records are in the heads and in no part: the first flush has work even without an append.
    state = Lock(JournalState(generation: generation, sequence: sequence, frozen: 0))
    committer = Lock(
      JournalCommitter(writer: writer, durable: sequence, removesUnsynced: options.durability == .fsync))
  }

  /// Starts the committer's thread, when there is to be one.
  ///
  /// False when the system gives none.
  func start() -> Bool {
    guard options.commitsOnOwnThread else { return true }
    guard let started = OwnThread({ [self] in commitUntilClosed() }) else { return false }
    thread.withLock { $0 = started }
    return true
  }

  // MARK: Appending

  /// Runs `body` under the journal's lock: it logs its records and applies them to its head at one instant.
  ///
  /// It must only touch memory. When it throws, nothing is logged, and it must have applied nothing. Await the returned
  /// position with `awaitDurable` before acknowledging. Throws `JournalError`, or what `body` throws.
  package func append<Result: Sendable>(
    _ body: (inout JournalTransaction) throws -> Result
  ) throws -> (result: Result, position: LogPosition) {
    do {
      let appended = try state.withLock { state in
        try admit(&state)
        var transaction = JournalTransaction(
          generation: state.generation, chunk: state.takeOpenChunk(),
          seed: seal.seed(generation: state.generation))
        let bytes = transaction.chunk.bytes.count
        let sequence = transaction.chunk.lastSequence
        defer {
          if transaction.chunk.isEmpty {
            state.spare = transaction.chunk.bytes
          } else {
            state.pending.append(transaction.chunk)
          }
        }
        do {
          let result = try body(&transaction)
          state.sequence = transaction.chunk.lastSequence
          state.outstandingBytes += transaction.chunk.bytes.count - bytes
          return (result: result, position: LogPosition(rawValue: state.sequence))
        } catch {
          transaction.chunk.bytes.removeLast(transaction.chunk.bytes.count - bytes)
          transaction.chunk.lastSequence = sequence
          throw error
        }
      }
      bell.ring()
      return appended
    } catch {
      // A refused append is what makes the committer try the disk again.
      if case .refused = error as? JournalError { bell.ring() }
      throw error
    }
  }

  private func admit(_ state: inout JournalState) throws(JournalError) {
    if state.isClosed { throw .closed }
    if let refusal = state.refusal { throw refusal }
    if state.outstandingBytes >= options.pendingBytesMax { throw .overloaded(pendingBytes: state.outstandingBytes) }
  }

  /// Suspends until everything up to `position` is durable; throws when it cannot be made durable now.
  package func awaitDurable(_ position: LogPosition) async throws(JournalError) {
    let failure: JournalError? = await withCheckedContinuation { continuation in
      let answer: JournalError?? = state.withLock { state in
        if position.rawValue <= state.acknowledged { return .some(nil) }
        if let refusal = state.refusal { return refusal }
        if state.isClosed { return JournalError.closed }
        state.waiters.append(JournalWaiter(position: position, continuation: continuation))
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
    if let failure { throw failure }
  }

  /// Everything up to here is durable, as the options define it.
  package var durablePosition: LogPosition { LogPosition(rawValue: state.withLock { $0.acknowledged }) }

  /// The generation that appends go to now.
  package var generation: UInt64 { state.withLock { $0.generation } }

  /// Why appends are refused at the moment; nil when they are not.
  package var refusal: JournalError? { state.withLock { $0.refusal } }

  /// Files of the log that were given up since the start: a write or a sync of each failed, and what was not durable in it
  /// was written once more.
  package var filesGivenUp: Int { state.withLock { $0.filesGivenUp } }

  /// Bytes appended and not yet durable.
  package var pendingBytes: Int { state.withLock { $0.outstandingBytes } }

  // MARK: Committing

  /// Commits what is pending, once, on the calling thread, and answers the waiters.
  ///
  /// Where the journal has no thread of its own this is what makes appends durable.
  package func commitPending() { commit(syncs: false) }

  /// Makes everything that was appended before the call durable, whatever the options promise for an append.
  ///
  /// Blocks. Throws `JournalError` where it cannot be done now.
  ///
  /// **Durability**: what was appended survives a power cut when it returns.
  package func sync() throws(JournalError) {
    let sequence = state.withLock { $0.sequence }
    commit(syncs: true)
    guard committer.withLock({ $0.durable }) < sequence else { return }
    throw state.withLock { $0.refusal } ?? .closed
  }

  private func commit(syncs forced: Bool) {
    committer.withLock { committer in
      state.withLock { state in
        committer.unsynced += state.pending
        state.pending = []
        if state.spare.isEmpty { state.spare = committer.takeSpare() }
      }
      guard !committer.unsynced.isEmpty else {
        clearRefusal()
        return
      }
      let now = clock.monotonicNanoseconds()
      let syncs = forced || isSyncDue(now, since: committer.lastSync)
      var failure: FileError?
      do throws(FileError) { try committer.commit(syncs: syncs) } catch { failure = error }
      if syncs, failure == nil { committer.lastSync = now }
      report(committer, failure)
    }
  }

  private func isSyncDue(_ now: Int64, since last: Int64) -> Bool {
    switch options.durability {
    case .fsync: true
    case .interval(let seconds): now &- last >= Int64(max(1, seconds)) &* 1_000_000_000
    }
  }

  /// Tells the state, and the waiters, how a commit went.
  private func report(_ committer: JournalCommitter, _ failure: FileError?) {
    let written = committer.unsynced.prefix(committer.written).last?.lastSequence ?? committer.durable
    let reached = options.durability == .fsync ? committer.durable : max(committer.durable, written)
    let unsyncedBytes = committer.unsyncedBytes
    let (answered, refused): ([JournalWaiter], [JournalWaiter]) = state.withLock { state in
      state.acknowledged = max(state.acknowledged, reached)
      state.filesGivenUp = committer.filesGivenUp
      state.outstandingBytes = unsyncedBytes + state.pending.reduce(0) { $0 + $1.bytes.count }
      let answered = state.takeAnswered()
      guard let failure else {
        state.refusal = nil
        return (answered, [])
      }
      state.refusal = .refused(failure)
      let refused = state.waiters
      state.waiters = []
      return (answered, refused)
    }
    for waiter in answered { waiter.continuation.resume(returning: nil) }
    if let failure {
      for waiter in refused { waiter.continuation.resume(returning: .refused(failure)) }
    }
  }

  private func clearRefusal() { state.withLock { $0.refusal = nil } }

  private func commitUntilClosed() {
    while true {
      let mustSync = options.durability != .fsync && committer.withLock { !$0.unsynced.isEmpty }
      bell.wait(milliseconds: mustSync ? 1000 : nil)
      if state.withLock({ $0.isClosed }) { return }
      commitPending()
    }
  }

  /// Commits and syncs what is pending, notes an orderly end and stops.
  ///
  /// Later appends throw `.closed`.
  package func close() {
    state.withLock { $0.isClosed = true }
    bell.ring()
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
    commit(syncs: true)
    committer.withLock { committer in
      if committer.unsynced.isEmpty { try? committer.writer.seal(durable: committer.durable) }
      committer.writer.finish()
    }
    let left = state.withLock { state in
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in left { waiter.continuation.resume(returning: .closed) }
  }

  // MARK: Flushing

  /// Sees to it that the log of what is in parts does not come back with the power, which only a catalog would know to
  /// be in parts.
  package func removeFlushedLog() throws {
    let generation = try catalog.flushedThroughGeneration() ?? 0
    try committer.withLock { (committer) throws(FileError) in
      try committer.writer.removeForGood(through: generation)
    }
  }

  /// Notes that a generation is in parts: what of it was not written yet need not be.
  func dropLog(through generation: UInt64, lastSequence: UInt64) {
    committer.withLock { committer in
      committer.drop(through: generation, lastSequence: lastSequence)
      state.withLock { $0.pending.removeAll { $0.generation <= generation } }
      report(committer, nil)
    }
  }
}
