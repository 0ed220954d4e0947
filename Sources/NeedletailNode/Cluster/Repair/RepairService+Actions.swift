import NeedletailCluster
import NeedletailTelemetry

/// Reads of the engines that wait for one thread.
struct ReadingLane {
  struct Job: Sendable {
    let ticket: AntiEntropy.Ticket
    let read: @Sendable (RepairContents) throws -> RepairReading
  }

  /// What waits; the state machine bounds how much that is.
  var jobs: [Job] = []
  var isBusy = false
}

/// What was read for a ticket.
enum RepairReading: Sendable {
  case tree(SlotTree)
  case children([RepairMessage.Child])
  case series([RepairMessage.Series])
  case rows(SlotExport)
}

extension RepairService {
  /// The slots of which others hear that a change wants them compared.
  var toldKept: SlotSet {
    var slots = kept.left
    slots.formUnion(unsynced.slots)
    return slots
  }

  /// Has all slots compared of which the node may lack something, and those that a change wants compared.
  func urgeFills() {
    for slot in readiness.unready { urgeFill(slot) }
    guard state.owed == nil else { return }
    for slot in kept.left where !isToLeaveOut(slot) {
      for partner in kept.awaited(slot) { machine.urge(slot, with: partner, windows: .min ... .max, isFill: true) }
    }
  }

  func perform(_ actions: [AntiEntropy.Action]) {
    for action in actions {
      switch action {
      case .send(let node, let message): send(message, to: node)
      case .summarize(let ticket, let slot, let windows):
        read(ticket, lane: 0) { .tree(try $0.summary(of: slot, windows)) }
      case .expand(let ticket, let slot, let node, let windows):
        read(ticket, lane: node.level == 0 ? 1 : 0) { .children(try $0.children(of: node, slot, windows)) }
      case .listSeries(let ticket, let slot, let window, let bucket):
        read(ticket, lane: 1) { .series(try $0.listing(of: slot, window: window, bucket: bucket)) }
      case .readSeries(let ticket, let slot, let window, let bucket, let request):
        read(ticket, lane: 1) { .rows(try $0.export(of: slot, window: window, bucket: bucket, request)) }
      case .store(let ticket, let slot, let payload): store(ticket, slot, payload)
      case .compared(let comparison):
        compared(comparison)
        kick()
      case .behind(let node, _, let epoch): hooks.heard(epoch, node)
      case .keep(let cursor): keep(cursor)
      case .unfinished(let slot, let partner, let reason):
        counters.count { $0.unfinished += 1 }
        logger.debug(
          "two replicas were not compared to the end",
          metadata: ["slot": "\(slot)", "node": "\(partner)", "reason": "\(reason)"])
        kick()
      }
    }
  }

  /// What operators see.
  func status() -> RepairStatus {
    let counts = readinessCopy.counts
    return RepairStatus(
      slots: counts.held, unready: counts.unready, rounds: machine.rounds, exchanges: machine.exchangeCount,
      waiting: machine.waitingCount, differences: machine.differences,
      unheard: machine.unheard, counts: counters.value)
  }

  // MARK: - Messages

  private func send(_ message: RepairMessage, to node: NodeID) {
    guard let channel = cluster.channel(to: node), sendingCount < pace.messagesMax else {
      counters.count { $0.unsent += 1 }
      return
    }
    sendingCount += 1
    let rows = message.rowBytes
    counters.count {
      $0.messagesSent += 1
      $0.rowBytesSent += rows
    }
    let bytes = RepairEnvelope(sender: cluster.own, message: message).bytes
    Task { [timeout = pace.messageTimeout, counters] in
      do throws(PeerError) {
        _ = try await channel.deliver(.repair, bytes, within: timeout, answerBytesMax: 1024)
      } catch {
        counters.count { $0.unsent += 1 }
      }
      sent()
    }
  }

  private func sent() { sendingCount -= 1 }

  /// A message came from another node; the answer is empty, and what there is to say is a message of its own.
  nonisolated func answer(_ bytes: [UInt8]) async throws(MalformedBytes) -> [UInt8] {
    counters.count { $0.messagesReceived += 1 }
    do throws(MalformedBytes) {
      let envelope = try RepairEnvelope(bytes)
      guard cluster.channel(to: envelope.sender) != nil else {
        throw .invalid("it is from a node that is no member")
      }
      await take(envelope)
      return []
    } catch {
      counters.count { $0.malformed += 1 }
      throw error
    }
  }

  private func take(_ envelope: RepairEnvelope) {
    perform(machine.received(envelope.message, from: envelope.sender, now: now, view))
  }

  // MARK: - Engines

  private func read(
    _ ticket: AntiEntropy.Ticket, lane: Int, _ body: @escaping @Sendable (RepairContents) throws -> RepairReading
  ) {
    reading[lane].jobs.append(ReadingLane.Job(ticket: ticket, read: body))
    guard !reading[lane].isBusy else { return }
    reading[lane].isBusy = true
    Task { await readAll(lane) }
  }

  private func readAll(_ lane: Int) async {
    while !reading[lane].jobs.isEmpty {
      let job = reading[lane].jobs.removeFirst()
      do {
        let contents = contents
        let found = try await executor.run { try job.read(contents) }
        switch found {
        case .tree(let tree): perform(machine.summarized(job.ticket, tree, now: now, view))
        case .children(let children): perform(machine.expanded(job.ticket, children, now: now, view))
        case .series(let series): perform(machine.listed(job.ticket, series, now: now, view))
        case .rows(let export):
          perform(machine.read(job.ticket, export.payload, rest: export.rest, now: now, view))
        }
      } catch {
        failed(job.ticket, error)
      }
    }
    reading[lane].isBusy = false
  }

  private func failed(_ ticket: AntiEntropy.Ticket, _ error: any Error) {
    perform(machine.failed(ticket, "\(error)", now: now, view))
    guard case .damage? = error as? SlotContentsError else { return }
    Task { await lookForDamage() }
  }

  private func store(_ ticket: AntiEntropy.Ticket, _ slot: UInt16, _ payload: [UInt8]) {
    Task { [contents] in
      do throws(SlotContentsError) {
        try await contents.store(payload, of: slot)
        counters.count { $0.rowBytesTaken += payload.count }
        perform(machine.stored(ticket, now: now, view))
      } catch {
        counters.count { $0.storesFailed += 1 }
        failed(ticket, error)
      }
    }
  }
}

extension RepairMessage {
  /// Bytes of rows that it brings.
  fileprivate var rowBytes: Int {
    switch body {
    case .question(.push(let payload)), .reply(.payload(let payload, _), _): payload.count
    default: 0
    }
  }
}

extension RepairService: LocalReplicas {
  nonisolated var adoptedEpoch: UInt64 { readinessCopy.epoch }

  nonisolated func unready(of slots: SlotSet, windows: ClosedRange<Int64>) -> SlotSet {
    readinessCopy.unready(of: slots, windows: windows)
  }

  nonisolated func unfinished(of slots: SlotSet) -> SlotSet { readinessCopy.unfinished(of: slots) }

  nonisolated func urge(_ slots: SlotSet, with node: NodeID, windows: ClosedRange<Int64>) {
    add(LocalReadiness.Difference(slots: slots, node: node, windows: windows))
  }

  /// Another node lacks something that no hint will bring it: compares all windows out of turn.
  nonisolated func compare(_ slots: SlotSet, with node: NodeID) { urge(slots, with: node, windows: .min ... .max) }

  private nonisolated func add(_ difference: LocalReadiness.Difference) {
    guard readinessCopy.add(difference) else { return }
    Task { await kick() }
  }
}
