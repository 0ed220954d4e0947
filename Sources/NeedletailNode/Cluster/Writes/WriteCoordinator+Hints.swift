// What replicas missed: hints are made, kept and delivered.

import NeedletailBlocks
import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry

extension WriteCoordinator {
  /// Hints that are written at once, at most.
  private static let groupMax = 64

  /// Opens what earlier runs left, and begins to deliver it; what they noted is told again.
  func open() async {
    for found in await hintLogs.openAll(on: executor) where shelves[found.node]?.log == nil { take(found) }
  }

  /// Puts what a log holds on a node's shelf, where nothing else of it is on its way.
  private func take(_ found: HintLogs.Found) {
    let (node, now, wall) = (found.node, now, clock.wallNanoseconds())
    let stored = found.hints.map { hint in
      let age = max(0, wall.subtractingReportingOverflow(hint.time).partialValue)
      return HintQueue.Stored(
        sequence: hint.sequence, bytes: hint.bytes, time: now.subtractingReportingOverflow(age).partialValue,
        slots: hint.slots)
    }
    if shelves[node] == nil || !stored.isEmpty {
      let queue = HintQueue(for: node, limits: settings.hints, stored: stored, isUp: view.isPresent(node))
      if shelves[node] == nil { shelves[node] = HintShelf(queue) } else { shelves[node]?.queue = queue }
      shelves[node]?.left = stored.count
    }
    shelves[node]?.log = found.log
    if !found.log.note.isEmpty { tell(node, found.log.note) }
    if view.isPresent(node), let actions = shelves[node]?.queue.nodeUp(now: now) { perform(actions, of: node) }
    wake(at: shelves[node]?.queue.nextTick)
  }

  /// What a node misses without a hint of it, as far as it is noted on disk.
  func note(of node: NodeID) -> HintNote { shelves[node]?.log?.note ?? HintNote() }

  func perform(_ actions: [HintQueue.Action], of node: NodeID) {
    for action in actions {
      switch action {
      case .store: break  // `hint` has done that.
      case .hinted(let write):
        note(.hinted, of: write, at: node)
        perform(writes.hinted(write, node))
      case .hintGivenUp(let write):
        note(.missed, of: write, at: node)
        perform(writes.hintGivenUp(write, node))
      case .deliver(let sequence, let attempt): deliver(sequence, to: node, attempt: attempt)
      case .release(let last): addJob(.release(last), of: node)
      case .gaveUp(let slots, let count):
        tellGivenUp(count, of: node)
        tell(node, HintNote(slots.slots))
      }
    }
  }

  /// At most a line a minute for a node: it may be each hint from now on.
  private func tellGivenUp(_ count: Int, of node: NodeID) {
    let told = givenUp[node]
    givenUp[node] = (told?.at ?? .min, (told?.count ?? 0) + count)
    guard let due = givenUp[node], due.at == .min || now &- due.at >= 60_000_000_000 else { return }
    logger.warning("hints are given up", metadata: ["node": "\(node)", "hints": "\(due.count)"])
    givenUp[node] = (now, 0)
  }

  // MARK: - The log

  /// Adds something to what is to be done with a node's log, and sees to it that it is done.
  func addJob(_ job: HintShelf.Job, of node: NodeID) {
    if shelves[node] == nil {
      shelves[node] = HintShelf(HintQueue(for: node, limits: settings.hints, isUp: view.isPresent(node)))
    }
    shelves[node]?.add(job)
    guard !isClosed, shelves[node]?.worker == nil else { return }
    shelves[node]?.worker = Task { await work(for: node) }
  }

  /// Does the jobs of a node one after the other.
  private func work(for node: NodeID) async {
    while !isClosed, let job = shelves[node]?.jobs.first {
      let log = await log(of: node)
      if case .hint = job {
        await storeHints(of: node, in: log)
        continue
      }
      shelves[node]?.jobs.removeFirst()
      switch job {
      case .hint: break
      case .note(let note):
        shelves[node]?.unnoted.formUnion(note)
        await writeNote(of: node, in: log)
      case .release(let last):
        // What is not noted yet must stay where the next start finds it.
        await writeNote(of: node, in: log)
        guard shelves[node]?.unnoted.isEmpty == true else { continue }
        try? await executor.run { log?.release(upTo: last) }
      case .removed:
        shelves[node]?.unnoted = HintNote()
        try? await executor.run { try log?.clearNote() }
      }
    }
    shelves[node]?.worker = nil
  }

  private func log(of node: NodeID) async -> HintLog? {
    // Nothing is in the queue yet: without a log every hint failed, and nobody but this node's worker opens one.
    if shelves[node]?.log == nil, let found = await hintLogs.open(node, on: executor) { take(found) }
    return shelves[node]?.log
  }

  private func writeNote(of node: NodeID, in log: HintLog?) async {
    guard let note = shelves[node]?.unnoted, !note.isEmpty else { return }
    do {
      guard let log else { return wake(at: now &+ 5_000_000_000) }
      try await executor.run { try log.note(note) }
      shelves[node]?.unnoted = HintNote()
    } catch {
      logger.error("what a node misses could not be noted", metadata: ["node": "\(node)", "reason": "\(error)"])
      wake(at: now &+ 5_000_000_000)
    }
  }

  /// Makes hints of the writes at the front of the jobs: as many as fit into a group, on disk with one sync.
  private func storeHints(of node: NodeID, in log: HintLog?) async {
    let ids = shelves[node]?.takeHints(max: Self.groupMax) ?? []
    var records: [HintLog.Record] = []
    var bytes = 0
    for (index, write) in ids.enumerated() {
      guard bytes < settings.hintGroupBytes else {
        shelves[node]?.jobs.insert(contentsOf: ids[index...].map { .hint($0) }, at: 0)
        break
      }
      guard let payload = entries[write]?.payload, let part = payload.parts.part(of: node) else { continue }
      guard let message = await Self.hint(payload, part) else {
        logger.warning("a hint cannot be made: definitions of its series are not to be had or too large")
        missed(write, by: node)
        perform(writes.hintGivenUp(write, node))
        continue
      }
      let actions =
        shelves[node]?.queue.append(write, bytes: message.count, slots: HintedSlots(part.slots), now: now) ?? []
      for case .store(let sequence, _) in actions {
        records.append(HintLog.Record(sequence: sequence, time: clock.wallNanoseconds(), payload: message))
        bytes += message.count
      }
      perform(actions, of: node)
    }
    guard !records.isEmpty else { return }
    await append(records, of: node, to: log)
  }

  /// With definitions of all its series: whoever gets it may know none of them. May decode a whole request.
  private nonisolated static func hint(_ payload: WritePayload, _ part: ReplicaParts.Part) async -> [UInt8]? {
    payload.message(part, attempt: 0, withDefinitions: true)
  }

  private func append(_ records: [HintLog.Record], of node: NodeID, to log: HintLog?) async {
    var isStored = false
    do {
      if let log {
        try await executor.run { try log.append(records) }
        isStored = true
      }
    } catch {
      logger.error("hints could not be kept", metadata: ["node": "\(node)", "reason": "\(error)"])
    }
    for record in records {
      let actions =
        isStored
        ? shelves[node]?.queue.stored(record.sequence, now: now)
        : shelves[node]?.queue.storeFailed(record.sequence, now: now)
      perform(actions ?? [], of: node)
    }
    wake(at: writes.nextTick)
    wake(at: shelves[node]?.queue.nextTick)
  }

  // MARK: - Deliveries

  private func deliver(_ sequence: UInt64, to node: NodeID, attempt: UInt32) {
    guard let log = shelves[node]?.log else { return }
    Task {
      var failure: ReplicaFailure?
      do throws(ReplicaCall.Failure) {
        try await deliver(sequence, in: log, to: node)
      } catch {
        failure = error.failure
      }
      guard !isClosed else { return }
      let actions =
        if failure == .notReplica, let layout = view.layout {
          shelves[node]?.queue.moved(
            sequence, attempt: attempt, held: HintedSlots(layout.slots(of: node)), now: now)
        } else if let failure {
          shelves[node]?.queue.failed(sequence, attempt: attempt, failure, now: now, using: &generator)
        } else {
          shelves[node]?.queue.acknowledged(sequence, now: now)
        }
      perform(actions ?? [], of: node)
      wake(at: shelves[node]?.queue.nextTick)
    }
  }

  private nonisolated func deliver(
    _ sequence: UInt64, in log: HintLog, to node: NodeID
  ) async throws(ReplicaCall.Failure) {
    let message: [UInt8]
    do {
      message = try await executor.run { try log.read(sequence) }
    } catch {
      logger.error("a hint cannot be read", metadata: ["node": "\(node)", "reason": "\(error)"])
      // It never will be: the node has to be repaired in its slots.
      throw ReplicaCall.Failure(.refused)
    }
    guard case .append(let append)? = try? WriteMessage(decoding: message) else {
      throw ReplicaCall.Failure(.refused)
    }
    try await ReplicaCall.send(
      message, of: append.write, attempt: 0, over: view.channel(to: node), within: settings.hints.timeout)
  }
}
