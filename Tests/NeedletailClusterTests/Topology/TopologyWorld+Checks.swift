import NeedletailTelemetry

@testable import NeedletailCluster

// What has to hold whatever happens: one topology an epoch, each made of the one before it, and never back.

extension TopologyWorld {
  mutating func checkLearned(_ topology: Topology, by host: TopologyHost) {
    if let newest = host.newest {
      if newest.epoch >= topology.epoch { problems.append("\(host.name) goes back from epoch \(newest.epoch)") }
      if newest.clusterID != topology.clusterID { problems.append("\(host.name) changes its cluster") }
    }
    host.newest = topology
    let known = chosen[topology.clusterID] ?? []
    let place = Int(topology.epoch) - 1
    if place < known.count {
      if known[place] != topology { problems.append("two topologies of epoch \(topology.epoch)") }
      return
    }
    guard place == known.count else {
      problems.append("epoch \(topology.epoch) after \(known.count)")
      return
    }
    guard let base = bases[topology.digest] else {
      problems.append("epoch \(topology.epoch) is none that was proposed")
      return
    }
    if base != known.last?.digest { problems.append("epoch \(topology.epoch) does not follow from the one before") }
    if let before = known.last {
      checkCommit(of: before, to: topology)
      checkEnd(of: before, to: topology)
    }
    chosen[topology.clusterID, default: []].append(topology)
  }

  /// A change is committed only when all that have to be filled, or compared, have said so under the epoch before.
  private mutating func checkCommit(of before: Topology, to topology: Topology) {
    guard let next = before.nextAssignment, topology.former == before.ring else { return }
    outcomes["committed", default: 0] += 1
    let isPlaced = before.ring != topology.ring && before.ring.map(\.node) == topology.ring.map(\.node)
    if isPlaced { outcomes["placed", default: 0] += 1 }
    if topology.replication != before.replication { outcomes["replicated", default: 0] += 1 }
    let ring = before.assignment
    for number in 0..<before.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let (old, new) = (ring.replicas(of: slot), next.replicas(of: slot))
      let (wOld, wNew) = (min(before.writeQuorum, old.count), min(topology.writeQuorum, new.count))
      let areAllDue = new.count - wNew < old.count - wOld || wNew < wOld
      for node in new where areAllDue || !old.contains(node) {
        guard let member = before.member(node) else { continue }
        if !filled.contains("\(TopologyVoter(member.node, member.identity)) \(before.epoch)") {
          problems.append("epoch \(topology.epoch) is committed without \(node)")
        }
      }
    }
  }

  /// A change is over only when of no slot so many former owners lack its commit that a reader that lacks it too would be
  /// answered by them, without what is written from now on.
  private mutating func checkEnd(of before: Topology, to topology: Topology) {
    guard before.former != nil, topology.beside == nil, let former = before.besideAssignment else { return }
    outcomes["ended", default: 0] += 1
    let behind = Set(hosts.filter { host in host.newest.map { $0.epoch < before.epoch } ?? false }.map(\.name))
    for number in 0..<topology.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = former.replicas(of: slot)
      let now = before.assignment.replicas(of: slot)
      let needed = min(before.besideReplication.writeQuorum, owners.count)
      guard Set(owners) != Set(now) || min(before.writeQuorum, now.count) < needed,
        owners.count(where: { behind.contains($0) }) > owners.count - needed
      else { continue }
      return problems.append("epoch \(topology.epoch) ends a change of which former owners of slot \(slot) do not know")
    }
  }

  mutating func checkEnded(_ outcome: TopologyOutcome, of host: TopologyHost) {
    guard let proposed = host.proposed else {
      problems.append("\(host.name) is told of a proposal that it has not made")
      return
    }
    switch outcome {
    case .chosen:
      outcomes["chosen", default: 0] += 1
      let known = chosen[proposed.clusterID] ?? []
      if Int(proposed.epoch) > known.count || known[Int(proposed.epoch) - 1] != proposed {
        problems.append("\(host.name) is told that epoch \(proposed.epoch) is as it said")
      }
    case .overtaken(let other):
      outcomes["overtaken", default: 0] += 1
      if other.epoch < proposed.epoch || other == proposed { problems.append("\(host.name) is overtaken by nothing") }
    case .timedOut: outcomes["timed out", default: 0] += 1
    }
  }

  /// The voters of a topology that have no vote: their disks are gone, or they are of another cluster.
  func staleCount(_ topology: Topology) -> Int {
    topology.electorate.voters.count { voter in
      hosts.contains { host in
        guard host.name == voter.node else { return false }
        return host.identity != voter.identity || host.newest.map { $0.clusterID != topology.clusterID } ?? false
      }
    }
  }

  /// The topologies that were learned, by cluster.
  var clusters: [[Topology]] { chosen.sorted { $0.key < $1.key }.map(\.value) }

  /// Whether the node may lose its disk: enough keep what they promised, on the newest topology and the one before; and
  /// what those who found the cluster have promised is kept until it is founded.
  func mayWipe(_ host: TopologyHost) -> Bool {
    let own = clusters.filter { $0.last?.member(host.name) != nil }
    guard !own.isEmpty else { return !chosen.isEmpty || host.disk == nil }
    return own.flatMap { $0.suffix(2) }.allSatisfy { topology in
      let isNew = topology.member(host.name).map { $0.identity == host.identity } ?? false
      return 2 * (staleCount(topology) + (isNew ? 1 : 0)) < topology.electorate.voters.count
    }
  }
  /// Whether the node does not know the newest topology of its cluster.
  func isBehind(_ host: TopologyHost) -> Bool {
    guard let topology = host.topology else { return true }
    return topology != chosen[topology.clusterID]?.last
  }
}
