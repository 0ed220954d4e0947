import NeedletailTelemetry

// Deciding: the key of an epoch is created once, in one transaction with the look at the decision before it. So there is at
// most one decision of an epoch, and it follows from the only one before.

extension EtcdSession {
  // MARK: Proposing

  /// Has etcd decide on the next topology. `.proposalEnded` tells what became of it, at `deadline` at the latest.
  package mutating func propose(
    _ topology: Topology, deadline: Int64, now: Int64
  ) throws(EtcdProposalError) -> [Action] {
    if let trouble { throw .trouble(trouble) }
    guard proposal == nil else { throw .busy }
    let isNext =
      topology.epoch == (known?.epoch ?? 0) + 1 && topology.clusterID == known?.clusterID ?? topology.clusterID
    guard isNext, topology.decider == .etcd else { throw .outdated }
    proposal = Proposal(topology: topology, basis: known, deadline: deadline)
    // What was asked for an earlier one is not waited for.
    proposing = Lane()
    continueProposing(now)
    return finish()
  }

  mutating func continueProposing(_ now: Int64) {
    guard let proposal else { return }
    if now >= proposal.deadline {
      return endProposing(.refused(Self.silence(proposal.failure)))
    }
    guard proposing.outstanding == nil, now >= proposing.at else { return }
    ask(.decide(proposal.topology, basis: proposal.basis), \.proposing, now)
  }

  private static func silence(_ reason: String?) -> String {
    "etcd, where changes of this cluster are decided, does not answer (\(reason ?? "no answer came")); writes and reads go on "
      + "without it. Once it is back the change may still have come about: look with cluster status before you ask again"
  }

  private mutating func endProposing(_ outcome: EtcdOutcome) {
    guard proposal != nil else { return }
    proposal = nil
    proposing = Lane()
    if case .refused = outcome {} else { count(chosen: outcome == .chosen) }
    actions.append(.proposalEnded(outcome))
  }

  /// The node knows a topology now, wherever it heard of it.
  package mutating func knows(_ topology: Topology, now: Int64) -> [Action] {
    guard topology.epoch > known?.epoch ?? 0 else { return finish() }
    known = topology
    if own(differsFrom: topology.clusterID) { belong(to: topology.clusterID, now) }
    if let proposal, proposal.topology.epoch <= topology.epoch {
      endProposing(proposal.topology == topology ? .chosen : .overtaken(by: topology))
    }
    return finish()
  }

  // MARK: Reading

  mutating func askForDecisions(_ request: EtcdRequest, _ now: Int64) {
    epochAsked = known?.epoch ?? 0
    ask(request, \.deciding, now)
  }

  mutating func takeMarks(_ found: [EtcdMark], _ now: Int64, _ random: inout some RandomNumberGenerator) {
    looks += 1
    // Another etcd, or an emptied one, may have come to the same keys and revisions.
    guard found == marks, looks < options.looksMax else { return askForDecisions(.topologies, now) }
    lookAgain(now, &random)
    judge()
  }

  mutating func takeDecisions(_ found: [EtcdDecision], _ now: Int64, _ random: inout some RandomNumberGenerator) {
    lookAgain(now, &random)
    hold(found)
    judge()
  }

  private mutating func lookAgain(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    let interval = options.epochsInterval
    deciding.at = now + interval + Int64.random(in: 0...max(0, interval / 3), using: &random)
  }

  /// Keeps what was read; names what is no decision.
  private mutating func hold(_ found: [EtcdDecision]) {
    let seen = Set(marks ?? [])
    for decision in found where decision.topology == nil && !seen.contains(decision.mark) {
      note(
        EtcdUnreadable(
          key: "topology/" + decision.mark.key, problem: "it is no decision of a cluster that etcd decides for"))
    }
    marks = found.map(\.mark)
    looks = 0
    held = found.compactMap(\.topology).max { $0.epoch < $1.epoch }
  }

  /// What follows from what etcd has and the node knows.
  private mutating func judge() {
    guard let held else {
      return set(known.flatMap { epochAsked > 0 ? .behind(own: $0.epoch, held: 0) : nil })
    }
    guard let known else { return learn(held, isOwn: false) }
    if held.clusterID != known.clusterID { return set(.foreign(held.clusterID, own: known.clusterID)) }
    if held.epoch > known.epoch { return learn(held, isOwn: false) }
    if held.epoch == known.epoch { return set(held == known ? nil : .unlike(epoch: held.epoch)) }
    // What the node has learned since it asked may not have been there.
    if held.epoch < epochAsked { set(.behind(own: known.epoch, held: held.epoch)) }
  }

  private mutating func learn(_ topology: Topology, isOwn: Bool) {
    set(nil)
    actions.append(.decided(topology, byThisNode: isOwn))
  }

  private mutating func set(_ next: EtcdTrouble?) {
    guard next != trouble else { return }
    trouble = next
    actions.append(.changed)
  }

  // MARK: The answer to a proposal

  mutating func takeDecided(
    _ isDecided: Bool, _ found: [EtcdDecision], _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    guard let proposal else { return }
    if isDecided {
      learn(proposal.topology, isOwn: true)
      return endProposing(.chosen)
    }
    epochAsked = proposal.basis?.epoch ?? 0
    hold(found)
    judge()
    if let trouble { return endProposing(.refused("\(trouble)")) }
    // An earlier try may have been heard, and its answer lost.
    if found.contains(where: { $0.topology == proposal.topology }) { return endProposing(.chosen) }
    if let held, held.epoch >= proposal.topology.epoch { return endProposing(.overtaken(by: held)) }
    let key = EtcdDecision.key(proposal.topology.epoch)
    let isTaken = found.contains { $0.mark.key == key }
    let garbage = isTaken ? key : held == nil ? found.first?.mark.key : nil
    endProposing(.refused(garbage.map(Self.inTheWay) ?? Self.unclear))
  }

  private static func inTheWay(_ key: String) -> String {
    "the key topology/\(key) under the prefix in etcd holds no topology of this cluster that this program can read, and is "
      + "in the way of the next decision: where a newer program wrote it, update this node; else see who wrote it, and delete it"
  }

  private static let unclear = "etcd had a decision that this node does not know yet: ask again in a moment"
}
