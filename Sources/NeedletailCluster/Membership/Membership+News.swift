import NeedletailEnvironment

// Believing what others say, and passing it on.

extension Membership {
  // MARK: Hearing

  mutating func hear(_ news: [MemberUpdate], _ now: Int64, _ random: inout some RandomNumberGenerator) {
    for update in news where isRunning { hear(update, isSpread: true, now, &random) }
  }

  mutating func hear(
    _ update: MemberUpdate, isSpread: Bool, _ now: Int64, _ random: inout some RandomNumberGenerator
  ) {
    let member = update.member
    guard member.node != own.node else { return hearOfOwnName(member, now, &random) }
    guard let known = table[member.node] else {
      guard table.members.count < options.membersMax else { return counters.count(.tableFull) }
      return accept(member, witnesses: update.witnesses, isSpread: isSpread, now, &random)
    }
    if isNews(member, known) {
      accept(member, witnesses: update.witnesses, isSpread: isSpread, now, &random)
    } else if member == known {
      if confirm(member.node, update.witnesses) {
        updates.add(member.node)
      } else {
        updates.heardAgain(member.node, limit: retransmissions)
      }
    } else {
      hearStale(member)
    }
  }

  /// Somebody says what is outdated: who is wronged by it is told of again, first to that one if it waits for an answer.
  ///
  /// Else news that was passed on often enough, and by chance never to one that suspects, would leave it to its suspicion.
  mutating func hearStale(_ member: Member) {
    counters.count(.updateStale)
    guard member.status == .suspect || member.status == .dead else { return }
    updates.add(member.node)
  }

  private func isNews(_ member: Member, _ known: Member) -> Bool {
    if member.identity != known.identity {
      if planted.contains(.keepsFirstHeard), member.tenure == known.tenure { return false }
      return member.overrides(known)
    }
    if planted.contains(.ignoresIncarnations), member.status != known.status, !known.status.isFinal {
      return member.status > known.status || member.incarnation > known.incarnation
    }
    if planted.contains(.forgetsRemovals), known.status.isFinal, !member.status.isFinal { return true }
    return member.overrides(known)
  }

  /// Believes something of another member from now on.
  mutating func accept(
    _ member: Member, witnesses: [NodeID] = [], isSpread: Bool = true, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    let old = table.put(member, &random)
    if member.status == .suspect {
      counters.count(.suspected)
      suspicions[member.node] = Suspicion(
        witnesses: witnesses, now: now, members: table.presentCount + 1, options)
    } else {
      if old?.status == .suspect, member.status == .alive { counters.count(.suspicionRefuted) }
      suspicions[member.node] = nil
    }
    if old?.status == .dead, member.status == .alive { counters.count(.returnedFromDead) }
    if isSpread { updates.add(member.node) } else { updates.remove(member.node) }
    if let old, old.identity != member.identity { counters.count(.ownerReplaced) }
    if old != member { actions.append(.changed(member)) }
  }

  // MARK: Passing on

  /// How often a piece of news is passed on by each member.
  private var retransmissions: Int {
    if planted.contains(.tellsForEver) { return .max }
    if planted.contains(.tellsOnce) { return 1 }
    return options.retransmitMultiplier * BinaryLogarithm.ceiling(ofOneMoreThan: presentCount)
  }

  /// Sends a message with as much news as fits into it.
  ///
  /// `subject` is whom it is about: if that one is suspect, it must hear so first, to be able to say otherwise.
  mutating func sendWithNews(
    to address: PeerAddress, about subject: Member? = nil, _ body: ([MemberUpdate]) -> MembershipMessage.Body
  ) {
    var room = options.pingBytesMax - MembershipMessage(sender: sender, body: body([])).encoded().count
    var news: [MemberUpdate] = []
    if let subject, let known = table[subject.node], known.status == .suspect {
      news.append(update(of: known))
      room -= news[0].byteCount
    }
    let taken = updates.take(bytes: room, limit: retransmissions) { [table, suspicions] node in
      table[node].map { MemberUpdate($0, witnesses: suspicions[node]?.witnesses ?? []).byteCount }
    }
    for node in taken where node != news.first?.member.node {
      if let member = table[node] { news.append(update(of: member)) }
    }
    send(body(news), to: address)
  }

  private func update(of member: Member) -> MemberUpdate {
    MemberUpdate(member, witnesses: suspicions[member.node]?.witnesses ?? [])
  }
}
