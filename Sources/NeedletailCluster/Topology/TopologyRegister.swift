// How nodes agree on the next topology, without a leader: for each epoch one decision after Paxos (Lamport, "Paxos Made
// Simple", 2001) among those whom the topology before it names. TopologyRegister+Voting.swift answers proposers,
// TopologyRegister+Proposing.swift is one. docs/cluster.md has the proof.

import NeedletailTelemetry

/// One node's part in the agreement on who holds the slots: what it knows, what it promised, and what it proposes.
///
/// The shell calls `tick` at `nextTick`, hands in what arrives, and performs the actions in their order. Times are
/// monotonic nanoseconds. A call costs O(members).
package struct TopologyRegister: Sendable {
  /// A node that knows a newer topology.
  struct Source: Sendable {
    let node: NodeID
    var epoch: UInt64
    var asked = 0
  }

  package let voter: TopologyVoter
  /// Who decides; where it is not the members, this node neither votes nor asks for votes.
  package let decider: TopologyDecider
  package internal(set) var state: TopologyState
  package internal(set) var counters = TopologyCounters()
  let options: TopologyOptions
  /// Who decides on the next topology; nobody where no topology and no founders are known.
  var electorate: TopologyElectorate
  /// Of the topology that is known, or of the founders.
  var basis: Hash128
  var peers: [NodeID] = []
  var proposing: Proposing?
  var sources: [Source] = []
  var failures = 0
  /// When what is due; nil for never.
  var helloAt: Int64?
  var fetchAt: Int64?
  var recoverAt: Int64?
  var lastForeign: Hash128?
  var actions: [TopologyAction] = []
  var bug: PlantedTopologyBug?

  /// A node with what its disk has: an empty state where the disk is new. A topology in it has the same decider.
  package init(
    _ node: NodeID, identity: NodeIdentity, state: TopologyState, decider: TopologyDecider = .members,
    options: TopologyOptions = .init()
  ) {
    voter = TopologyVoter(node, identity)
    self.decider = decider
    self.state = state
    self.options = options
    electorate = state.topology?.electorate ?? TopologyElectorate([])
    basis = state.topology?.basis ?? TopologyVoter.digest([])
  }

  // MARK: What the node may know

  /// The newest topology that the node knows; nil before it knows any.
  package var topology: Topology? { state.topology }

  package var epoch: UInt64 { state.epoch }

  /// When `tick` has to be called again at the latest.
  package var nextTick: Int64 {
    guard let helloAt else { return .min }
    var next = helloAt
    if let fetchAt { next = min(next, fetchAt) }
    if let recoverAt { next = min(next, recoverAt) }
    if let proposing { next = min(next, proposing.nextTick) }
    return next
  }

  /// What stands in the head of each message of the node.
  package var sender: TopologyMessage.Sender {
    TopologyMessage.Sender(voter: voter, cluster: topology?.clusterID, epoch: epoch)
  }

  // MARK: Events

  /// Does what is due at `now`.
  package mutating func tick(now: Int64, using random: inout some RandomNumberGenerator) -> [TopologyAction] {
    if helloAt == nil {
      helloAt = now + jittered(options.helloInterval, &random)
      recoverLater(now, &random)
    }
    if let helloAt, now >= helloAt {
      self.helloAt = now + options.helloInterval / 2 + jittered(options.helloInterval, &random)
      let others = (peers.isEmpty ? electorate.voters.map(\.node) : peers).filter { $0 != voter.node }
      if bug != .asksNobody, let other = others.randomElement(using: &random) { send(.hello, to: other) }
    }
    if let fetchAt, now >= fetchAt { fetch(now, &random) }
    continueProposing(now, &random)
    if let recoverAt, now >= recoverAt { recover(now, &random) }
    return finish()
  }

  /// Takes a message in.
  package mutating func receive(
    _ message: TopologyMessage, now: Int64, using random: inout some RandomNumberGenerator
  ) -> [TopologyAction] {
    let sender = message.sender
    guard sender.voter != voter, isOwnCluster(sender.cluster, sender.voter.node) else { return finish() }
    guard isAlike(message) else { return finish() }
    if case .topology(let topology) = message.body {
      if isOwnCluster(topology.clusterID, sender.voter.node) { learn(topology, now, &random) }
      return finish()
    }
    note(sender.epoch, sender.voter.node, now, &random)
    switch message.body {
    case .hello: if sender.epoch < epoch { tell(sender.voter.node) }
    case .prepare(let decision, let ballot): answerPrepare(decision, ballot, sender.voter, now, &random)
    case .accept(let decision, let proposal): answerAccept(decision, proposal, sender.voter, now, &random)
    case .promise(let decision, let ballot, let accepted):
      takePromise(decision, ballot, accepted, sender.voter, now, &random)
    case .accepted(let decision, let ballot): takeAccepted(decision, ballot, sender.voter, now, &random)
    case .refuse(let decision, let ballot, let greater): takeRefusal(decision, ballot, greater, now, &random)
    case .topology, .inquire, .standing, .progressAsked, .progress: break
    }
    return finish()
  }

  /// A node is said to know the topology of an epoch: by gossip, or by the head of another kind of message.
  package mutating func heard(
    _ epoch: UInt64, from node: NodeID, now: Int64, using random: inout some RandomNumberGenerator
  ) -> [TopologyAction] {
    note(epoch, node, now, &random)
    return finish()
  }

  /// Who is there and may be asked what it knows, from the members; those of the topology where nobody is named.
  package mutating func setPeers(_ nodes: [NodeID]) { peers = nodes }

  /// Who founds the cluster, as `Founding` says: on that they vote as long as none is known.
  package mutating func setFounders(_ founders: [TopologyVoter]) -> [TopologyAction] {
    let founders = TopologyElectorate(founders)
    guard topology == nil, founders != electorate else { return [] }
    electorate = founders
    basis = TopologyVoter.digest(founders.voters)
    // What was proposed to others than these is to be proposed anew.
    if let proposing, !proposing.isRecovery { actions.append(.proposalEnded(.timedOut)) }
    proposing = nil
    return finish()
  }

  // MARK: Knowing

  /// Whether something is of the cluster that this node belongs to, if it belongs to one.
  private mutating func isOwnCluster(_ cluster: Hash128?, _ node: NodeID) -> Bool {
    guard let cluster, let own = topology?.clusterID, own != cluster, bug != .learnsForeign else { return true }
    counters.count(.foreign)
    if lastForeign != cluster {
      lastForeign = cluster
      actions.append(.foreign(node, cluster: cluster))
    }
    return false
  }

  /// Whether a message is one that a node with the same decider sends.
  private mutating func isAlike(_ message: TopologyMessage) -> Bool {
    guard let other = message.topology?.decider, other != decider else { return true }
    counters.count(.unlike)
    actions.append(.unlike(message.sender.voter.node, decider: other))
    return false
  }

  /// Takes in what was decided by others than the members; tells it to the members where it was this node that proposed
  /// it.
  package mutating func decided(
    _ topology: Topology, byThisNode isOwn: Bool, now: Int64, using random: inout some RandomNumberGenerator
  ) -> [TopologyAction] {
    guard decider != .members, topology.decider == decider,
      self.topology?.clusterID ?? topology.clusterID == topology.clusterID
    else { return finish() }
    let isNews = topology.epoch > epoch
    let others = (self.topology?.members ?? []).map(\.node) + peers
    learn(topology, now, &random)
    if isOwn, isNews { tellAll(others + topology.members.map(\.node)) }
    return finish()
  }

  /// Asks a node for what it knows and this one does not.
  mutating func note(_ epoch: UInt64, _ node: NodeID, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard epoch > self.epoch, node != voter.node, bug != .asksNobody else { return }
    if let index = sources.firstIndex(where: { $0.node == node }) {
      sources[index].epoch = max(sources[index].epoch, epoch)
      return
    }
    if sources.count >= max(1, options.sourcesMax) { sources.removeFirst() }
    sources.append(Source(node: node, epoch: epoch))
    if fetchAt == nil {
      failures = 0
      fetch(now, &random)
    }
  }

  /// Asks the next of those who know more.
  private mutating func fetch(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard !sources.isEmpty else {
      fetchAt = nil
      return
    }
    var source = sources.removeFirst()
    source.asked += 1
    // Whoever does not tell when asked so often will be heard of again, if it knows anything.
    if source.asked < 10 { sources.append(source) }
    failures += 1
    counters.count(.fetched)
    send(.hello, to: source.node)
    fetchAt = now + options.fetchTimeout + options.backoff.delay(failures: failures, using: &random)
  }

  /// Takes over a topology that is decided.
  mutating func learn(_ topology: Topology, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard topology.epoch > epoch else { return }
    counters.count(.learned)
    var next = TopologyState(knowing: topology)
    if bug == .keepsVotes {
      next.promised = state.promised
      next.accepted = state.accepted
    }
    state = next
    electorate = topology.electorate
    basis = topology.basis
    recoverAt = nil
    sources.removeAll { $0.epoch <= topology.epoch }
    if sources.isEmpty { fetchAt = nil }
    actions.append(.store(state))
    actions.append(.learned(topology))
    endProposing(by: topology)
  }

  /// Tells a node the newest topology.
  mutating func tell(_ node: NodeID) {
    guard let topology else { return }
    counters.count(.told)
    send(.topology(topology), to: node)
  }

  mutating func tellAll(_ nodes: [NodeID]) {
    for node in Set(nodes).subtracting([voter.node]).sorted() { tell(node) }
  }

  // MARK: Common

  mutating func send(_ body: TopologyMessage.Body, to node: NodeID) {
    actions.append(.send(TopologyMessage(sender: sender, body: body), to: node))
  }

  mutating func finish() -> [TopologyAction] {
    defer { actions.removeAll() }
    guard bug == .answersBeforeStore else { return actions }
    let stores = actions.filter { if case .store = $0 { true } else { false } }
    return actions.filter { if case .store = $0 { false } else { true } } + stores
  }

  func jittered(_ interval: Int64, _ random: inout some RandomNumberGenerator) -> Int64 {
    Int64.random(in: 0...max(0, interval), using: &random)
  }
}
