import NeedletailTelemetry

extension QuorumRead {
  /// What is wanted of each node, gathered so that each gets one message.
  struct Wants {
    struct Want {
      var reduced: [Part] = []
      var series: SlotSet = []
      var digests: SlotSet = []
      /// The slots of `series` and `digests`, a slot of both twice.
      var parts: [Part] = []

      var isEmpty: Bool { reduced.isEmpty && parts.isEmpty }
    }

    /// By the nodes' places in `nodes`.
    private(set) var byNode: [Want]

    init(_ count: Int) { byNode = Array(repeating: Want(), count: count) }

    mutating func reduce(_ part: Part, _ node: Int) { byNode[node].reduced.append(part) }

    mutating func series(_ group: GroupState, _ part: Part, _ node: Int) {
      group.insert(part.slot, into: &byNode[node].series)
      byNode[node].parts.append(part)
    }

    mutating func digest(_ group: GroupState, _ part: Part, _ node: Int) {
      group.insert(part.slot, into: &byNode[node].digests)
      byNode[node].parts.append(part)
    }
  }

  /// What of a read an ask is about, so that nothing is searched for when its answer comes.
  struct Part: Sendable {
    var group: Int
    /// The slot's place in the group; of a reduction it is all of them.
    var slot: Int
    /// The node's place among the replicas.
    var replica: Int
  }

  struct AskState: Sendable {
    let ask: Ask
    /// The ask's reductions.
    let reduced: [Part]
    /// Its other slots; some may be those of a reduction.
    let parts: [Part]
    let hedgeAt: UInt64
    var isOpen = true
    var isLate = false
  }

  /// Calls `body` once for each slot that was asked for, with its group and its place there; returns the groups.
  private mutating func forEach(_ id: Int, _ body: (inout GroupState, Part) -> Void) -> [Int] {
    var touched: [Int] = []
    for part in asks[id].reduced {
      touched.append(part.group)
      for slot in groups[part.group].slots.indices {
        body(&groups[part.group], Part(group: part.group, slot: slot, replica: part.replica))
      }
    }
    var seen = asks[id].ask.reduced.reduce(into: SlotSet()) { $0.formUnion($1) }
    for part in asks[id].parts {
      let number = groups[part.group].slots[part.slot]
      if seen.contains(number) { continue }
      seen.insert(number)
      if touched.last != part.group { touched.append(part.group) }
      body(&groups[part.group], part)
    }
    return Set(touched).sorted()
  }

  /// Takes what an answer says of what was asked; whatever else it says is not heard.
  mutating func take(_ answer: Answer, of id: Int) -> [Int] {
    var won: SlotSet = []
    let there = Set(answer.reduced)
    for (place, part) in asks[id].reduced.enumerated() {
      if !there.contains(place) {
        groups[part.group].failReduction(part.replica)
      } else if groups[part.group].takeReduction(part.replica, ask: id) {
        won.formUnion(groups[part.group].group.slots)
      }
    }
    let (bug, series) = (bug, asks[id].ask.series)
    return forEach(id) { group, part in
      let number = group.slots[part.slot]
      group.take(
        part.slot, part.replica, digest: answer.digests[number],
        isVote: !group.touches(part.slot, answer.notReady) || bug == .unreadyVotes,
        hasSeries: series.contains(number) ? answer.series.contains(number) : nil, ask: id,
        isReduction: won.contains(number))
    }
  }

  mutating func giveUp(_ id: Int) -> [Int] {
    for part in asks[id].reduced { groups[part.group].failReduction(part.replica) }
    return forEach(id) { group, part in group.giveUp(part.slot, part.replica) }
  }

  mutating func markLate(_ id: Int) -> [Int] {
    forEach(id) { group, part in group.markLate(part.slot, part.replica) }
  }

  // MARK: - The end

  /// How whole the answer is; before the read is over only slots of which too few can answer any more are short.
  func coverage(isOver: Bool = true) -> SlotCoverage {
    var (asked, short, unanswered): (SlotSet, SlotSet, SlotSet) = ([], [], [])
    var fewest = Int.max
    for group in groups {
      for slot in group.slots.indices {
        let agreed = group.agreeing(slot)
        group.insert(slot, into: &asked)
        let isShort = isOver ? agreed < group.needed : group.isHopeless(slot)
        if isShort, bug != .missingPartial { group.insert(slot, into: &short) }
        if group.data(slot).isEmpty { group.insert(slot, into: &unanswered) }
        fewest = min(fewest, agreed)
      }
    }
    return SlotCoverage(
      asked: asked, short: short, unanswered: unanswered, agreed: asked.isEmpty ? 0 : fewest,
      replicas: groups.map(\.group.replicas.count).max() ?? 0, windows: plan.windows, failures: failures)
  }

  func outcome(_ coverage: SlotCoverage) -> Outcome {
    var uses: [Int: Use] = [:]
    var reductions: [Use] = []
    var united: SlotSet = []
    for (index, group) in groups.enumerated() {
      if group.form == .reduced {
        if let winner = group.winner {
          let place = asks[winner.ask].reduced.firstIndex { $0.group == index }
          reductions.append(
            Use(ask: winner.ask, node: group.order[winner.replica], reduction: place, slots: group.group.slots))
        }
        continue
      }
      for slot in group.slots.indices {
        let replicas = group.data(slot)
        if replicas.count > 1 { group.insert(slot, into: &united) }
        for replica in replicas where bug != .unionDropsSecondReplica || replica == replicas.first(where: { _ in true })
        {
          let ask = group.ask(slot, replica)
          group.insert(
            slot, into: &uses[ask, default: Use(ask: ask, node: group.order[replica], reduction: nil, slots: [])].slots)
        }
      }
    }
    let all = (reductions + uses.values).sorted { left, right in
      left.ask != right.ask ? left.ask < right.ask : (left.reduction ?? .max) < (right.reduction ?? .max)
    }
    return Outcome(coverage: coverage, uses: all, united: united)
  }

  /// Of each slot where ready replicas differ: the one that has the most, with each that has something else.
  func repairs() -> [Repair] {
    struct Pair: Hashable {
      var node: NodeID
      var with: NodeID
    }
    var found: [Pair: SlotSet] = [:]
    for group in groups {
      for (slot, number) in group.slots.enumerated() where group.differs(slot) {
        let votes = group.votes(slot).sorted { left, right in
          left.digest.count != right.digest.count ? left.digest.count > right.digest.count : left.node < right.node
        }
        guard let most = votes.first else { continue }
        for vote in votes.dropFirst() where vote.digest != most.digest {
          var pair = Pair(node: vote.node, with: most.node)
          if bug == .repairToTheWrongSide {
            let other = group.group.replicas.first { $0 != vote.node && $0 != most.node }
            pair = Pair(node: most.node, with: other ?? most.node)
          }
          found[pair, default: []].insert(number)
        }
      }
    }
    return found.sorted { left, right in
      left.key.node != right.key.node ? left.key.node < right.key.node : left.key.with < right.key.with
    }.map { Repair(node: $0.key.node, with: $0.key.with, slots: $0.value, windows: plan.windows) }
  }
}
