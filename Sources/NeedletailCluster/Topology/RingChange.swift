// The driver of a change of members: when its new owners have all, it is committed. Any member may drive; that two do is
// harmless, because the change is committed by a decision that is made once.

/// What is left of a change that is under way, and when it may be committed.
///
/// It is made of a topology with a change, and made anew with each newer topology. The shell calls `tick` at `nextTick`,
/// asks whom it says, and hands in the answers.
package struct RingChange: Sendable {
  package enum Action: Hashable, Sendable {
    /// Ask this node, which may be the own one, which of its slots it has all of: `question`.
    case ask(NodeID)
    /// The new owners have all: propose this topology. Told again until there is another one.
    case propose(Topology)
  }

  /// The slots of which a node has yet to have all.
  package struct Share: Hashable, Sendable {
    package let node: NodeID
    package let slots: SlotSet
  }

  /// From one question to the next for the first of those who drive, in ns.
  static let interval: Int64 = 2_000_000_000
  /// How much later each further node commits, in ns.
  static let takeOverAfter: Int64 = 10_000_000_000

  package let topology: Topology
  package let plan: ChangePlan
  /// What each node has to have all of, by name.
  private let due: [Share]
  private var ready: [NodeID: SlotSet] = [:]
  private var completeSince: Int64?
  private var askAt: Int64?

  /// Nil where no change is under way.
  package init?(_ topology: Topology) {
    guard let plan = ChangePlan(topology) else { return nil }
    self.topology = topology
    self.plan = plan
    due = Self.due(topology, plan)
  }

  /// New owners have to be filled. Where a slot is left with fewer replicas than it has, those that stay may be fewer
  /// than W with all that was acknowledged: each of them has to compare with the others too.
  private static func due(_ topology: Topology, _ plan: ChangePlan) -> [Share] {
    guard let next = topology.next, let assignment = topology.nextAssignment else { return [] }
    let replicas = topology.replicaCount
    guard min(next.count, replicas) < min(topology.ring.count, replicas) else {
      return plan.incoming.map { Share(node: $0.node, slots: $0.slots) }
    }
    return next.map { Share(node: $0.node, slots: SlotSet(assignment.slots(of: $0.node))) }
  }

  /// What is not there yet, by node; empty where the change may be committed.
  package var left: [Share] {
    due.compactMap { share in
      var slots = share.slots
      if let ready = ready[share.node] { slots.subtract(ready) }
      return slots.isEmpty ? nil : Share(node: share.node, slots: slots)
    }
  }

  /// The slots of which a node has to have all for the change to be committed.
  ///
  /// One that it held before it has to compare anew since the change began: with a `ReplicaReadiness` of its own for
  /// the purpose, which nothing else asks, with what `Topology.filling(hasLostNothing: true)` says. All others it is
  /// filled with as any new replica.
  package func due(of node: NodeID) -> SlotSet { due.first { $0.node == node }?.slots ?? [] }

  /// Asks a node how far it is; who it is that asks is `voter`.
  package func question(from voter: TopologyVoter) -> TopologyMessage { message(.progressAsked, voter) }

  /// The answer of a node that has all of these of its slots.
  package func answer(ready slots: SlotSet, from voter: TopologyVoter) -> TopologyMessage {
    message(.progress(slots), voter)
  }

  /// With the epoch that this is about, whatever the node knows by now.
  private func message(_ body: TopologyMessage.Body, _ voter: TopologyVoter) -> TopologyMessage {
    TopologyMessage(
      sender: .init(voter: voter, cluster: topology.clusterID, epoch: topology.epoch), body: body)
  }

  /// When `tick` has to be called again at the latest.
  package var nextTick: Int64 { askAt ?? .min }

  /// A node says of which of these slots it has all, as `ReplicaReadiness` has it; what it said before counts no more.
  ///
  /// Only the disk that the topology names counts, under this epoch: a loss since makes another one.
  package mutating func progressed(_ voter: TopologyVoter, epoch: UInt64, ready slots: SlotSet) {
    guard epoch == topology.epoch, topology.member(voter.node)?.identity == voter.identity else { return }
    ready[voter.node] = slots
  }

  /// The same from a message with the purpose `progress`.
  package mutating func receive(_ message: TopologyMessage) {
    guard case .progress(let slots) = message.body, message.sender.cluster == topology.clusterID else { return }
    progressed(message.sender.voter, epoch: message.sender.epoch, ready: slots)
  }

  /// Does what is due at `now` for the node `own`, where the nodes `present` are there.
  ///
  /// The first by name drives; each further one asks more rarely and commits later, in case that those before it do not.
  package mutating func tick(now: Int64, own: NodeID, present: [NodeID]) -> [Action] {
    guard askAt.map({ now >= $0 }) ?? true else { return [] }
    let drivers = topology.members.map(\.node).filter { $0 == own || present.contains($0) }
    let rank = Int64(drivers.firstIndex(of: own) ?? drivers.count)
    askAt = now + Self.interval * (rank + 1)
    let left = left
    guard left.isEmpty else {
      completeSince = nil
      return left.map { .ask($0.node) }
    }
    let since = completeSince ?? now
    completeSince = since
    guard now >= since + rank * Self.takeOverAfter, let next = try? topology.committed() else { return [] }
    return [.propose(next)]
  }
}
