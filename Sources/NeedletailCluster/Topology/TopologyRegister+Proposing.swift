import NeedletailTelemetry

// Proposing: an attempt asks all voters to heed its number, takes up what any of them accepted before, or else its own,
// and asks them to accept that. It is decided when enough of them have.

extension TopologyRegister {
  /// A proposal that is under way.
  struct Proposing: Sendable {
    enum Phase: Sendable {
      /// Asks who heeds the number.
      case preparing
      /// Asks to accept.
      case accepting
      /// Waits for the next attempt.
      case pausing
    }

    let decision: TopologyMessage.Decision
    /// What this node would have the topology be.
    let own: Topology
    /// When it is given up.
    let deadline: Int64
    /// Nobody waits for it: it was begun by another one.
    let isRecovery: Bool
    var phase = Phase.pausing
    var ballot: Ballot
    /// Who decides on `value`.
    var electorate: TopologyElectorate
    var value: Topology
    /// Who heeds the number, and who accepted.
    var answered: Set<TopologyVoter> = []
    /// What was accepted before, with the greatest number.
    var best: TopologyState.Proposal?
    var failures = 0
    /// The greatest round that was heard of.
    var round: UInt64 = 0
    var resendAt: Int64 = .max
    /// When the attempt, or the pause, is over.
    var until: Int64

    var nextTick: Int64 { min(deadline, until, resendAt) }
  }

  // MARK: Beginning

  /// Has the nodes decide on the next topology. `.proposalEnded` tells what became of it, at `deadline` at the latest.
  package mutating func propose(
    _ topology: Topology, deadline: Int64, now: Int64, using random: inout some RandomNumberGenerator
  ) throws(TopologyProposalError) -> [TopologyAction] {
    guard decider == .members, topology.decider == .members else { throw .decidedElsewhere }
    guard proposing.map(\.isRecovery) ?? true else { throw .busy }
    guard topology.epoch == epoch + 1, topology.clusterID == self.topology?.clusterID ?? topology.clusterID else {
      throw .outdated(known: epoch)
    }
    guard self.topology != nil || topology.electorate.voters == electorate.voters else { throw .notFounders }
    begin(topology, deadline: deadline, isRecovery: false, now, &random)
    return finish()
  }

  private mutating func begin(
    _ topology: Topology, deadline: Int64, isRecovery: Bool, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    proposing = Proposing(
      decision: Decision(epoch: topology.epoch, basis: basis), own: topology, deadline: deadline,
      isRecovery: isRecovery, ballot: Ballot(round: 0, voter: voter), electorate: electorate, value: topology,
      until: now)
    attempt(now, &random)
  }

  /// A node that accepted something and heard no more of it looks whether it was decided.
  mutating func recoverLater(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard state.accepted != nil else { return }
    recoverAt = now + options.recoverAfter + jittered(options.recoverAfter, &random)
  }

  mutating func recover(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    recoverLater(now, &random)
    guard let accepted = state.accepted, proposing == nil, isVoter else { return }
    counters.count(.recovered)
    begin(accepted.topology, deadline: now + options.recoverAfter, isRecovery: true, now, &random)
  }

  // MARK: Attempts

  /// Begins the next attempt, with a greater number than any that was heard of.
  private mutating func attempt(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard var attempt = proposing else { return }
    let round = max(attempt.round, state.promised?.round ?? 0) + 1
    guard round <= Ballot.roundMax else {
      proposing?.until = attempt.deadline
      return
    }
    counters.count(.attempted)
    attempt.round = round
    let noOne = TopologyVoter(NodeID("n"), NodeIdentity(Hash128(high: 0, low: 0)))
    attempt.ballot = Ballot(round: round, voter: bug == .equalBallots ? noOne : voter)
    attempt.phase = .preparing
    attempt.electorate = electorate
    attempt.value = attempt.own
    attempt.answered = []
    attempt.best = nil
    attempt.until = now + options.attemptTimeout + jittered(options.attemptTimeout, &random)
    attempt.resendAt = now + options.resendInterval
    proposing = attempt
    // Its own promise, also where this node has no vote: so that it never takes the number again.
    if bug != .ownVoteUnstored { promise(attempt.ballot) }
    if isVoter {
      proposing?.answered.insert(voter)
      proposing?.best = state.accepted
    }
    ask()
    settle(now, &random)
  }

  /// Asks those who have not answered.
  private mutating func ask() {
    guard let proposing else { return }
    let body: TopologyMessage.Body =
      proposing.phase == .preparing
      ? .prepare(proposing.decision, proposing.ballot)
      : .accept(proposing.decision, .init(ballot: proposing.ballot, topology: proposing.value))
    for other in proposing.electorate.voters where other.node != voter.node && !proposing.answered.contains(other) {
      send(body, to: other.node)
    }
  }

  /// Goes on where enough have answered.
  private mutating func settle(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard let attempt = proposing else { return }
    switch attempt.phase {
    case .pausing: return
    case .preparing:
      guard isPrepared(attempt) else { return }
      takeUp(attempt.best)
      guard let attempt = proposing, bug == .asksNextAlone || isEnough(attempt) else {
        pause(now, &random)
        return
      }
      proposing?.phase = .accepting
      proposing?.answered = []
      proposing?.resendAt = now + options.resendInterval
      if isVoter, bug == .ownVoteUnstored {
        proposing?.answered.insert(voter)
      } else if isVoter, state.promised == attempt.ballot {
        accept(.init(ballot: attempt.ballot, topology: attempt.value), now, &random)
        proposing?.answered.insert(voter)
      }
      ask()
      settle(now, &random)
    case .accepting:
      guard isEnough(attempt) else { return }
      counters.count(.chosen)
      // Those who come and those who go, too, who had no vote.
      let others = (topology?.members ?? []).map(\.node) + attempt.electorate.voters.map(\.node)
      learn(attempt.value, now, &random)
      tellAll(others + attempt.value.members.map(\.node))
    }
  }

  /// Whether enough heed the number. All founders have to: two lists of them that differ by replaced disks alone have
  /// one in common with any majority of the other.
  private func isPrepared(_ attempt: Proposing) -> Bool {
    if topology == nil {
      return attempt.electorate.voters.allSatisfy(attempt.answered.contains)
    }
    if bug == .asksNextAlone, let next = topology?.next {
      return TopologyElectorate(next.map { TopologyVoter($0.node, $0.identity) }).decides(attempt.answered)
    }
    return isEnough(attempt)
  }

  private func isEnough(_ attempt: Proposing) -> Bool { attempt.electorate.decides(attempt.answered, bug: bug) }

  /// What may be decided already has to be proposed again.
  private mutating func takeUp(_ best: TopologyState.Proposal?) {
    guard let best, bug != .ignoresAccepted else { return }
    if best.topology != proposing?.own { counters.count(.adopted) }
    proposing?.value = best.topology
    // Those who would found the cluster may have had other disks then.
    if topology == nil { proposing?.electorate = best.topology.electorate }
  }

  private mutating func pause(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard var attempt = proposing else { return }
    attempt.failures += 1
    attempt.phase = .pausing
    attempt.resendAt = .max
    attempt.until = now + options.backoff.delay(failures: attempt.failures, using: &random)
    proposing = attempt
  }

  mutating func continueProposing(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard let attempt = proposing else { return }
    if now >= attempt.deadline {
      counters.count(.proposalTimedOut)
      proposing = nil
      if !attempt.isRecovery { actions.append(.proposalEnded(.timedOut)) }
    } else if now >= attempt.until {
      if attempt.phase == .pausing {
        self.attempt(now, &random)
      } else {
        counters.count(.attemptTimedOut)
        pause(now, &random)
      }
    } else if now >= attempt.resendAt {
      proposing?.resendAt = now + options.resendInterval
      ask()
    }
  }

  // MARK: Answers

  mutating func takePromise(
    _ decision: Decision, _ ballot: Ballot, _ accepted: TopologyState.Proposal?, _ other: TopologyVoter,
    _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    guard let attempt = proposing, attempt.phase == .preparing, attempt.decision == decision,
      attempt.ballot == ballot, let other = known(other)
    else { return }
    proposing?.answered.insert(other)
    if let accepted, attempt.best.map({ $0.ballot < accepted.ballot }) ?? true { proposing?.best = accepted }
    settle(now, &random)
  }

  mutating func takeAccepted(
    _ decision: Decision, _ ballot: Ballot, _ other: TopologyVoter, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    guard let attempt = proposing, attempt.phase == .accepting, attempt.decision == decision,
      attempt.ballot == ballot, let other = known(other)
    else { return }
    proposing?.answered.insert(other)
    settle(now, &random)
  }

  /// The voter that answers; nil where it is none.
  private func known(_ other: TopologyVoter) -> TopologyVoter? {
    guard let attempt = proposing else { return nil }
    let voters = attempt.electorate.voters
    if voters.contains(other) { return other }
    return bug == .newDiskVotes ? voters.first { $0.node == other.node } : nil
  }

  mutating func takeRefusal(
    _ decision: Decision, _ ballot: Ballot, _ greater: Ballot, _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    guard let attempt = proposing, attempt.decision == decision, attempt.ballot == ballot, greater > ballot else {
      return
    }
    proposing?.round = max(attempt.round, greater.round)
    guard attempt.phase != .pausing else { return }
    counters.count(.outbid)
    pause(now, &random)
  }

  /// A topology that is newer than what was to be decided on makes an end of it.
  mutating func endProposing(by topology: Topology) {
    guard let attempt = proposing else { return }
    proposing = nil
    guard !attempt.isRecovery else { return }
    let isOwn = topology == attempt.own
    if !isOwn { counters.count(.overtaken) }
    actions.append(.proposalEnded(isOwn ? .chosen : .overtaken(by: topology)))
  }
}
