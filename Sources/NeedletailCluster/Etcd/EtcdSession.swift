// A node's part in what etcd keeps for a cluster: the node's own entry among the members, the others' entries, and the
// decisions on who holds what. etcd is to a decision what a majority of the members is elsewhere: the one acceptor, which
// creates the key of an epoch once. EtcdSession+Deciding.swift has the decisions. docs/cluster.md says why it is safe.

import NeedletailTelemetry

/// What one node asks of etcd, when, and what follows from the answers.
///
/// The shell calls `tick` at `nextTick`, performs the actions, and hands in what became of each request. At most four are
/// under way. While etcd is away nothing is lost but time.
package struct EtcdSession: Sendable {
  package enum Action: Hashable, Sendable {
    /// To be answered with `answered`, whatever comes of it.
    case send(EtcdRequest, id: UInt64)
    /// These are registered now, this node too where it is.
    case members([EtcdRegistration])
    /// Newer than what the node knows: `TopologyRegister.decided`, and then `knows`.
    case decided(Topology, byThisNode: Bool)
    case proposalEnded(EtcdOutcome)
    /// etcd went away, or is back; it says no to something, or no more; or what is in it cannot be used, or can again: to be
    /// told once.
    case changed
    /// Something that does not belong there, to be told.
    case unreadable(EtcdUnreadable)
  }

  /// One kind of question, of which one is under way at the most.
  struct Lane: Sendable {
    var outstanding: UInt64?
    /// When the answer is given up, or the next question is due.
    var at: Int64 = .min
    var failures = 0
    /// What etcd said no with, the last time.
    var refusal: String?
  }

  struct Lease: Sendable {
    let id: Int64
    let seconds: Int64
    var isUsed = false
    /// What the node said of itself the last time.
    var entry: EtcdRegistration?
  }

  struct Proposal: Sendable {
    let topology: Topology
    let basis: Topology?
    let deadline: Int64
    var failure: String?
  }

  package private(set) var counters = EtcdCounters()
  /// Why etcd does not answer; nil where it does, or was not asked yet.
  package private(set) var away: String?
  /// What it says no to this node's entry, list of members or look at decisions with; nil where it takes them.
  package var refusal: String? { leasing.refusal ?? deciding.refusal ?? listing.refusal }
  /// Why what is in it cannot be used.
  package internal(set) var trouble: EtcdTrouble?
  /// Who is registered, as far as was read.
  package private(set) var members: [EtcdRegistration] = []
  /// The entry of this node.
  private var own: EtcdRegistration
  let options: EtcdOptions
  /// The topology that the node knows.
  var known: Topology?
  /// The newest decision that can be read in etcd, the keys by which it was found, and what the node knew when it asked.
  var held: Topology?
  var marks: [EtcdMark]?
  /// How often the keys were looked at since the decisions were read.
  var looks = 0
  var epochAsked: UInt64 = 0
  var proposal: Proposal?
  var proposing = Lane()
  var deciding = Lane()
  private var leasing = Lane()
  private var listing = Lane()
  private var lease: Lease?
  /// Whether the own entry was there when the members were asked for.
  private var isListedAsUsed = false
  private var unreadableMembers: [EtcdUnreadable] = []
  private var isAlone = true
  private var hasAnswered = false
  private var lastID: UInt64 = 0
  var actions: [Action] = []

  /// A node that knows what its disk has.
  package init(_ record: NodeRecord, knowing topology: Topology?, options: EtcdOptions = .init()) {
    own = EtcdRegistration(record, cluster: topology?.clusterID)
    known = topology
    self.options = options
  }

  /// Whether the node knows that etcd has no decision of any cluster.
  package var isVacant: Bool { known == nil && held == nil && marks != nil }

  /// Whether etcd answered last.
  package var isThere: Bool { hasAnswered && away == nil }

  /// When `tick` has to be called again at the latest.
  package var nextTick: Int64 {
    var next = deciding.at
    if isJudged { next = min(next, leasing.at, listing.at) }
    if let proposal { next = min(next, proposing.at, proposal.deadline) }
    return next
  }

  // MARK: Events

  /// Does what is due at `now`; `isAlone` is whether the node hears of no other one.
  package mutating func tick(
    now: Int64, isAlone: Bool, using random: inout some RandomNumberGenerator
  ) -> [Action] {
    if isAlone, !self.isAlone, listing.outstanding == nil { listing.at = min(listing.at, now) }
    self.isAlone = isAlone
    for lane in [\Self.leasing, \.listing, \.deciding, \.proposing] as [WritableKeyPath<Self, Lane> & Sendable]
    where self[keyPath: lane].outstanding != nil && now >= self[keyPath: lane].at {
      fail(lane, .unreachable("no answer came"), now, &random)
    }
    if isJudged, leasing.outstanding == nil, now >= leasing.at { continueLeasing(now) }
    if isJudged, listing.outstanding == nil, now >= listing.at {
      isListedAsUsed = lease?.isUsed ?? false
      ask(.members, \.listing, now)
    }
    if deciding.outstanding == nil, now >= deciding.at { askForDecisions(.epochs, now) }
    continueProposing(now)
    return finish()
  }

  /// Takes in what became of a request.
  package mutating func answered(
    _ id: UInt64, _ result: Result<EtcdAnswer, EtcdFailure>, now: Int64, using random: inout some RandomNumberGenerator
  ) -> [Action] {
    for lane in [\Self.leasing, \.listing, \.deciding, \.proposing] as [WritableKeyPath<Self, Lane> & Sendable]
    where self[keyPath: lane].outstanding == id {
      switch result {
      case .failure(let failure): fail(lane, failure, now, &random)
      case .success(let answer):
        self[keyPath: lane].outstanding = nil
        self[keyPath: lane].failures = 0
        if self[keyPath: lane].refusal != nil {
          self[keyPath: lane].refusal = nil
          actions.append(.changed)
        }
        isBack(now)
        take(answer, now, &random)
      }
      break
    }
    return finish()
  }

  /// Whether it is known whose the decisions are: before, nobody of another cluster is to hear of this node, nor the other
  /// way round.
  private var isJudged: Bool { marks != nil }

  private var isForeign: Bool { if case .foreign? = trouble { true } else { false } }

  // MARK: The own entry

  private mutating func continueLeasing(_ now: Int64) {
    guard !isForeign else {
      leasing.at = now + options.membersInterval
      return
    }
    switch lease {
    case nil: ask(.grant(seconds: options.leaseSeconds), \.leasing, now)
    case let lease? where lease.isUsed: ask(.keepAlive(lease: lease.id), \.leasing, now)
    case let used?:
      lease?.entry = own
      ask(.register(own, lease: used.id), \.leasing, now)
    }
  }

  /// The entry is to be put anew.
  mutating func renew(_ now: Int64) {
    lease?.isUsed = false
    if leasing.outstanding == nil { leasing.at = min(leasing.at, now) }
  }

  private mutating func loseLease(_ now: Int64) {
    if lease != nil { counters.leasesLost &+= 1 }
    lease = nil
    leasing.at = now + options.pause
  }

  /// From one sign of life to the next: two may be lost.
  private func keepAlivePause(_ lease: Lease) -> Int64 {
    max(1, min(lease.seconds, 3600)) * 1_000_000_000 / 3
  }

  func own(differsFrom cluster: Hash128) -> Bool { own.cluster != cluster }

  mutating func belong(to cluster: Hash128, _ now: Int64) {
    own.cluster = cluster
    own.record.isEmpty = false
    renew(now)
  }

  // MARK: Answers

  private mutating func take(_ answer: EtcdAnswer, _ now: Int64, _ random: inout some RandomNumberGenerator) {
    switch answer {
    case .granted(let id, let seconds):
      lease = Lease(id: id, seconds: seconds)
      leasing.at = now
    case .registered:
      // What it is may have changed while that was on its way.
      guard var used = lease else { return }
      used.isUsed = used.entry == own
      lease = used
      leasing.at = used.isUsed ? now + keepAlivePause(used) : now
    case .keptAlive(let seconds):
      guard seconds > 0, let lease else { return loseLease(now) }
      // What the node says of itself may have changed meanwhile.
      leasing.at = lease.isUsed ? now + keepAlivePause(lease) : now
    case .members(let found, let unreadable): takeMembers(found, unreadable, now, &random)
    case .epochs(let found): takeMarks(found, now, &random)
    case .topologies(let found): takeDecisions(found, now, &random)
    case .decided(let isDecided, let found): takeDecided(isDecided, found, now, &random)
    }
  }

  private mutating func takeMembers(
    _ found: [EtcdRegistration], _ unreadable: [EtcdUnreadable], _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    let interval = isAlone || known == nil ? options.membersIntervalAlone : options.membersInterval
    listing.at = now + interval + Int64.random(in: 0...max(0, interval / 4), using: &random)
    // The same is named once, as long as it is there.
    for one in unreadable where !unreadableMembers.contains(one) { note(one) }
    unreadableMembers = unreadable
    // Where another one has put its entry there, gossip says whose the name is.
    if isListedAsUsed, !found.contains(where: { $0.record.node == own.record.node }) { renew(now) }
    guard found != members, !isForeign else { return }
    members = found
    actions.append(.members(found))
  }

  mutating func note(_ unreadable: EtcdUnreadable) {
    counters.unreadable &+= 1
    actions.append(.unreadable(unreadable))
  }

  // MARK: Common

  mutating func ask(_ request: EtcdRequest, _ lane: WritableKeyPath<Self, Lane>, _ now: Int64) {
    lastID &+= 1
    self[keyPath: lane].outstanding = lastID
    self[keyPath: lane].at = now + options.answerMax
    actions.append(.send(request, id: lastID))
  }

  /// etcd answered, whatever it said.
  private mutating func isBack(_ now: Int64) {
    hasAnswered = true
    guard away != nil else { return }
    away = nil
    actions.append(.changed)
    hurry(now)
  }

  private mutating func fail(
    _ lane: WritableKeyPath<Self, Lane>, _ failure: EtcdFailure, _ now: Int64,
    _ random: inout some RandomNumberGenerator
  ) {
    self[keyPath: lane].outstanding = nil
    if failure == .leaseGone, lease != nil, lane == \Self.leasing { return loseLease(now) }
    counters.failures &+= 1
    self[keyPath: lane].failures += 1
    // What an operator waits for is tried again sooner.
    let failures = lane == \Self.proposing ? 1 : self[keyPath: lane].failures
    self[keyPath: lane].at = now + options.pause + options.backoff.delay(failures: failures, using: &random)
    if lane == \Self.proposing { proposal?.failure = failure.reason }
    guard case .unreachable = failure else {
      // A proposal tells its own.
      if self[keyPath: lane].refusal != failure.reason, lane != \Self.proposing {
        self[keyPath: lane].refusal = failure.reason
        actions.append(.changed)
      }
      return isBack(now)
    }
    if away == nil { actions.append(.changed) }
    away = failure.reason
  }

  /// What waits for a next try is tried now: etcd is back. What it said no to it would say no to again.
  private mutating func hurry(_ now: Int64) {
    for lane in [\Self.leasing, \.listing, \.deciding, \.proposing] as [WritableKeyPath<Self, Lane> & Sendable]
    where self[keyPath: lane].outstanding == nil && self[keyPath: lane].failures > 0
      && self[keyPath: lane].refusal == nil
    {
      self[keyPath: lane].at = min(self[keyPath: lane].at, now)
    }
  }

  mutating func count(chosen: Bool) {
    if chosen { counters.chosen &+= 1 } else { counters.overtaken &+= 1 }
  }

  mutating func finish() -> [Action] {
    defer { actions.removeAll() }
    return actions
  }
}
