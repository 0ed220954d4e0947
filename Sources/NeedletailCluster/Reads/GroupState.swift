import NeedletailTelemetry

/// How far a read has come with one group, and what it wants next of whom.
struct GroupState: Sendable {
  enum Progress: UInt8, Sendable {
    case none
    case waiting
    /// Asked so long ago that another one is asked in its place; what still comes counts.
    case late
    case got
    case failed

    var mayCome: Bool { self == .waiting || self == .late }
  }

  /// What is known of one slot from one replica.
  struct Cell: Sendable {
    /// Whether it told, as a ready replica, what it has.
    var vote = Progress.none
    var series = Progress.none
    var digest: RangeDigest?
    /// The digest is that of data which is used: it may not be replaced by a later one, of which that data may lack
    /// something.
    var isOfData = false
    /// The ask that brought the series.
    var ask = 0
    var answers = 0
  }

  let group: SlotGroup
  /// The replicas as they are to be asked: the ready ones first.
  let order: [NodeID]
  /// Their places among the nodes of the read.
  private let nodes: [Int]
  let needed: Int
  /// The slots that are decided on one by one; where it is all of them at once, the first stands for all.
  let slots: [UInt16]
  /// All slots are decided on at once, by what they come to together.
  let isSummed: Bool
  private(set) var form: QuorumRead.Form
  /// Of each replica how it stands with its reduction.
  private(set) var reduced: [Progress]
  /// Whose reduction is used: the replica and the ask.
  private(set) var winner: (replica: Int, ask: Int)?
  /// A row for each slot, a column for each replica.
  private(set) var cells: [Cell]
  private var isSlotDone: [Bool]
  var bug: PlantedReadBug?

  init(
    _ group: SlotGroup, order: [NodeID], nodes: [Int], needed: Int, form: QuorumRead.Form, isSummed: Bool = false
  ) {
    self.group = group
    self.order = order
    self.nodes = nodes
    self.needed = needed
    self.form = form
    self.isSummed = isSummed
    slots = isSummed ? Array(group.slots.prefix(1)) : Array(group.slots)
    reduced = Array(repeating: .none, count: order.count)
    cells = Array(repeating: Cell(), count: slots.count * order.count)
    isSlotDone = Array(repeating: false, count: slots.count)
  }

  var isDone: Bool { isSlotDone.allSatisfy { $0 } }

  /// Of some slot no more than too few replicas can still agree.
  var isHopeless: Bool { slots.indices.contains { isHopeless($0) } }

  /// Whether too few are left that may agree on the slot at a place.
  func isHopeless(_ slot: Int) -> Bool {
    !isSlotDone[slot] && order.indices.count { mayCount(slot, $0) } < needed
  }

  /// Adds the slot at a place, and all that it stands for.
  func insert(_ slot: Int, into set: inout SlotSet) {
    if isSummed { set.formUnion(group.slots) } else { set.insert(slots[slot]) }
  }

  /// Whether the slot at a place, or one that it stands for, is among some.
  func touches(_ slot: Int, _ some: SlotSet) -> Bool {
    isSummed ? !some.isDisjoint(with: group.slots) : some.contains(slots[slot])
  }

  private func at(_ slot: Int, _ replica: Int) -> Int { slot * order.count + replica }

  private func isReady(_ replica: Int) -> Bool { replica < group.ready.count }

  // MARK: - Who agrees

  /// The replicas whose data of the slot is used.
  func data(_ slot: Int) -> ReplicaSet {
    if form == .reduced { return winner.map { .one($0.replica) } ?? ReplicaSet() }
    return ReplicaSet(order.count) { cells[at(slot, $0)].series == .got }
  }

  /// The ready replicas of which all that they told of is in the data that is there.
  private func covered(_ slot: Int) -> ReplicaSet {
    let data = data(slot)
    guard !data.isEmpty else { return data }
    return ReplicaSet(order.count) { isCovered(slot, $0, by: data) }
  }

  private func isCovered(_ slot: Int, _ replica: Int, by data: ReplicaSet) -> Bool {
    let cell = cells[at(slot, replica)]
    guard cell.vote == .got else { return false }
    if data.contains(replica) || bug == .differenceIgnored { return true }
    return data.contains { cells[at(slot, $0)].digest == cell.digest }
  }

  /// How many replicas agree on the slot.
  func agreeing(_ slot: Int) -> Int {
    let covered = covered(slot)
    guard bug == .hedgeCountedTwice else { return covered.count }
    return covered.reduce(0) { $0 + max(1, cells[at(slot, $1)].answers) }
  }

  private func count(_ slot: Int, where isWanted: (Cell) -> Bool) -> Int {
    ReplicaSet(order.count) { isWanted(cells[at(slot, $0)]) }.count
  }

  private func mayCount(_ slot: Int, _ replica: Int) -> Bool {
    let cell = cells[at(slot, replica)]
    switch cell.vote {
    case .none: return isReady(replica)
    case .waiting, .late: return true
    case .got: return isCovered(slot, replica, by: data(slot)) || cell.series != .failed
    case .failed: return cell.series.mayCome
    }
  }

  // MARK: - What is wanted next

  /// Sees which slots are done, and wants what those that are not still lack.
  mutating func settle(
    _ index: Int, _ wants: inout QuorumRead.Wants, allowsUnready: Bool, _ bug: PlantedReadBug?
  ) {
    self.bug = bug
    if form == .reduced { settleReduced(index, &wants, allowsUnready) }
    guard form == .series else { return }
    for slot in slots.indices where !isSlotDone[slot] { settleSeries(index, slot, &wants, allowsUnready) }
  }

  private mutating func settleReduced(_ index: Int, _ wants: inout QuorumRead.Wants, _ allowsUnready: Bool) {
    if winner == nil, !reduced.contains(.waiting) {
      let candidate = order.indices.first { reduced[$0] == .none && (isReady($0) || allowsUnready) }
      if let candidate {
        reduced[candidate] = .waiting
        wants.reduce(QuorumRead.Part(group: index, slot: 0, replica: candidate), nodes[candidate])
        if isReady(candidate) { for slot in slots.indices { expectVote(slot, candidate) } }
      }
    }
    for slot in slots.indices where !isSlotDone[slot] {
      if winner != nil, agreeing(slot) >= needed {
        isSlotDone[slot] = true
        continue
      }
      askVotes(index, slot, &wants)
      if winner == nil {
        isSlotDone[slot] = !reduced.contains(where: \.mayCome)
      } else if agreeing(slot) + count(slot, where: { $0.vote == .waiting }) < needed {
        let data = data(slot)
        let differ = ReplicaSet(order.count) { cells[at(slot, $0)].vote == .got && !isCovered(slot, $0, by: data) }
        if !differ.isEmpty { return readSeries() }
        isSlotDone[slot] = count(slot, where: { $0.vote.mayCome }) == 0
      }
    }
  }

  /// Replicas differ: the reduction cannot be united with another one, so that the rows themselves are read.
  private mutating func readSeries() {
    form = .series
    winner = nil
    for index in cells.indices { cells[index].isOfData = false }
    for slot in slots.indices { isSlotDone[slot] = false }
  }

  private mutating func settleSeries(_ index: Int, _ slot: Int, _ wants: inout QuorumRead.Wants, _ allowsUnready: Bool)
  {
    let data = data(slot)
    if !data.isEmpty, agreeing(slot) >= needed {
      isSlotDone[slot] = true
      return
    }
    if data.isEmpty {
      if !order.indices.contains(where: { cells[at(slot, $0)].series == .waiting }),
        let candidate = seriesCandidate(slot, allowsUnready)
      {
        askSeries(index, slot, candidate, &wants)
      }
      askVotes(index, slot, &wants)
    } else {
      askVotes(index, slot, &wants)
      readDifferences(index, slot, data, &wants)
    }
    isSlotDone[slot] = count(slot, where: { $0.vote.mayCome || $0.series.mayCome }) == 0
  }

  /// The next one to read series from where none are there: who told already that it is ready comes first.
  private func seriesCandidate(_ slot: Int, _ allowsUnready: Bool) -> Int? {
    let open = order.indices.filter { cells[at(slot, $0)].series == .none }
    if let told = open.first(where: { cells[at(slot, $0)].vote == .got }) { return told }
    if let ready = open.first(where: { isReady($0) && cells[at(slot, $0)].vote != .failed }) { return ready }
    return allowsUnready ? open.first : nil
  }

  /// Where data is there and replicas told of something else: reads theirs too.
  private mutating func readDifferences(_ index: Int, _ slot: Int, _ data: ReplicaSet, _ wants: inout QuorumRead.Wants)
  {
    guard count(slot, where: { $0.series == .waiting }) == 0 else { return }
    var expected = agreeing(slot) + count(slot) { $0.vote == .waiting }
    for replica in order.indices where expected < needed {
      let cell = cells[at(slot, replica)]
      guard cell.vote == .got, cell.series == .none, !isCovered(slot, replica, by: data) else { continue }
      askSeries(index, slot, replica, &wants)
      expected += 1
    }
  }

  private mutating func askSeries(_ index: Int, _ slot: Int, _ replica: Int, _ wants: inout QuorumRead.Wants) {
    cells[at(slot, replica)].series = .waiting
    if isReady(replica) { expectVote(slot, replica) }
    wants.series(self, QuorumRead.Part(group: index, slot: slot, replica: replica), nodes[replica])
  }

  /// A vote comes with data that was asked for.
  private mutating func expectVote(_ slot: Int, _ replica: Int) {
    let place = at(slot, replica)
    if cells[place].vote == .none || cells[place].vote == .late { cells[place].vote = .waiting }
  }

  /// Asks for digests until as many replicas as are needed told or may tell what they have.
  private mutating func askVotes(_ index: Int, _ slot: Int, _ wants: inout QuorumRead.Wants) {
    let data = data(slot)
    var expected = order.indices.count { replica in
      let cell = cells[at(slot, replica)]
      guard cell.vote == .got else { return cell.vote == .waiting }
      return cell.series == .none || cell.series == .waiting || isCovered(slot, replica, by: data)
    }
    for replica in order.indices where expected < needed && isReady(replica) && cells[at(slot, replica)].vote == .none {
      cells[at(slot, replica)].vote = .waiting
      wants.digest(self, QuorumRead.Part(group: index, slot: slot, replica: replica), nodes[replica])
      expected += 1
    }
  }

  // MARK: - What came

  /// The node told of a slot, with its series where `hasSeries` says so; nil where those were not asked for.
  mutating func take(
    _ slot: Int, _ replica: Int, digest: RangeDigest?, isVote: Bool, hasSeries: Bool?, ask: Int, isReduction: Bool
  ) {
    let place = at(slot, replica)
    cells[place].answers += 1
    let isOfData = hasSeries == true && !isSlotDone[slot] || isReduction
    // A slot that is done stays so, whatever is written meanwhile.
    let isSettled = cells[place].isOfData || isSlotDone[slot] && cells[place].vote == .got
    if isOfData || !isSettled || bug == .lateDigestReplacesThatOfData {
      cells[place].digest = digest
      cells[place].vote = digest != nil && isVote ? .got : .failed
    }
    guard let hasSeries else { return cells[place].isOfData = isReduction || cells[place].isOfData }
    let isNew = form == .series && !data(slot).contains { digest != nil && cells[at(slot, $0)].digest == digest }
    cells[place].series = hasSeries && isNew && !isSlotDone[slot] ? .got : .failed
    if cells[place].series == .got {
      cells[place].ask = ask
      cells[place].isOfData = true
    }
  }

  /// The node's reduction came; false where it is of no use any more.
  mutating func takeReduction(_ replica: Int, ask: Int) -> Bool {
    guard form == .reduced, winner == nil else {
      reduced[replica] = .failed
      return false
    }
    reduced[replica] = .got
    winner = (replica, ask)
    return true
  }

  mutating func failReduction(_ replica: Int) { reduced[replica] = .failed }

  /// Nothing will come of what the node was asked about the slot.
  mutating func giveUp(_ slot: Int, _ replica: Int) {
    let place = at(slot, replica)
    if cells[place].vote.mayCome { cells[place].vote = .failed }
    if cells[place].series.mayCome { cells[place].series = .failed }
  }

  mutating func markLate(_ slot: Int, _ replica: Int) {
    let place = at(slot, replica)
    if cells[place].vote == .waiting { cells[place].vote = .late }
    if cells[place].series == .waiting { cells[place].series = .late }
    if reduced[replica] == .waiting { reduced[replica] = .late }
  }

  /// Whether ready replicas told of different things.
  func differs(_ slot: Int) -> Bool {
    var first: RangeDigest?
    for replica in order.indices where cells[at(slot, replica)].vote == .got {
      guard let digest = cells[at(slot, replica)].digest else { continue }
      if let first, first != digest { return true }
      first = digest
    }
    return false
  }

  /// What each ready replica told of the slot.
  func votes(_ slot: Int) -> [(node: NodeID, digest: RangeDigest)] {
    order.indices.compactMap { replica in
      let cell = cells[at(slot, replica)]
      guard cell.vote == .got, let digest = cell.digest else { return nil }
      return (order[replica], digest)
    }
  }

  func ask(_ slot: Int, _ replica: Int) -> Int { cells[at(slot, replica)].ask }
}
