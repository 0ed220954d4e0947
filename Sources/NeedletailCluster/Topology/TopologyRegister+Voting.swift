import NeedletailTelemetry

// What a voter answers. It heeds the greatest number that it has promised to heed, and tells what it accepted before;
// both lie on its disk before it answers.

extension TopologyRegister {
  typealias Decision = TopologyMessage.Decision

  /// Whether this node decides on the next topology, with this disk.
  var isVoter: Bool {
    guard decider == .members else { return false }
    let voters = electorate.voters
    return voters.contains(voter) || bug == .newDiskVotes && voters.contains { $0.node == voter.node }
  }

  mutating func answerPrepare(
    _ decision: Decision, _ ballot: Ballot, _ proposer: TopologyVoter, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    guard isAsked(decision, ballot, proposer) else { return }
    if let promised = state.promised, ballot < promised {
      counters.count(.refused)
      send(.refuse(decision, ballot, greater: promised), to: proposer.node)
      return
    }
    promise(ballot)
    send(.promise(decision, ballot, state.accepted), to: proposer.node)
  }

  mutating func answerAccept(
    _ decision: Decision, _ proposal: TopologyState.Proposal, _ proposer: TopologyVoter, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    guard isAsked(decision, proposal.ballot, proposer) else { return }
    if let promised = state.promised, proposal.ballot < promised, bug != .acceptsBelowPromise {
      counters.count(.refused)
      send(.refuse(decision, proposal.ballot, greater: promised), to: proposer.node)
      return
    }
    guard proposal.topology.epoch == decision.epoch,
      proposal.topology.clusterID == topology?.clusterID ?? proposal.topology.clusterID
    else { return }
    accept(proposal, now, &random)
    send(.accepted(decision, proposal.ballot), to: proposer.node)
  }

  /// Heeds a number from now on.
  mutating func promise(_ ballot: Ballot) {
    guard state.promised != ballot else {
      counters.count(.repeated)
      return
    }
    counters.count(.promised)
    state.promised = ballot
    actions.append(.store(state))
  }

  mutating func accept(
    _ proposal: TopologyState.Proposal, _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    guard state.accepted != proposal || state.promised != proposal.ballot else {
      counters.count(.repeated)
      return
    }
    counters.count(.accepted)
    state.promised = proposal.ballot
    state.accepted = proposal
    actions.append(.store(state))
    recoverLater(now, &random)
  }

  /// Whether the question is one that this node has to answer; tells the other one what it lacks if not.
  private mutating func isAsked(_ decision: Decision, _ ballot: Ballot, _ proposer: TopologyVoter) -> Bool {
    if bug == .votesOnThePast, decision.epoch <= epoch { return true }
    if decision.epoch <= epoch {
      counters.count(.tooOld)
      tell(proposer.node)
      return false
    }
    if decision.epoch > epoch + 1 {
      // Its head told that it knows more, so that it was asked for it.
      counters.count(.tooNew)
      return false
    }
    let isOwnBallot = ballot.voter == proposer || bug == .equalBallots
    guard decision.basis == basis, isVoter, isOwnBallot else {
      counters.count(.notAsked)
      return false
    }
    return true
  }
}
