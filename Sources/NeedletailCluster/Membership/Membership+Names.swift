import NeedletailEnvironment

// Who holds a name. A name is held by one identity at a time; `tenure` counts the holders. A node that was just started
// claims its name with tenure 0, which stands back behind every holder that is known, until it has heard from somebody
// who knows the members, or has waited among others that are as new as itself.

extension Membership {
  // MARK: Who may speak

  /// Whether a message is to be read, by who sent it; tells the sender if not.
  mutating func admit(_ sender: MembershipMessage.Sender, _ address: PeerAddress) -> Bool {
    if sender.node == own.node { return admitOwnName(sender, address) }
    guard let holder = table[sender.node] else { return true }
    if sender.identity == holder.identity {
      guard holder.status.isFinal, !planted.contains(.forgetsRemovals) else { return true }
      refuse(sender, holder.status == .left ? .left : .removed, holder, address)
      return false
    }
    guard !claimIsGreater(sender.tenure, sender.identity, holder) else { return true }
    if holder.retired.contains(sender.identity) {
      guard !planted.contains(.takesOldIdentities) else { return true }
      refuse(sender, .superseded, holder, address)
      return false
    }
    // Where the holder is gone, the newcomer may wait to take its place.
    guard holder.status.isPresent, !planted.contains(.keepsFirstHeard), !planted.contains(.takesLivingNames) else {
      return true
    }
    refuse(sender, .nameTaken, holder, address)
    return false
  }

  private mutating func admitOwnName(_ sender: MembershipMessage.Sender, _ address: PeerAddress) -> Bool {
    if sender.identity == own.identity {
      guard sender.run != run else { return false }
      // Either a copy of this node, or a word of its own from before it was started anew, which nobody waits for.
      let isKept = own.tenure != sender.tenure ? own.tenure > sender.tenure : run > sender.run
      if isKept, own.status != .left {
        counters.count(.cloneRefused)
        refuse(sender, .identityInUse, own, address)
      }
      return false
    }
    guard awaited == nil, !claimIsGreater(sender.tenure, sender.identity, own), !planted.contains(.keepsFirstHeard)
    else { return true }
    guard !planted.contains(.takesLivingNames) else { return true }
    refuse(sender, own.retired.contains(sender.identity) ? .superseded : .nameTaken, own, address)
    return false
  }

  private func claimIsGreater(_ tenure: UInt64, _ identity: NodeIdentity, _ holder: Member) -> Bool {
    tenure != holder.tenure ? tenure > holder.tenure : identity > holder.identity
  }

  private mutating func refuse(
    _ sender: MembershipMessage.Sender, _ reason: MembershipRefusal.Reason, _ holder: Member, _ address: PeerAddress
  ) {
    counters.count(.senderRefused)
    send(
      .refused(MembershipRefusal(reason, of: sender.node, sender.identity, run: sender.run, holder: holder)),
      to: address)
  }

  /// Somebody refuses this node: what counts is what is known of the name with what that one knows of it.
  mutating func hearRefusal(
    _ refusal: MembershipRefusal, _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    guard refusal.node == own.node, refusal.identity == own.identity, refusal.run == run, own.status != .left else {
      return
    }
    if refusal.reason == .identityInUse { return stop(refusal) }
    guard let holder = refusal.holder, holder.node == own.node else { return }
    hearOfOwnName(holder, now, &random)
  }

  // MARK: Hearing of the own name

  mutating func hearOfOwnName(_ member: Member, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard own.status != .left else { return }
    if member.identity == own.identity {
      hearOfSelf(member, now, &random)
    } else if planted.contains(.keepsFirstHeard), member.tenure == own.tenure {
      return
    } else if let awaited {
      if member.overrides(awaited.member) { giveWay(to: member, now, &random) }
    } else if claimIsGreater(member.tenure, member.identity, own) {
      giveWay(to: member, now, &random)
    } else {
      counters.count(.ownerKept)
      if !updates.contains(own.node) { updates.add(own.node) }
    }
  }

  /// The name is held by another identity.
  private mutating func giveWay(to holder: Member, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    if holder.retired.contains(own.identity), !planted.contains(.takesOldIdentities) {
      return stop(MembershipRefusal(.superseded, of: own.node, own.identity, run: run, holder: holder))
    }
    if holder.status.isPresent, !planted.contains(.takesLivingNames) {
      if awaited != nil { counters.count(.nameAwaitedInVain) }
      return stop(MembershipRefusal(.nameTaken, of: own.node, own.identity, run: run, holder: holder))
    }
    counters.count(.nameAwaited)
    own.tenure = 0
    // Of one that counts as dead not everybody may have heard; one that has left or was removed is gone.
    let until = holder.status == .dead ? awaited?.until ?? now + options.takeOverAfter : now
    awaited = AwaitedHolder(member: holder, until: until)
    accept(holder, now, &random)
  }

  /// Others know something of this very node.
  private mutating func hearOfSelf(_ member: Member, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    if let awaited, !member.overrides(awaited.member) { return }
    if member.status.isFinal {
      guard !planted.contains(.forgetsRemovals) else { return }
      let reason: MembershipRefusal.Reason = member.status == .left ? .left : .removed
      return stop(MembershipRefusal(reason, of: own.node, own.identity, run: run))
    }
    let isElsewhere = member.record.address != own.record.address && member.status.isPresent
    if isElsewhere, own.tenure == 0 {
      // It was at another address before; or a copy of it is there now, and says so if it is asked.
      if awaited == nil { checkForCopy(member) }
      awaited = AwaitedHolder(member: member, until: awaited?.until ?? now + 3 * options.period)
      _ = table.put(member, &random)
      return
    }
    guard !planted.contains(.refutesNothing) else { return }
    guard member.overrides(own) else {
      if member != own { hearStale(member) }
      return
    }
    if isElsewhere { checkForCopy(member) }
    // Others hold something against it that was true once, or never was.
    if member.status == .suspect { counters.count(.refutedOwnSuspicion) }
    if member.status == .dead { counters.count(.refutedOwnDeath) }
    if member.tenure == own.tenure, member.status != .alive { losePatience(-1) }
    continueAs(member, &random)
  }

  mutating func checkForCopy(_ member: Member) {
    counters.count(.cloneChecked)
    sequence &+= 1
    send(.ping(sequence: sequence, Self.target(own), []), to: member.record.address)
  }

  /// Goes on where this node was, with a word that counts more than what is known.
  private mutating func continueAs(_ member: Member, _ random: inout some RandomNumberGenerator) {
    awaited = nil
    if member.tenure > own.tenure { (own.tenure, own.retired) = (member.tenure, member.retired) }
    raiseIncarnation(over: member.incarnation)
    announce(&random)
  }

  // MARK: Taking a name

  mutating func takeNameOver(_ holder: Member, _ random: inout some RandomNumberGenerator) {
    if holder.identity == own.identity { return continueAs(holder, &random) }
    counters.count(.nameTakenOver)
    awaited = nil
    own.succeed(holder)
    own.record.isEmpty = true
    announce(&random)
  }

  mutating func settle(_ event: MembershipCounters.Event, _ random: inout some RandomNumberGenerator) {
    counters.count(event)
    own.tenure = 1
    announce(&random)
  }
}
