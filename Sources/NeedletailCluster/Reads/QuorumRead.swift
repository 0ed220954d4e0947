// One read, from the first question to the answer. It asks one replica of each group of slots for data and others for
// digests alone, and goes on asking until of every slot as many ready replicas as are wanted either gave their data or
// have the digest of one that did.
//
// Why that is exact. Data is a grow-only set. A replica makes the digest of an answer no later than the data of it,
// so that what the digest speaks of is in the data; if it finds something damaged between the two, it fails instead.
// Where another replica's digest is the same, all that this one had is in the data too, at whatever instants both
// were made. So writes that go on meanwhile make digests differ, which costs a second read, and never make an answer
// that lacks something.

import NeedletailTelemetry

/// A read of some slots at a consistency.
///
/// Each replica is asked at most once for a reduction of a group, once for its series and once for digests: the number
/// of messages is bounded by that, whatever happens.
package struct QuorumRead: Sendable {
  /// How many ready replicas of a slot have to agree.
  package enum Consistency: UInt8, Sendable {
    /// One: the answer may lack what was acknowledged, where that one missed it.
    case one
    /// As many as meet every write quorum.
    case quorum
    /// All that there are.
    case all
  }

  package enum Partial: UInt8, Sendable {
    case allow
    case deny
  }

  /// What data is asked for.
  package enum Form: UInt8, Sendable {
    /// What is left of a group after the first steps of the query: of two replicas it cannot be united.
    ///
    /// Groups that the reader reads itself come in series all the same: those cost nothing to bring.
    case reduced
    /// The rows themselves, by series: those of several replicas are united by the rule of data.
    case series
  }

  /// What the reader knows of a node.
  package struct Peer: Equatable, Sendable {
    /// Neither suspected nor behind an open circuit breaker.
    package var isAvailable: Bool
    /// How long it takes to answer, in ns, as far as is known.
    package var latency: UInt64
    /// Its data costs nothing to bring here, because it is the reader itself: where it is available, it is asked for it
    /// first.
    package var isOwn: Bool

    package init(isAvailable: Bool = true, latency: UInt64 = 1_000_000, isOwn: Bool = false) {
      self.isAvailable = isAvailable
      self.latency = latency
      self.isOwn = isOwn
    }
  }

  /// What to read, and how.
  package struct Plan: Sendable {
    /// Every slot in one group.
    package var groups: [SlotGroup]
    /// The windows (hours) that the query touches.
    package var windows: ClosedRange<Int64>
    package var readQuorum: Int
    package var consistency: Consistency
    package var partial: Partial
    package var form: Form
    package var peers: [NodeID: Peer]
    /// When the read ends, in monotonic ns.
    package var deadline: UInt64
    /// After how many ns without an answer another replica is asked too.
    package var hedgeAfter: UInt64
    /// Whether each replica is asked first what all slots of a group together come to, which is little to make, to send
    /// and to compare; slot by slot only where that differs or is not enough.
    package var sumsFirst: Bool

    package init(
      groups: [SlotGroup], windows: ClosedRange<Int64>, readQuorum: Int, consistency: Consistency = .quorum,
      partial: Partial = .deny, form: Form = .series, peers: [NodeID: Peer], deadline: UInt64, hedgeAfter: UInt64,
      sumsFirst: Bool = false
    ) {
      self.groups = groups
      self.windows = windows
      self.readQuorum = readQuorum
      self.consistency = consistency
      self.partial = partial
      self.form = form
      self.peers = peers
      self.deadline = deadline
      self.hedgeAfter = hedgeAfter
      self.sumsFirst = sumsFirst
    }
  }

  /// A question to one node: all that is wanted of it at this moment.
  ///
  /// The node answers with the digests of all of these slots.
  package struct Ask: Equatable, Sendable {
    package var id: Int
    package var node: NodeID
    /// Groups to reduce, each by itself.
    package var reduced: [SlotSet] = []
    /// Slots whose series are wanted.
    package var series: SlotSet = []
    /// Slots of which the digest is enough.
    package var digests: SlotSet = []
    /// The groups of all of these slots where one digest of each is wanted, and not one of each slot.
    package var sums: [SlotSet] = []

    package init(
      id: Int, node: NodeID, reduced: [SlotSet] = [], series: SlotSet = [], digests: SlotSet = [], sums: [SlotSet] = []
    ) {
      self.id = id
      self.node = node
      self.reduced = reduced
      self.series = series
      self.digests = digests
      self.sums = sums
    }

    /// The digests that are wanted, from those of each slot.
    package func digests(_ digest: (UInt16) -> RangeDigest) -> [UInt16: RangeDigest] {
      guard sums.isEmpty else {
        let all = sums.compactMap { group in
          group.first { _ in true }.map { ($0, group.reduce(into: RangeDigest()) { $0.add(digest($1)) }) }
        }
        return Dictionary(all) { first, _ in first }
      }
      return Dictionary(uniqueKeysWithValues: slots.map { ($0, digest($0)) })
    }

    package var slots: SlotSet {
      var slots = series
      slots.formUnion(digests)
      for group in reduced { slots.formUnion(group) }
      return slots
    }
  }

  /// What a node answered. The data itself stays with the shell, which knows it by the ask.
  package struct Answer: Equatable, Sendable {
    /// What the digests are of; no other windows than those that were asked for count.
    package var windows: ClosedRange<Int64>
    /// Of each slot, or of each group whose sum was asked for, by its first slot; made no later than the data.
    package var digests: [UInt16: RangeDigest]
    /// Slots for which the node is not ready (`ReplicaReadiness`): it has no vote on them.
    package var notReady: SlotSet
    /// Which of the ask's reductions are there, by their place in it.
    package var reduced: [Int]
    /// Slots whose series are there.
    package var series: SlotSet

    package init(
      windows: ClosedRange<Int64>, digests: [UInt16: RangeDigest], notReady: SlotSet = [], reduced: [Int] = [],
      series: SlotSet = []
    ) {
      self.windows = windows
      self.digests = digests
      self.notReady = notReady
      self.reduced = reduced
      self.series = series
    }
  }

  /// Two replicas that differ. An exchange between them (`AntiEntropy`) gives both what they lack.
  package struct Repair: Equatable, Sendable {
    /// The one that has less.
    package var node: NodeID
    package var with: NodeID
    package var slots: SlotSet
    package var windows: ClosedRange<Int64>
  }

  /// Data that is part of the answer.
  package struct Use: Equatable, Sendable {
    package var ask: Int
    package var node: NodeID
    /// Which of the ask's reductions; nil: its series.
    package var reduction: Int?
    package var slots: SlotSet
  }

  package struct Outcome: Equatable, Sendable {
    package var coverage: SlotCoverage
    /// What to put together, in the order of asks. What else came is left out.
    package var uses: [Use]
    /// The slots whose series are there of several replicas: their union is the answer.
    package var united: SlotSet
  }

  package enum Failure: Error, Equatable, Sendable {
    /// Fewer ready replicas than were asked for answered for some slots, and a partial answer was not wanted.
    case partial(SlotCoverage)
  }

  package enum Action: Equatable, Sendable {
    case ask(Ask)
    case repair(Repair)
    case complete(Outcome)
    case fail(Failure)
  }

  let plan: Plan
  /// All replicas, ascending: the rest speaks of them by their place here.
  private let nodes: [NodeID]
  /// The replicas of each group in the order in which to ask them.
  private var orders: [[NodeID]] = []
  /// Whether groups are decided on as a whole so far (`Plan.sumsFirst`).
  package private(set) var isSummed = false
  /// The first question that is about slots one by one.
  private var refined = 0
  var groups: [GroupState] = []
  var asks: [AskState] = []
  var failures: [String] = []
  private(set) var isEnded = false
  /// When `tick` has to be called next; nil where nothing is awaited.
  package private(set) var wakeAt: UInt64?
  var bug: PlantedReadBug?

  package init(_ plan: Plan) {
    self.plan = plan
    nodes = Set(plan.groups.flatMap(\.replicas)).sorted()
  }

  /// Asks the first questions, or ends at once.
  package mutating func begin(now: UInt64, using generator: inout some RandomNumberGenerator) -> [Action] {
    var choice = ReplicaChoice(plan.peers)
    orders = plan.groups.map { choice.order($0, using: &generator) }
    isSummed = plan.sumsFirst
    makeGroups()
    return advance(Array(groups.indices), now)
  }

  private mutating func makeGroups() {
    let places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1, $0) })
    groups = zip(plan.groups, orders).map { group, order in
      let isOwn = order.first.flatMap { plan.peers[$0]?.isOwn } ?? false
      return GroupState(
        group, order: order, nodes: order.map { places[$0] ?? 0 }, needed: needed(of: group),
        form: isOwn ? .series : plan.form, isSummed: isSummed)
    }
  }

  /// Begins anew slot by slot, because groups as a whole do not agree or too few of them told. What is still awaited of
  /// the first questions is not heard any more.
  private mutating func refine(_ now: UInt64) -> [Action] {
    (isSummed, refined) = (false, asks.count)
    for index in asks.indices { asks[index].isOpen = false }
    makeGroups()
    return advance(Array(groups.indices), now)
  }

  private func needed(of group: SlotGroup) -> Int {
    switch plan.consistency {
    case .one: 1
    case .quorum: max(1, plan.readQuorum)
    case .all: max(1, group.replicas.count)
    }
  }

  /// A node answered; a second answer to the same ask is not heard.
  package mutating func answered(_ id: Int, _ answer: Answer, now: UInt64) -> [Action] {
    guard !isEnded, asks.indices.contains(id), asks[id].isOpen || bug == .hedgeCountedTwice && id >= refined else {
      return []
    }
    guard answer.windows == plan.windows || bug == .digestsOverFewerWindows else {
      return failed(id, "answered for other windows than were asked for", now: now)
    }
    asks[id].isOpen = false
    let touched = take(answer, of: id)
    return advance(touched, now)
  }

  /// A node did not answer, or refused.
  package mutating func failed(_ id: Int, _ reason: String, now: UInt64) -> [Action] {
    guard !isEnded, asks.indices.contains(id), asks[id].isOpen else { return [] }
    asks[id].isOpen = false
    if failures.count < SlotCoverage.failuresMax { failures.append("\(asks[id].ask.node): \(reason)") }
    return advance(giveUp(id), now)
  }

  /// Time passed: slow replicas are hedged, and at the deadline the read ends with what is there.
  package mutating func tick(now: UInt64) -> [Action] {
    guard !isEnded else { return [] }
    if now >= plan.deadline {
      for ask in asks where ask.isOpen && failures.count < SlotCoverage.failuresMax {
        failures.append("\(ask.ask.node): no answer by the deadline")
      }
      return end()
    }
    var touched: Set<Int> = []
    for index in asks.indices where asks[index].isOpen && !asks[index].isLate {
      guard now >= asks[index].hedgeAt else { continue }
      asks[index].isLate = true
      touched.formUnion(markLate(index))
    }
    return advance(touched.sorted(), now)
  }

  /// Asks what is wanted next for these groups, and ends where nothing is.
  private mutating func advance(_ touched: [Int], _ now: UInt64) -> [Action] {
    var wants = Wants(nodes.count)
    for index in touched { groups[index].settle(index, &wants, allowsUnready: plan.partial == .allow, bug) }
    if isSummed, touched.contains(where: { groups[$0].isHopeless || groups[$0].differs(0) }) { return refine(now) }
    if plan.partial == .deny, bug != .missingPartial, touched.contains(where: { groups[$0].isHopeless }) {
      return end(isOver: false)
    }
    if groups.allSatisfy(\.isDone) { return isSummed && coverage().isPartial ? refine(now) : end() }
    var actions: [Action] = []
    for (place, want) in wants.byNode.enumerated() where !want.isEmpty {
      var ask = Ask(id: asks.count, node: nodes[place], series: want.series, digests: want.digests)
      ask.reduced = want.reduced.map { groups[$0.group].group.slots }
      ask.digests.subtract(ask.series)
      for group in ask.reduced { ask.digests.subtract(group) }
      if isSummed { ask.sums = sums(want) }
      let hedgeAt = now.addingReportingOverflow(plan.hedgeAfter)
      asks.append(
        AskState(
          ask: ask, reduced: want.reduced, parts: want.parts, hedgeAt: hedgeAt.overflow ? .max : hedgeAt.partialValue))
      actions.append(.ask(ask))
    }
    wakeAt = min(plan.deadline, asks.lazy.filter { $0.isOpen && !$0.isLate }.map(\.hedgeAt).min() ?? plan.deadline)
    return actions
  }

  /// The groups that a question is about.
  private func sums(_ want: Wants.Want) -> [SlotSet] {
    Set(want.reduced.map(\.group) + want.parts.map(\.group)).sorted().map { groups[$0].group.slots }
  }

  /// Ends the read; `isOver` where nothing more can come of it for any slot.
  private mutating func end(isOver: Bool = true) -> [Action] {
    isEnded = true
    wakeAt = nil
    let coverage = coverage(isOver: isOver)
    // Groups that differ as a whole are looked at slot by slot before a read ends, but for one whose time is over.
    let repairs = isSummed ? [] : repairs().map { Action.repair($0) }
    if plan.partial == .deny, coverage.isPartial { return repairs + [.fail(.partial(coverage))] }
    return repairs + [.complete(outcome(coverage))]
  }
}
