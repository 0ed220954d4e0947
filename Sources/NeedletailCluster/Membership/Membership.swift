// Who is there: one node's view of the members and the rules by which it changes. After SWIM (Das, Gupta, Motivala 2002),
// with the local health and the shared suspicions of Lifeguard (Dadgar, Phillips, Currey 2017). Membership+Probing.swift
// looks for the others, Membership+News.swift believes what they say of each other, Membership+Names.swift settles who
// holds a name.

import NeedletailEnvironment

/// One node's view of who is there.
///
/// The shell calls `tick` at `nextDeadline`, hands in what arrives, and performs the actions in their order. A call costs
/// O(updates in a message) with a small factor; a comparison of views that differ O(members that differ).
package struct Membership: Sendable {
  /// The one that is being probed.
  struct Probe: Sendable {
    let target: Member
    let sequence: UInt64
    /// When others are asked too; nil once they were.
    var askAt: Int64?
    var relaysAsked = 0
    var nacks = 0
  }

  /// A ping for another member.
  struct Relay: Sendable {
    let requester: PeerAddress
    let sequence: UInt64
    let target: MembershipMessage.Target
    var deadline: Int64
  }

  /// Who holds the name of this node, while that is not this process.
  struct AwaitedHolder: Sendable {
    var member: Member
    /// When the name is taken over if nothing is heard from its holder.
    var until: Int64
  }

  /// When what is due.
  struct Timetable: Sendable {
    /// The end of this period and the begin of the next.
    var probeAt: Int64
    var exchangeAt: Int64
    var settleAt: Int64
    var leaveAt: Int64?
  }

  package internal(set) var own: Member
  package internal(set) var counters = MembershipCounters()
  /// Why this node may not be a member; it is silent from then on.
  package internal(set) var refusal: MembershipRefusal?
  let options: MembershipOptions
  package private(set) var seeds: [PeerAddress]
  let run: UInt64
  var table: MemberTable
  var suspicions: [NodeID: Suspicion] = [:]
  var updates = UpdateQueue()
  var probe: Probe?
  var relays: [UInt64: Relay] = [:]
  /// Until when those are asked whether they are back who said that they stop.
  var away: [NodeID: Int64] = [:]
  var sequence: UInt64
  /// How slow this node itself seems to be; 0 where it is not.
  var health: Int64 = 0
  var awaited: AwaitedHolder?
  /// nil until the first event.
  var timetable: Timetable?
  var isGone = false
  var hasAskedSeeds = false
  var actions: [MembershipAction] = []
  var planted: PlantedBugs = []

  /// A node that knows nobody yet.
  ///
  /// `run` is a random number of its own for each start of the process, by which a copy of the node is told from it.
  /// Among the seeds may be the node itself.
  package init(_ record: NodeRecord, run: UInt64, options: MembershipOptions = .init(), seeds: [PeerAddress]) {
    own = Member(record)
    self.options = options
    self.seeds = seeds.filter { $0 != record.address }
    self.run = run
    // So that an answer to a former start of the node is none to this one.
    sequence = run
    table = MemberTable(own: record.node)
  }

  /// Names other seeds from now on, among which the node itself may be.
  package mutating func setSeeds(_ addresses: [PeerAddress]) { seeds = addresses.filter { $0 != own.record.address } }

  // MARK: What the node may know

  /// All that are known, the node itself too, also the dead, left and removed; sorted by name.
  package var members: [Member] { table.sorted }

  package func member(_ node: NodeID) -> Member? { table[node] }

  /// Whether a member that counts as dead said not long ago that it stops, and is likely to be started again.
  package func isAway(_ node: NodeID) -> Bool { away[node] != nil && table[node]?.status == .dead }

  /// How many are there, with this node.
  package var presentCount: Int { table.presentCount + 1 }

  /// Whether it still takes part.
  package var isRunning: Bool { refusal == nil && !isGone }

  /// When `tick` has to be called again at the latest; nil for never.
  package var nextDeadline: Int64? {
    guard isRunning else { return nil }
    guard let timetable else { return .min }
    var next = min(timetable.probeAt, timetable.exchangeAt)
    if own.tenure == 0 { next = min(next, timetable.settleAt) }
    if let leaveAt = timetable.leaveAt { next = min(next, leaveAt) }
    if let askAt = probe?.askAt { next = min(next, askAt) }
    if let awaited { next = min(next, awaited.until) }
    for relay in relays.values { next = min(next, relay.deadline) }
    for suspicion in suspicions.values {
      next = min(next, deadline(of: suspicion) - (suspicion.isAsked ? 0 : options.period))
    }
    return next
  }

  // MARK: Events

  /// Does what is due at `now`.
  package mutating func tick(now: Int64, random: inout some RandomNumberGenerator) -> [MembershipAction] {
    guard begin(now, &random) else { return [] }
    expireRelays(now)
    askForLastWords(now)
    expireSuspicions(now, &random)
    if let leaveAt = timetable?.leaveAt, now >= leaveAt {
      sayGoodbye(&random)
      isGone = true
      actions.append(.left)
      return finish()
    }
    continueProbe(now, &random)
    if let exchangeAt = timetable?.exchangeAt, now >= exchangeAt { exchange(now, &random) }
    if let awaited, now >= awaited.until { takeNameOver(awaited.member, &random) }
    if let settleAt = timetable?.settleAt, now >= settleAt {
      timetable?.settleAt = now + options.settleAfter
      if own.tenure == 0, awaited == nil, table.presentCount > 0 { settle(.settledByTime, &random) }
    }
    return finish()
  }

  /// Takes a message in; what is to be answered goes to `address`.
  package mutating func receive(
    _ message: MembershipMessage, from address: PeerAddress, now: Int64, random: inout some RandomNumberGenerator
  ) -> [MembershipAction] {
    guard begin(now, &random) else { return finish() }
    if case .refused(let refusal) = message.body {
      // Whoever it is that refuses: it may be the other one with this node's name.
      hearRefusal(refusal, now, &random)
      return finish()
    }
    guard admit(message.sender, address) else { return finish() }
    switch message.body {
    case .ping(let sequence, let target, let news):
      hear(news, now, &random)
      answerPing(sequence, target, address)
    case .ack(let sequence, let news):
      hear(news, now, &random)
      takeAck(sequence, message.sender)
    case .pingRequest(let sequence, let target, let targetAddress, let news):
      hear(news, now, &random)
      relayPing(sequence, target, at: targetAddress, for: address, now)
    case .nack(let sequence):
      if probe?.sequence == sequence { probe?.nacks += 1 }
    case .summary(let sums): answerSummary(sums, message.sender, address)
    case .members(let members, let wanted):
      hearPage(members, wanted: wanted, message.sender, address, now, &random)
      noteAway(message.sender, members, now)
    case .refused: break
    }
    return finish()
  }

  /// Says goodbye, for good: this identity is never a member again. `left` tells when the process may end.
  package mutating func leave(now: Int64, random: inout some RandomNumberGenerator) -> [MembershipAction] {
    guard begin(now, &random), own.status != .left else { return finish() }
    own.tenure = max(1, own.tenure)
    own.status = .left
    probe = nil
    timetable?.leaveAt = now + 2 * options.period
    if awaited == nil { announce(&random) }
    sayGoodbye(&random)
    return finish()
  }

  /// Says that this node is away, which the others would find out in some seconds; it is silent from then on.
  ///
  /// Like one that has crashed it keeps its slots, and is alive again as soon as it is started anew.
  package mutating func suspend(now: Int64, random: inout some RandomNumberGenerator) -> [MembershipAction] {
    guard begin(now, &random) else { return finish() }
    isGone = true
    // One that does not hold its name yet has nothing to say of it, and one that has left has said it.
    guard awaited == nil, own.status == .alive else { return finish() }
    var away = own
    away.status = .dead
    for member in table.some(2 * options.indirectCount, &random) {
      send(.members([away], wanted: 0), to: member.record.address)
    }
    return finish()
  }

  /// Takes another member out for good, dead or alive; its name is free again.
  package mutating func remove(
    _ node: NodeID, now: Int64, random: inout some RandomNumberGenerator
  ) throws(MembershipError) -> [MembershipAction] {
    guard node != own.node else { throw .isThisNode(node) }
    guard begin(now, &random), var member = table[node] else { throw .unknown(node) }
    guard member.status != .removed else { return finish() }
    member.tenure = max(1, member.tenure)
    member.status = .removed
    accept(member, now, &random)
    // So that it stops, if it is alive.
    send(.members([member], wanted: 0), to: member.record.address)
    return finish()
  }

  /// Tells the others what this node is now: of the record its name and identity never change.
  package mutating func describe(
    as record: NodeRecord, now: Int64, random: inout some RandomNumberGenerator
  ) -> [MembershipAction] {
    guard begin(now, &random), record.node == own.node, record.identity == own.identity else { return finish() }
    own.record = record
    raiseIncarnation(over: own.incarnation)
    if awaited == nil { announce(&random) }
    return finish()
  }

  // MARK: Common to all events

  /// Whether there is anything to do at all.
  private mutating func begin(_ now: Int64, _ random: inout some RandomNumberGenerator) -> Bool {
    guard isRunning else { return false }
    if timetable == nil {
      let period = max(1, options.period)
      timetable = Timetable(
        probeAt: now + Int64(random.next(upperBound: UInt64(period))),
        exchangeAt: now + Int64(random.next(upperBound: UInt64(max(1, options.exchangeInterval)))),
        settleAt: now + options.settleAfter)
      if awaited == nil, table[own.node] == nil { announce(&random) }
      askSeeds(&random)
    }
    allowForPause(now)
    return true
  }

  private mutating func finish() -> [MembershipAction] {
    defer { actions.removeAll() }
    return actions
  }

  /// Where this node stood still (its process was stopped, its machine slept or swapped), others had no chance to be
  /// heard meanwhile: the time does not count against them.
  private mutating func allowForPause(_ now: Int64) {
    guard let due = nextDeadline, now - due > options.period, !planted.contains(.ignoresOwnPauses) else { return }
    let pause = now - due
    counters.count(.stoodStill)
    for node in suspicions.keys { suspicions[node]?.start += pause }
    for sequence in relays.keys { relays[sequence]?.deadline += pause }
    if let askAt = probe?.askAt { probe?.askAt = askAt + pause }
    timetable?.probeAt += pause
    timetable?.settleAt += pause
    awaited?.until += pause
    losePatience(-1)
  }

  /// Changes how slow this node takes itself for.
  mutating func losePatience(_ success: Int64) {
    let old = health
    health = min(max(0, health - success), max(0, options.healthMax - 1))
    if health > old { counters.count(.patienceRaised) }
  }

  /// Tells everybody what this node says of itself now.
  mutating func announce(_ random: inout some RandomNumberGenerator) {
    let old = table.put(own, &random)
    updates.add(own.node)
    if old != own { actions.append(.changed(own)) }
  }

  mutating func raiseIncarnation(over incarnation: UInt64) {
    own.incarnation = min(max(own.incarnation, incarnation) + 1, Member.incarnationMax)
    counters.count(.incarnationRaised)
  }

  var sender: MembershipMessage.Sender {
    MembershipMessage.Sender(
      node: own.node, identity: own.identity, tenure: own.tenure, run: run, address: own.record.address)
  }

  mutating func send(_ body: MembershipMessage.Body, to address: PeerAddress) {
    actions.append(.send(MembershipMessage(sender: sender, body: body), to: address))
  }

  mutating func stop(_ refusal: MembershipRefusal) {
    guard self.refusal == nil else { return }
    self.refusal = refusal
    probe = nil
    actions.append(.refused(refusal))
  }

  private mutating func sayGoodbye(_ random: inout some RandomNumberGenerator) {
    guard awaited == nil, !planted.contains(.leavesSilently) else { return }
    for member in table.some(2 * options.indirectCount, &random) {
      send(.members([own], wanted: 0), to: member.record.address)
    }
  }
}
