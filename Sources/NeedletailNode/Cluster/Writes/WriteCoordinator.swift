// The shell of `ReplicatedWrites` and of a `HintQueue` for each other node: it performs what they decide, in order, and tells
// them what came of it. They live in one actor, so that each sees the other's events at once; whatever takes time (frames,
// calls, files) is done outside of it.

import Logging
import NeedletailBlocks
import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment

/// Brings batches to their replicas, and to those that missed them later.
actor WriteCoordinator: ClusterListener {
  typealias Outcome = Result<Void, SinkError>

  /// A write whose payload is held.
  struct Entry {
    let payload: WritePayload
    var waiters: [CheckedContinuation<Outcome, Never>] = []
    /// What the callers were told.
    var outcome: Outcome?
    /// Attempts that may still run.
    var calls: [Task<Void, Never>] = []
    /// Why the last replica that refused for good did so.
    var reason: WriteRefusal.Reason?
    /// Nodes that did not take it when they were asked last.
    var failed: Set<NodeID> = []
    /// What its replicas came to, as far as that is known.
    var fates: [NodeID: CopyLedger.Fate] = [:]
  }

  nonisolated let view: ClusterView
  nonisolated let store: ReplicaStore
  nonisolated let settings: WriteSettings
  nonisolated let clock: any WallClock
  nonisolated let executor: ThreadExecutor
  nonisolated let hintLogs: HintLogs
  nonisolated let logger: Logger
  /// Told of slots in which a node misses what no hint will bring it; the node may be this one.
  private let repair: @Sendable (NodeID, HintNote) -> Void
  var generator: SeededGenerator
  var writes: ReplicatedWrites
  var entries: [WriteID: Entry] = [:]
  var shelves: [NodeID: HintShelf] = [:]
  private var sleeper: Task<Void, Never>?
  private var wakesAt = Int64.max
  private(set) var isClosed = false
  /// Writes that joined one of the same content, and own rows that this node's disk did not take.
  var joined = 0
  /// When it was told last of each node that hints are given up, and how many were since.
  var givenUp: [NodeID: (at: Int64, count: Int)] = [:]
  var ownMissed = 0
  /// What nodes were told to miss, and are told again.
  var retellings: [NodeID: Retelling] = [:]
  /// The books of all rows that replicas were to get.
  private(set) var copies = CopyLedger()

  init(
    view: ClusterView, storage: StorageSink, hints: HintLogs, settings: WriteSettings, clock: any WallClock,
    random: any RandomSource, executor: ThreadExecutor, logger: Logger,
    repair: @escaping @Sendable (NodeID, HintNote) -> Void
  ) {
    self.view = view
    store = ReplicaStore(storage: storage)
    self.settings = settings
    self.clock = clock
    self.executor = executor
    hintLogs = hints
    self.logger = logger
    self.repair = repair
    generator = SeededGenerator(seed: random.next())
    writes = ReplicatedWrites(limits: settings.writes)
  }

  var now: Int64 { clock.monotonicNanoseconds() }

  // MARK: - Writes

  /// Returns when W replicas of each slot have their rows on disk.
  ///
  /// A write of the same content that is under way, or whose payload is held for a replica that lacks it, is joined. Throws
  /// `SinkError.unavailable` with a time after which to come again, `.overloaded`, or what is final.
  func write(_ payload: WritePayload) async throws(SinkError) {
    guard !isClosed else { throw .unavailable(reason: "the node is stopping") }
    if let entry = entries[payload.id] {
      joined += 1
      if let outcome = entry.outcome { return try outcome.get() }
      let outcome = await withCheckedContinuation { entries[payload.id]?.waiters.append($0) }
      return try outcome.get()
    }
    let actions: [ReplicatedWrites.Action]
    let now = now
    do throws(WriteRefused) {
      actions = try writes.begin(
        payload.id, bytes: payload.byteCount, to: payload.parts.targets, now: now,
        deadline: now &+ settings.deadline)
    } catch {
      throw SinkError(error)
    }
    let outcome = await withCheckedContinuation { waiter in
      entries[payload.id] = Entry(payload: payload, waiters: [waiter])
      copies.begin(payload)
      perform(actions)
      wake(at: writes.nextTick)
    }
    try outcome.get()
  }

  func perform(_ actions: [ReplicatedWrites.Action]) {
    for action in actions {
      switch action {
      case .send(let write, let node, let attempt, let withDefinitions):
        send(write, to: node, attempt: attempt, withDefinitions: withDefinitions)
      case .hint(let write, view.own):
        // Its own disk did not take the rows, and so takes no hint: repair brings them.
        ownMissed += 1
        missed(write, by: view.own)
        perform(writes.hintGivenUp(write, view.own))
      case .hint(let write, let node): addJob(.hint(write), of: node)
      case .gaveUp(let write, let node): missed(write, by: node)
      case .complete(let write, let outcome): complete(write, outcome)
      case .forget(let write): forget(write)
      }
    }
  }

  private func forget(_ write: WriteID) {
    guard let entry = entries.removeValue(forKey: write) else { return }
    for call in entry.calls { call.cancel() }
    let isAcknowledged = if case .success? = entry.outcome { true } else { false }
    copies.end(entry.payload, isAcknowledged: isAcknowledged, fates: entry.fates)
  }

  /// Notes what a replica of a write came to; that it has the rows counts before all else.
  func note(_ fate: CopyLedger.Fate, of write: WriteID, at node: NodeID) {
    if fate == .stored || entries[write]?.fates[node] == nil { entries[write]?.fates[node] = fate }
  }

  /// The members that are not there, and those that did not take a write, as the end of a sentence.
  private func whoFailed(_ entry: Entry) -> String {
    let away = view.peers.filter { !$0.value.isPresent }.keys.sorted()
    // One that was just lost is asked in vain before it is known to be away, and after a few times no more.
    let unasked = writes.silentNodes.filter { entry.payload.parts.part(of: $0) != nil }
    let silent = entry.failed.union(unasked).subtracting(away).filter { entry.fates[$0] != .stored }.sorted()
    return [("not there", away), ("no answer in time, or a refusal", silent)].reduce("") { text, group in
      group.1.isEmpty ? text : "\(text); \(group.0): " + group.1.map(\.rawValue).joined(separator: ", ")
    }
  }

  private func complete(_ write: WriteID, _ outcome: WriteOutcome) {
    guard var entry = entries[write] else { return }
    let told: Outcome =
      switch outcome {
      case .acknowledged: .success(())
      case .unavailable(let seconds):
        .failure(.unavailable(reason: "too few replicas took the batch" + whoFailed(entry), retryAfterSeconds: seconds))
      case .refused: .failure(SinkError(entry.reason))
      }
    entry.outcome = told
    let waiters = entry.waiters
    entry.waiters = []
    entries[write] = entry
    for waiter in waiters { waiter.resume(returning: told) }
  }

  /// A node misses its part of an acknowledged write, and gets no hint of it.
  func missed(_ write: WriteID, by node: NodeID) {
    guard let part = entries[write]?.payload.parts.part(of: node) else { return }
    note(.missed, of: write, at: node)
    tell(node, HintNote(part.slots))
  }

  /// Slots in which a node needs repair: told, and noted durably where it is another one.
  func tell(_ node: NodeID, _ note: HintNote) {
    repair(node, note)
    tellAgain(node, note)
    if node != view.own { addJob(.note(note), of: node) }
  }

  // MARK: - Attempts

  private func send(_ write: WriteID, to node: NodeID, attempt: UInt8, withDefinitions: Bool) {
    guard let payload = entries[write]?.payload, let part = payload.parts.part(of: node) else { return }
    let call = Task {
      do throws(ReplicaCall.Failure) {
        try await bring(part, of: payload, to: node, attempt: attempt, withDefinitions: withDefinitions)
        acknowledged(write, by: node)
      } catch {
        failed(write, at: node, attempt: attempt, error)
      }
    }
    entries[write]?.calls.append(call)
  }

  private nonisolated func bring(
    _ part: ReplicaParts.Part, of payload: WritePayload, to node: NodeID, attempt: UInt8, withDefinitions: Bool
  ) async throws(ReplicaCall.Failure) {
    guard node == view.own else {
      guard let message = payload.message(part, attempt: attempt, withDefinitions: withDefinitions) else {
        throw ReplicaCall.Failure(.unknownSeries)
      }
      return try await ReplicaCall.send(
        message, of: payload.id, attempt: attempt, over: view.channel(to: node),
        within: settings.writes.attemptTimeout)
    }
    // What is true of others' replicas is of one's own: see the epoch of a message.
    guard payload.epoch >= view.layout?.epoch ?? 0 else { throw ReplicaCall.Failure(.notReplica) }
    guard let frames = payload.frames(of: part, withDefinitions: withDefinitions) else {
      throw ReplicaCall.Failure(.unknownSeries)
    }
    do throws(WriteRefusal) {
      try await store.store(frames, isHint: false)
    } catch {
      throw ReplicaCall.Failure(refusal: error)
    }
    guard payload.epoch >= view.layout?.epoch ?? 0 else { throw ReplicaCall.Failure(.notReplica) }
  }

  private func acknowledged(_ write: WriteID, by node: NodeID) {
    note(.stored, of: write, at: node)
    entries[write]?.failed.remove(node)
    perform(writes.acknowledged(write, by: node, now: now))
    wake(at: writes.nextTick)
  }

  private func failed(_ write: WriteID, at node: NodeID, attempt: UInt8, _ failure: ReplicaCall.Failure) {
    if let reason = failure.reason { entries[write]?.reason = reason }
    entries[write]?.failed.insert(node)
    perform(
      writes.failed(write, at: node, attempt: attempt, failure.failure, now: now, using: &generator))
    wake(at: writes.nextTick)
  }

  // MARK: - The cluster

  func heard(_ event: ClusterEvent) {
    switch event {
    case .layout: break
    case .present(let node) where node != view.own:
      writes.nodeUp(node)
      if let actions = shelves[node]?.queue.nodeUp(now: now) { perform(actions, of: node) }
    case .absent(let node) where node != view.own:
      shelves[node]?.queue.nodeDown()
      perform(writes.nodeDown(node))
    case .removed(let node) where node != view.own:
      perform(writes.nodeRemoved(node))
      retellings[node] = nil
      if let actions = shelves[node]?.queue.nodeRemoved() {
        perform(actions, of: node)
        addJob(.removed, of: node)
      }
    case .present, .absent, .removed: break
    }
    wakeForAll()
  }

  // MARK: - Time

  /// Does what is due; called by itself when something is.
  func tick() {
    guard !isClosed else { return }
    wakesAt = .max
    perform(writes.tick(now: now, using: &generator))
    for (node, note) in takeDue() { repair(node, note) }
    for node in shelves.keys.sorted() {
      if let actions = shelves[node]?.queue.tick(now: now, using: &generator) { perform(actions, of: node) }
      if shelves[node]?.unnoted.isEmpty == false { addJob(.note(HintNote()), of: node) }
    }
    wakeForAll()
  }

  private func wakeForAll() {
    wake(at: writes.nextTick)
    for shelf in shelves.values { wake(at: shelf.queue.nextTick) }
    wake(at: retellings.values.map(\.due).min())
  }

  /// Sees to it that `tick` is called at a time, in monotonic ns, at the latest.
  func wake(at time: Int64?) {
    guard let time, time < wakesAt, !isClosed else { return }
    wakesAt = time
    sleeper?.cancel()
    // Nothing is so urgent that it could not wait for what comes at the same time.
    let (left, isBeyond) = time.subtractingReportingOverflow(now)
    let wait = time <= now ? 1_000_000 : isBeyond ? .max : max(1_000_000, left)
    sleeper = Task {
      try? await Task.sleep(for: .nanoseconds(wait))
      if !Task.isCancelled { tick() }
    }
  }

  /// Takes no more writes, ends those under way as unavailable, and closes the logs when what is being written to them is.
  func close() async {
    isClosed = true
    sleeper?.cancel()
    for write in entries.keys.sorted() {
      guard let entry = entries.removeValue(forKey: write) else { continue }
      for call in entry.calls { call.cancel() }
      for waiter in entry.waiters {
        waiter.resume(returning: .failure(.unavailable(reason: "the node is stopping")))
      }
    }
    for node in shelves.keys.sorted() {
      await shelves[node]?.worker?.value
      shelves[node]?.log?.close()
    }
  }
}

extension SinkError {
  /// Why a write was not begun.
  fileprivate init(_ error: WriteRefused) {
    switch error {
    case .overloaded(let seconds): self = .overloaded(retryAfterSeconds: seconds)
    case .underWay: self = .unavailable(reason: "the same batch is being written")
    case .tooLarge: self = .refused(reason: "the batch is larger than all writes together may be")
    }
  }

  /// Why replicas will never take a write.
  fileprivate init(_ reason: WriteRefusal.Reason?) {
    switch reason {
    case .outOfRetention: self = .outOfRetention(reason: "the replicas keep nothing of such a time")
    case .outOfWindow: self = .outOfWindow(reason: "the batch is older than the out-of-order window of the replicas")
    case .malformed, nil: self = .refused(reason: "the replicas cannot read the batch")
    }
  }
}
