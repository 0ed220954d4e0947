import Logging
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

extension ClusterMember {
  /// How long a question to another node may take.
  private static let questionTimeout = Duration.seconds(2)
  private static let answerBytesMax = 64 << 10
  /// From one attempt to keep something on a disk that does not take it to the next.
  private static let storePause = Duration.seconds(1)
  /// From one proposal of this node's own to the next, in ns.
  private static let proposalPause: Int64 = 2_000_000_000

  // MARK: - Agreement

  func perform(_ actions: [TopologyAction]) async throws {
    for action in actions {
      switch action {
      case .store(let state): try await store(state)
      case .send(let message, let node):
        guard let address = membership.member(node)?.record.address else { continue }
        channels.send(.topology, message.encoded, to: address, within: Self.questionTimeout)
      case .learned(let topology): try await take(topology)
      case .proposalEnded(let outcome): end(.decided(outcome))
      case .unlike(let node, let decider):
        // A node that knows its own cluster is not part of the other one.
        guard register.topology == nil, let mismatch = Self.mismatch(decider, hasEtcd: etcd != nil) else { continue }
        throw StartupError("this node hears of its cluster from \(node): \(mismatch)")
      case .foreign(let node, let cluster):
        logger.error(
          "a node of another cluster speaks to this one: one of the two has the other's seeds",
          metadata: ["node": "\(node)", "cluster": "\(cluster)"])
      }
    }
  }

  /// What the node promises it must know after a restart: as long as it cannot be kept, it says nothing more.
  private func store(_ state: TopologyState) async throws {
    let (file, bytes) = (folder.file(.topology), state.encoded)
    var isTold = false
    while true {
      do {
        return try await executor.run { try file.write(bytes) }
      } catch {
        try Task.checkCancellation()
        if !isTold {
          logger.error(
            "the topology of the cluster cannot be kept; this node is silent until it can",
            metadata: ["reason": "\(error)"])
        }
        isTold = true
        try await Task.sleep(for: Self.storePause)
      }
    }
  }

  func take(_ topology: Topology) async throws {
    let before = view.layout?.topology
    let held = (before?.ring ?? []) + (before?.former ?? [])
    let gone = held.map(\.node).filter { topology.member($0) == nil }
    founding.learned(topology)
    try await perform(etcd?.session.knows(topology, now: clock.monotonicNanoseconds()) ?? [])
    change = RingChange(topology)
    if let before = lossesBefore, let losses = topology.member(view.own)?.losses, losses > before { lossesBefore = nil }
    let layout = ClusterLayout(topology)
    view.take(layout)
    logger.info(
      "the cluster's topology is known",
      metadata: [
        "cluster": "\(topology.clusterID)", "epoch": "\(topology.epoch)",
        "nodes": "\(topology.ring.map(\.node.rawValue).joined(separator: ","))",
        "next": "\(topology.next.map { $0.map(\.node.rawValue).joined(separator: ",") } ?? "")",
        "replication": "\(topology.replicaCount)", "write-quorum": "\(topology.writeQuorum)",
        "decided-by": "\(topology.decider)",
        "former": "\(topology.former.map { $0.map(\.node.rawValue).joined(separator: ",") } ?? "")",
      ])
    if let own = topology.member(view.own), before?.member(view.own)?.ringMember != own.ringMember,
      let warning = Self.placementWarning(membership.own.record, own)
    {
      logger.warning("\(warning)")
    }
    await tell(.layout(layout))
    // Whoever was dead and gave way to others is gone for good, and its name is free; one that only stopped is not.
    for node in gone where membership.member(node)?.status == .dead && !membership.isAway(node) {
      let now = clock.monotonicNanoseconds()
      if let actions = try? membership.remove(node, now: now, random: &generator) { try await perform(actions) }
    }
  }

  // MARK: - Proposing

  func propose(
    _ topology: Topology, for waiter: CheckedContinuation<ChangeOutcome, Never>, _ now: Int64
  ) async throws {
    guard proposer == nil else { return waiter.resume(returning: .busy) }
    guard etcd == nil else {
      proposer = waiter
      if let refusal = try await proposeInEtcd(topology, now) { end(.refused(refusal)) }
      return
    }
    let actions: [TopologyAction]
    do throws(TopologyProposalError) {
      actions = try register.propose(topology, deadline: now + Self.proposalTimeout, now: now, using: &generator)
    } catch {
      return waiter.resume(returning: .busy)
    }
    proposer = waiter
    try await perform(actions)
  }

  /// Proposes what follows from what the node sees by itself; where another one does too, or in vain, it does so again.
  func proposeOwn(_ topology: Topology, _ now: Int64) async throws {
    guard now >= proposeAt else { return }
    proposeAt = now + Self.proposalPause
    guard etcd == nil else {
      _ = try await proposeInEtcd(topology, now)
      return
    }
    guard
      let actions = try? register.propose(
        topology, deadline: now + Self.proposalTimeout, now: now, using: &generator)
    else { return }
    try await perform(actions)
  }

  /// Tells whoever waits what became of it.
  func end(_ outcome: ChangeOutcome) {
    proposer?.resume(returning: outcome)
    proposer = nil
  }

  /// The topology in which this node is what it is: with its disk, and with what was lost on it.
  var changeOfOwn: Topology? {
    guard let topology = register.topology, let own = topology.member(view.own) else { return nil }
    if own.identity != view.identity {
      // As long as another one may hold the name, it is no member.
      return membership.own.tenure > 0 ? try? topology.replacing(view.own, with: view.identity) : nil
    }
    return lossesBefore == nil ? nil : try? topology.damaged(view.own)
  }

  // MARK: - Founding

  func perform(_ actions: [Founding.Action], _ now: Int64) async throws {
    for action in actions {
      switch action {
      case .send(let message, let address): ask(message, address) { .standing($0, from: address) }
      case .waits(let obstacle): logger.notice("no cluster yet: \(obstacle)")
      case .founds(let members, let leads):
        try await perform(register.setFounders(members.map { TopologyVoter($0.node, $0.identity) }))
        guard leads else { continue }
        let id = Hash128(high: generator.next(), low: generator.next())
        guard let founded = founded(id, members, .members) else { continue }
        try await proposeOwn(founded, now)
      }
    }
  }

  /// The first topology of a cluster of these, by the settings of this node; nil where there can be none.
  func founded(_ id: Hash128, _ members: [TopologyMember], _ decider: TopologyDecider) -> Topology? {
    do throws(TopologyError) {
      return try Topology.founding(
        clusterID: id, slotCount: settings.slotCount, replicaCount: settings.replication,
        writeQuorum: settings.writeLevel.acknowledgements(of: settings.replication), members: members, decider: decider)
    } catch {
      logger.error("a cluster cannot be founded", metadata: ["reason": "\(error)"])
      return nil
    }
  }

  // MARK: - Questions that are answered at once

  /// Asks another node something, and hands its answer over as an event.
  private func ask(
    _ message: TopologyMessage, _ address: PeerAddress, _ event: @escaping @Sendable (TopologyMessage) -> Event
  ) {
    guard let channel = ListenAddress(address.text).flatMap({ channels.channel(to: $0) }) else { return }
    Task {
      let bytes = try? await channel.call(
        .topology, message.encoded, within: Self.questionTimeout, answerBytesMax: Self.answerBytesMax)
      guard let bytes, let answer = try? TopologyMessage(decoding: bytes) else { return }
      post(event(answer))
    }
  }

  func askProgress(of node: NodeID) {
    guard let question = change?.question(from: register.voter) else { return }
    guard node != view.own else {
      if let answer = answer(question) { post(.progress(answer)) }
      return
    }
    if let address = membership.member(node)?.record.address { ask(question, address) { .progress($0) } }
  }

  /// What this node answers to such a question; nil where the message is none.
  func answer(_ message: TopologyMessage) -> TopologyMessage? {
    switch message.purpose {
    case .founding:
      let address = PeerAddress(message.sender.voter.node.rawValue)
      for case .send(let answer, _) in founding.receive(message, from: address, now: clock.monotonicNanoseconds()) {
        return answer
      }
      return nil
    case .progressQuestion:
      guard let replicas, let change else { return nil }
      // Of slots that this change gives the node, its replicas know nothing before they have the change on disk.
      guard replicas.adoptedEpoch == change.topology.epoch else {
        return change.answer(ready: [], from: register.voter)
      }
      let done = change.done(by: view.own) { replicas.unfinished(of: $0) }
      return change.answer(ready: done, from: register.voter)
    case .agreement, .progress: return nil
    }
  }
}
