import NeedletailCluster

extension ClusterMember {
  /// All that are known, this node too, also the dead and removed; by name.
  var members: [Member] {
    let known = membership.members
    return known.contains { $0.node == view.own } ? known : (known + [membership.own]).sorted { $0.node < $1.node }
  }

  var topology: Topology? { register.topology }

  /// Begins a change of who holds what, or takes one back; tells what it moves. Throws `ClusterControlError`.
  func make(_ change: ClusterChange, isDryRun: Bool) async throws -> ClusterPlan {
    guard let topology = register.topology else {
      throw ClusterControlError(
        description: "this node does not know its cluster yet: wait until it is founded, and look at its log",
        isTemporary: true)
    }
    if case .remove(let name, _) = change, topology.member(NodeID(name)) == nil,
      membership.member(NodeID(name))?.status == .dead
    {
      // Nobody keeps anything for it any more, and its name is free.
      let plan = ClusterPlan(epoch: topology.epoch, moves: [], compared: 0, warnings: [])
      return try isDryRun ? plan : told(plan, await withCheckedContinuation { post(.forget(NodeID(name), $0)) })
    }
    let next: Topology
    do throws(TopologyError) {
      next = try self.next(of: topology, change)
    } catch {
      throw ClusterControlError(description: "\(error)", isTemporary: error.isTemporary)
    }
    let plan = ChangePlan(next)
    let moves = plan?.flows.map {
      ClusterPlan.Move(from: $0.from?.rawValue, to: $0.to?.rawValue, slots: $0.slots)
    }
    let answer = ClusterPlan(
      epoch: next.epoch, moves: moves ?? [], compared: plan?.compared ?? 0,
      warnings: (plan?.warnings.map(\.description) ?? []) + placementWarnings(next.next ?? [])
        + absenceWarnings(moves ?? []) + (isDryRun ? agreementWarnings(topology) : []))
    guard !isDryRun else { return answer }
    return try told(answer, await withCheckedContinuation { post(.change(next, $0)) })
  }

  /// The plan of a change that was made; throws where it was not.
  private func told(_ plan: ClusterPlan, _ outcome: ChangeOutcome) throws -> ClusterPlan {
    switch outcome {
    case .decided(.chosen): return plan
    case .decided(.overtaken):
      throw ClusterControlError(
        description: "the cluster has changed meanwhile: look at it with cluster status and ask again",
        isTemporary: true)
    case .decided(.timedOut):
      throw ClusterControlError(
        description: "no majority of the members that hold slots agreed in time; the change may still come about: look "
          + "with cluster status before you ask again", isTemporary: true)
    case .refused(let reason): throw ClusterControlError(description: reason, isTemporary: true)
    case .busy:
      throw ClusterControlError(
        description: "another change is being agreed on: try again in a moment", isTemporary: true)
    }
  }

  private func next(of topology: Topology, _ change: ClusterChange) throws(TopologyError) -> Topology {
    switch change {
    case .add(let name):
      guard let member = members.first(where: { $0.node.rawValue == name }) else {
        throw .unknownNode(NodeID(name))
      }
      guard member.status.isPresent else { throw .notThere(member.node) }
      guard member.tenure > 0 else { throw .unsettled(member.node) }
      guard member.record.roles.contains(.storage) else { throw .notStorage(member.node) }
      return try topology.adding(TopologyMember(member.record))
    case .drain(let name):
      try checkEnd(of: topology, without: NodeID(name))
      let drained = try topology.draining(NodeID(name))
      // Others would take its place, and it would be gone for good as soon as they have it.
      guard members.contains(where: { $0.node.rawValue == name && $0.status.isPresent }) else {
        throw .notThereToDrain(NodeID(name))
      }
      return try withMajority(drained)
    case .remove(let name, let isForced):
      let isPresent = members.contains { $0.node.rawValue == name && $0.status.isPresent }
      if isPresent, !isForced, topology.ring.contains(where: { $0.node.rawValue == name }) {
        throw .stillThere(NodeID(name))
      }
      try checkEnd(of: topology, without: NodeID(name))
      return try withMajority(try topology.removing(NodeID(name)))
    case .place(let name, let weight, let zone):
      let node = NodeID(name)
      guard let member = topology.ring.first(where: { $0.node == node }) else { throw .unknownNode(node) }
      return try topology.placing(node, zone: zone.map(\.name) ?? member.zone, weight: weight ?? member.weight)
    case .replicate(let count, let quorum):
      let count = count ?? topology.replicaCount
      // A cluster that has lost nodes may keep an N that it cannot hold; nobody gets there by asking for it.
      guard count <= max(topology.ring.count, topology.replicaCount) else {
        throw .tooFewNodes(count, of: topology.ring.count)
      }
      return try topology.replicating(
        Replication(count: count, writeQuorum: try self.quorum(quorum, of: count, topology.replication)))
    case .cancel: return try topology.cancelled()
    }
  }

  /// Refuses a change that would be committed and never over.
  private func checkEnd(of topology: Topology, without node: NodeID) throws(TopologyError) {
    guard topology.ring.count > 1, topology.member(node) != nil, topology.endNeedsAll else { return }
    let isPresent = members.contains { $0.node == node && $0.status.isPresent }
    guard isPresent else { throw .endNeeds(node) }
  }

  /// Refuses a change after which nothing could be decided any more, by who is there now with the disk that counts.
  private func withMajority(_ change: Topology) throws(TopologyError) -> Topology {
    guard register.decider == .members else { return change }
    let missed = try change.votersMissed(by: present)
    guard missed.isEmpty else { throw .noMajority(missed) }
    return change
  }

  /// Who is there now, with which disk.
  private var present: Set<TopologyVoter> {
    Set(members.filter(\.status.isPresent).map { TopologyVoter($0.node, $0.record.identity) })
  }

  /// That who is to get slots is not there to take them.
  private func absenceWarnings(_ moves: [ClusterPlan.Move]) -> [String] {
    let there = Set(members.filter(\.status.isPresent).map(\.node.rawValue))
    let absent = Set(moves.compactMap(\.to)).subtracting(there).sorted()
    return absent.map { "\($0) is to get slots, and is not there: the change waits for it" }
  }

  /// That a change would be asked for in vain now; a real one is tried all the same, as who seems away may answer.
  private func agreementWarnings(_ topology: Topology) -> [String] {
    guard register.decider == .members else { return [] }
    let away = topology.votersMissedNow(by: present).map(\.rawValue)
    guard !away.isEmpty else { return [] }
    return [
      "no majority of the members that hold slots is there (\(away.joined(separator: ", ")) are not): nothing can be agreed "
        + "on until more of them are back"
    ]
  }

  /// W of so many replicas; where nobody says it, it stays the majority, all or one.
  private func quorum(
    _ quorum: ClusterChange.NewQuorum?, of count: Int, _ now: Replication
  ) throws(TopologyError) -> Int {
    switch quorum {
    case .count(let number): return number
    case .level(let level): return level.acknowledgements(of: count)
    case nil:
      let levels: [WriteLevel] = [.quorum, .all, .one]
      guard let level = levels.first(where: { $0.acknowledgements(of: now.count) == now.writeQuorum }) else {
        throw .invalid(
          "a write quorum that is neither a majority nor all nor one (\(now.writeQuorum) of \(now.count)), for another "
            + "number of replicas: say how many are to take a write, which")
      }
      return level.acknowledgements(of: count)
    }
  }

  /// Of each that was started with another weight or zone than the cluster has agreed on, which of them counts.
  func placementWarnings(_ holders: [TopologyMember]) -> [String] {
    let known = members
    return holders.compactMap { holder in
      guard let record = known.first(where: { $0.node == holder.node })?.record, record.roles.contains(.storage) else {
        return nil
      }
      return Self.placementWarning(record, holder)
    }
  }

  static func placementWarning(_ record: NodeRecord, _ holder: TopologyMember) -> String? {
    let (said, agreed) = (RingMember(record.node, zone: record.zone, weight: record.weight), holder.ringMember)
    guard said != agreed else { return nil }
    func text(_ member: RingMember) -> String {
      "weight \(member.weight), \(member.zone.map { "zone \($0)" } ?? "no zone")"
    }
    return "\(record.node) was started with \(text(said)); what the cluster agreed on counts: \(text(agreed)). "
      + "start it with these settings next time"
  }
}
