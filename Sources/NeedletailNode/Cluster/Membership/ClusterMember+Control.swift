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
      epoch: next.epoch, moves: moves ?? [], warnings: plan?.warnings.map(\.description) ?? [])
    if let nodes = next.next?.count, nodes < min(topology.ring.count, topology.replicaCount) {
      throw ClusterControlError(
        description: "\(nodes) nodes would be left for \(topology.replicaCount) replicas of each slot: add another "
          + "node first")
    }
    guard !isDryRun else { return answer }
    let outcome = await withCheckedContinuation { post(.change(next, $0)) }
    switch outcome {
    case .chosen: return answer
    case .overtaken:
      throw ClusterControlError(
        description: "the cluster has changed meanwhile: look at it with cluster status and ask again",
        isTemporary: true)
    case .timedOut:
      throw ClusterControlError(
        description: "no majority of the members that hold slots agreed in time; the change may still come about: look "
          + "with cluster status before you ask again", isTemporary: true)
    case nil:
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
    case .drain(let name): return try topology.draining(NodeID(name))
    case .remove(let name): return try topology.removing(NodeID(name))
    case .cancel: return try topology.cancelled()
    }
  }
}
