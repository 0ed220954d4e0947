// The driver of a change of members: when its new owners have all, it is committed; when enough of the former ones have
// heard of that, it is over. Any member may drive; that two do is harmless, because each step is decided once.

/// What is left of a change that is under way, and when its next step may be made.
///
/// It is made of a topology with a change, and made anew with each newer topology. The shell calls `tick` at `nextTick`,
/// asks whom it says, and hands in the answers.
package struct RingChange: Sendable {
  package enum Action: Hashable, Sendable {
    /// Ask this node, which may be the own one, which of its slots it has all of: `question`.
    case ask(NodeID)
    /// Nothing is left: propose this topology. Told again until there is another one.
    case propose(Topology)
  }

  /// What has to come about before the next step.
  package enum Stage: Sendable {
    /// The new owners have all of their slots; then the change is committed.
    case filling
    /// So many former owners have the commit on disk that the others are too few to answer a reader that has not heard of
    /// it; then the change is over.
    case telling
  }

  /// Former owners of slots that have other ones now.
  private struct Group: Sendable {
    let owners: [NodeID]
    /// How many of them have to have heard of it.
    let needed: Int
    let slots: SlotSet
  }

  /// The slots of which a node has yet to have all, or to know that others are read from.
  package struct Share: Hashable, Sendable {
    package let node: NodeID
    package let slots: SlotSet
  }

  /// From one question to the next for the first of those who drive, in ns.
  static let interval: Int64 = 2_000_000_000
  /// How much later each further node commits, in ns.
  static let takeOverAfter: Int64 = 10_000_000_000

  package let topology: Topology
  package let stage: Stage
  /// What each node has to have all of, or know, by name.
  private let due: [Share]
  /// Only while former owners are told.
  private let groups: [Group]
  private var ready: [NodeID: SlotSet] = [:]
  private var completeSince: Int64?
  private var askAt: Int64?
  var bug: PlantedTopologyBug?

  /// Nil where no change is under way.
  ///
  /// O(slots x nodes x replicas).
  package init?(_ topology: Topology) { self.init(topology, bug: nil) }

  init?(_ topology: Topology, bug: PlantedChangeBug?) {
    self.topology = topology
    if let plan = ChangePlan(topology) {
      (stage, due, groups) = (.filling, Self.due(topology, plan, bug), [])
    } else if let former = topology.besideAssignment {
      let groups = Self.groups(topology, former, bug)
      (stage, due, self.groups) = (.telling, Self.shares(groups) { $0.owners }, groups)
    } else {
      return nil
    }
  }

  /// The slots of which a read by the former owners is not one by those of now: there are others, or a write may have
  /// fewer of them than a reader who asks as few as before would need.
  private static func groups(_ topology: Topology, _ former: SlotAssignment, _ bug: PlantedChangeBug?) -> [Group] {
    let assignment = topology.assignment
    let replication = topology.besideReplication
    var slots: [[NodeID]: SlotSet] = [:]
    for number in 0..<topology.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let (owners, now) = (former.replicas(of: slot).sorted(), assignment.replicas(of: slot).sorted())
      let isFewer = topology.acknowledgements(of: now.count) < replication.acknowledgements(of: owners.count)
      if owners != now || isFewer && bug != .tellsOthersAlone { slots[owners, default: []].insert(slot) }
    }
    return slots.map { owners, slots in
      // Of those who have not, too few are left to be as many as were asked before the commit.
      let asking = bug == .tellsByNewQuorum ? topology.replication : replication
      return Group(owners: owners, needed: owners.count - asking.readers(of: owners.count) + 1, slots: slots)
    }
  }

  private static func shares(_ groups: [Group], _ nodes: (Group) -> [NodeID]) -> [Share] {
    var slots: [NodeID: SlotSet] = [:]
    for group in groups {
      for node in nodes(group) { slots[node, default: []].formUnion(group.slots) }
    }
    return slots.map { Share(node: $0.key, slots: $0.value) }.sorted { $0.node < $1.node }
  }

  /// New owners have to be filled. Where fewer will agree on a read of a slot than before, those that stay may be fewer
  /// than the new W with all that was acknowledged: each of them has to be compared with others too. Where a write will
  /// be on fewer, more of those that stay may lack something than the new W allows for: they have to be ready.
  private static func due(_ topology: Topology, _ plan: ChangePlan, _ bug: PlantedChangeBug?) -> [Share] {
    guard let next = topology.nextAssignment else { return [] }
    let ring = topology.assignment
    var due: [NodeID: SlotSet] = [:]
    for (node, slots) in plan.incoming { due[node] = slots }
    for member in topology.ring where bug != .keepsUncompared {
      let kept =
        bug == .keepsUnready
        ? topology.keptSlots(of: member.node, in: ring, next: next)
        : topology.dueSlots(of: member.node, in: ring, next: next)
      if !kept.isEmpty { due[member.node, default: []].formUnion(kept) }
    }
    return due.map { Share(node: $0.key, slots: $0.value) }.sorted { $0.node < $1.node }
  }

  /// What is not there yet, by node; empty where the next step may be made.
  package var left: [Share] {
    let left = due.compactMap { share in
      var slots = share.slots
      if let ready = ready[share.node] { slots.subtract(ready) }
      return slots.isEmpty ? nil : Share(node: share.node, slots: slots)
    }
    guard stage == .telling else { return left }
    guard bug != .finishesUntold else { return [] }
    let untold = Set(left.map(\.node))
    return Self.shares(groups) { group in
      let missing = group.owners.filter { untold.contains($0) }
      return group.owners.count - missing.count < group.needed ? missing : []
    }
  }

  /// The slots of which a node has to have all for the change to be committed, or has to know that it is.
  ///
  /// One that it held before it has to be ready for, and to compare anew since the change began where `KeptSlots` says
  /// so. All others it is filled with as any new replica.
  package func due(of node: NodeID) -> SlotSet { due.first { $0.node == node }?.slots ?? [] }

  /// What `progress` a node may tell that has this topology on disk, where these of its slots are not whole.
  package func done(by node: NodeID, unready: (SlotSet) -> SlotSet) -> SlotSet {
    var done = due(of: node)
    if stage == .filling { done.subtract(unready(done)) }
    return done
  }

  /// Asks a node how far it is; who it is that asks is `voter`.
  package func question(from voter: TopologyVoter) -> TopologyMessage { message(.progressAsked, voter) }

  /// The answer of a node that has all of these of its slots, or knows who is read from for them.
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

  /// A node says which of these slots are `done`; what it said before counts no more.
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

  /// Does what is due at `now` for the node `own`, where those `present` are there, itself among them.
  ///
  /// The first by name drives; each further one asks more rarely and commits later, in case that those before it do not.
  /// Nothing is committed as long as those that are there could decide nothing after it: what is not committed can be
  /// taken back.
  package mutating func tick(now: Int64, own: NodeID, present: [TopologyVoter]) -> [Action] {
    guard askAt.map({ now >= $0 }) ?? true else { return [] }
    let nodes = Set(present.map(\.node))
    let drivers = topology.members.map(\.node).filter { $0 == own || nodes.contains($0) }
    let rank = Int64(drivers.firstIndex(of: own) ?? drivers.count)
    askAt = now + Self.interval * (rank + 1)
    let left = left
    guard left.isEmpty else {
      completeSince = nil
      return left.map { .ask($0.node) }
    }
    let since = completeSince ?? now
    completeSince = since
    guard now >= since + rank * Self.takeOverAfter else { return [] }
    if stage == .filling, topology.decider == .members {
      guard let missed = try? topology.votersMissed(by: Set(present)), missed.isEmpty else { return [] }
    }
    guard let next = try? stage == .filling ? topology.committed() : topology.finished() else { return [] }
    return [.propose(next)]
  }
}
