import NeedletailEnvironment

// Looking for the others: pings, pings through others, suspicions, and the comparison of views.

extension Membership {
  /// The patience of this node, which is the greater the slower it seems to be itself.
  private var patience: Int64 { health + 1 }

  // MARK: Probing

  mutating func continueProbe(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    guard let probeAt = timetable?.probeAt else { return }
    if now >= probeAt {
      if let probe { failProbe(probe, now, &random) }
      startProbe(now, &random)
    } else if let askAt = probe?.askAt, now >= askAt {
      askOthers(&random)
    }
  }

  private mutating func startProbe(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    let next = now + options.period * patience
    timetable?.probeAt = next
    if table.presentCount == 0 {
      askSeeds(&random)
      askDead(&random)
    }
    if let awaited, awaited.member.identity == own.identity { checkForCopy(awaited.member) }
    askAway(now)
    guard own.status != .left, let target = table.nextProbed(&random) else {
      probe = nil
      return
    }
    sequence &+= 1
    probe = Probe(target: target, sequence: sequence, askAt: now + options.pingTimeout * patience)
    sendWithNews(to: target.record.address, about: target) { [sequence] in
      .ping(sequence: sequence, Self.target(target), $0)
    }
  }

  static func target(_ member: Member) -> MembershipMessage.Target {
    MembershipMessage.Target(node: member.node, identity: member.identity)
  }

  private mutating func askOthers(_ random: inout some RandomNumberGenerator) {
    guard let target = probe?.target, let sequence = probe?.sequence else { return }
    probe?.askAt = nil
    guard !planted.contains(.asksNobodyElse) else { return }
    let relays = table.some(options.indirectCount, except: target.node, &random)
    probe?.relaysAsked = relays.count
    for relay in relays {
      sendWithNews(to: relay.record.address, about: target) {
        .pingRequest(sequence: sequence, Self.target(target), at: target.record.address, $0)
      }
    }
  }

  private mutating func failProbe(_ failed: Probe, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    probe = nil
    counters.count(.probeFailed)
    // Who was asked says so if the target does not answer. Where that did not come either, it may be this node.
    losePatience(failed.relaysAsked > 0 ? Int64(min(0, failed.nacks - failed.relaysAsked)) : -1)
    guard var member = table[failed.target.node], member.identity == failed.target.identity else { return }
    if member.status == .suspect {
      if confirm(member.node, [own.node]) { updates.add(member.node) }
    } else if member.status == .alive {
      member.status = .suspect
      accept(member, witnesses: [own.node], now, &random)
    }
  }

  mutating func takeAck(_ sequence: UInt64, _ sender: MembershipMessage.Sender) {
    if let current = probe, current.sequence == sequence {
      let isDirect = sender.node == current.target.node
      counters.count(isDirect ? .probeSucceeded : .indirectProbeSucceeded)
      losePatience(1)
      probe = nil
    } else if let relay = relays[sequence], relay.target.identity == sender.identity {
      relays[sequence] = nil
      sendWithNews(to: relay.requester) { .ack(sequence: relay.sequence, $0) }
    }
  }

  // MARK: For others

  mutating func answerPing(_ sequence: UInt64, _ target: MembershipMessage.Target, _ address: PeerAddress) {
    let isMeant = target.node == own.node && target.identity == own.identity
    if !isMeant { counters.count(.targetMismatched) }
    guard isMeant || planted.contains(.answersForOthers) else { return }
    sendWithNews(to: address) { .ack(sequence: sequence, $0) }
  }

  mutating func relayPing(
    _ sequence: UInt64, _ target: MembershipMessage.Target, at targetAddress: PeerAddress,
    for requester: PeerAddress, _ now: Int64
  ) {
    guard relays.count < options.relaysMax else { return counters.count(.relayRefused) }
    counters.count(.relayed)
    self.sequence &+= 1
    relays[self.sequence] = Relay(
      requester: requester, sequence: sequence, target: target, deadline: now + options.pingTimeout)
    sendWithNews(to: targetAddress) { [sequence = self.sequence] in .ping(sequence: sequence, target, $0) }
  }

  mutating func expireRelays(_ now: Int64) {
    for (sequence, relay) in relays.filter({ $0.value.deadline <= now }).sorted(by: { $0.key < $1.key }) {
      relays[sequence] = nil
      counters.count(.nackSent)
      send(.nack(sequence: relay.sequence), to: relay.requester)
    }
  }

  // MARK: Suspicions

  func deadline(of suspicion: Suspicion) -> Int64 {
    planted.contains(.hastySuspicion) ? suspicion.start + options.period : suspicion.deadline
  }

  /// Asks suspects once more before they count as dead: one may have said long ago that it is alive, and by chance this
  /// node is the last to whom that was not passed on.
  mutating func askForLastWords(_ now: Int64) {
    let due = suspicions.filter { !$0.value.isAsked && deadline(of: $0.value) - options.period <= now }.keys.sorted()
    for node in due {
      suspicions[node]?.isAsked = true
      guard let member = table[node], !planted.contains(.hastySuspicion) else { continue }
      counters.count(.lastWordAsked)
      sequence &+= 1
      sendWithNews(to: member.record.address, about: member) { [sequence] in
        .ping(sequence: sequence, Self.target(member), $0)
      }
    }
  }

  mutating func expireSuspicions(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    let due = suspicions.filter { deadline(of: $0.value) <= now }.keys.sorted()
    for node in due {
      suspicions[node] = nil
      guard var member = table[node], member.status == .suspect else { continue }
      member.status = .dead
      counters.count(.declaredDead)
      accept(member, now, &random)
    }
  }

  /// Whether a witness was news.
  mutating func confirm(_ node: NodeID, _ witnesses: [NodeID]) -> Bool {
    var isNews = false
    for witness in witnesses where suspicions[node]?.confirm(witness) == true {
      counters.count(.suspicionConfirmed)
      isNews = true
    }
    return isNews
  }

  // MARK: Comparing views

  mutating func exchange(_ now: Int64, _ random: inout some RandomNumberGenerator) {
    // Not all at the same time, and not for ever in the same order.
    let spread = max(1, options.exchangeInterval / 4)
    let next = now + options.exchangeInterval + Int64(random.next(upperBound: UInt64(2 * spread))) - spread
    timetable?.exchangeAt = next
    guard own.status != .left else { return }
    for member in table.some(1, &random) { send(.summary(table.sums), to: member.record.address) }
    askDead(&random)
    // Where nobody who is known has a seed's address, there may be a second cluster behind it.
    let known = Set(table.members.values.lazy.filter(\.status.isPresent).map(\.record.address))
    let strange = seeds.filter { !known.contains($0) }
    if let seed = strange.randomElement(using: &random) { ask(seed) }
  }

  mutating func askSeeds(_ random: inout some RandomNumberGenerator) {
    for seed in seeds.shuffled(using: &random).prefix(options.indirectCount) { ask(seed) }
    hasAskedSeeds = true
  }

  private mutating func ask(_ seed: PeerAddress) {
    guard !(hasAskedSeeds && planted.contains(.asksSeedsOnce)) else { return }
    counters.count(.seedAsked)
    send(.summary(table.sums), to: seed)
  }

  /// One that is dead may only have been cut off, and would never hear of it.
  private mutating func askDead(_ random: inout some RandomNumberGenerator) {
    guard !planted.contains(.givesUpTheDead), let member = table.someDead(&random) else { return }
    counters.count(.deadAsked)
    send(.summary(table.sums), to: member.record.address)
  }

  /// Takes note of one that says itself that it stops.
  mutating func noteAway(_ sender: MembershipMessage.Sender, _ members: [Member], _ now: Int64) {
    guard members.count == 1, members[0].node == sender.node, members[0].status == .dead,
      table[sender.node]?.status == .dead, away.count < options.relaysMax
    else { return }
    away[sender.node] = now + 6 * options.exchangeInterval
  }

  /// One that said it stops is asked each period for a while: without seeds it could not tell that it is back.
  private mutating func askAway(_ now: Int64) {
    for (node, until) in away.sorted(by: { $0.key < $1.key }) {
      guard let member = table[node], member.status == .dead, now < until else {
        away[node] = nil
        continue
      }
      counters.count(.deadAsked)
      send(.summary(table.sums), to: member.record.address)
    }
  }

  mutating func answerSummary(_ sums: [UInt64], _ sender: MembershipMessage.Sender, _ address: PeerAddress) {
    let wanted = table.differing(from: sums)
    counters.count(wanted == 0 ? .viewsEqual : .viewsDiffered)
    // Whoever asks must hear what is known of itself, be there differences or not.
    sendPages(buckets: wanted, wanted: wanted, first: table[sender.node], to: address) { _ in true }
  }

  mutating func hearPage(
    _ members: [Member], wanted: UInt64, _ sender: MembershipMessage.Sender, _ address: PeerAddress, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    var spreadsLeft = Self.spreadFromPage
    for member in members {
      let before = updates.count
      hear(MemberUpdate(member), isSpread: spreadsLeft > 0, now, &random)
      if updates.count > before { spreadsLeft -= 1 }
      guard isRunning else { return }
    }
    if sender.tenure > 0, sender.node != own.node, own.tenure == 0, awaited == nil, own.status != .left {
      settle(.settledByOthers, &random)
    }
    guard wanted != 0 else { return }
    let theirs = Dictionary(members.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
    sendPages(buckets: wanted, wanted: 0, first: nil, to: address) { theirs[$0.node] != $0 }
  }

  /// Of what a comparison brings, so much is passed on. Where it is more, the node is new or was away, and the others
  /// know it.
  private static let spreadFromPage = 16

  /// Sends the members of some buckets in as many messages as it takes, at least one if `first` or `wanted` say so.
  private mutating func sendPages(
    buckets: UInt64, wanted: UInt64, first: Member?, to address: PeerAddress, where isSent: (Member) -> Bool
  ) {
    let room = MembershipMessage.bytesMax - Self.pageOverheadMax
    var page = first.map { [$0] } ?? []
    var bytes = first?.byteCount ?? 0
    var asked: UInt64 = 0
    var pages = 0
    for bucket in 0..<UInt64(MembershipMessage.bucketCount) where buckets >> bucket & 1 == 1 {
      for member in table.members(in: 1 << bucket) where member != first && isSent(member) {
        let size = member.byteCount
        if bytes + size > room {
          counters.count(.pageDivided)
          send(.members(page, wanted: asked), to: address)
          (page, bytes, asked, pages) = (first.map { [$0] } ?? [], first?.byteCount ?? 0, 0, pages + 1)
        }
        page.append(member)
        bytes += size
      }
      // The bucket is asked for with its last page, so that it is asked for once.
      asked |= 1 << bucket & wanted
    }
    if !page.isEmpty || asked != 0 || pages == 0 && wanted == 0 && buckets == 0 {
      send(.members(page, wanted: asked), to: address)
    }
  }

  /// The most that the head of a message takes, with the count of its members.
  private static let pageOverheadMax = 1024
}
