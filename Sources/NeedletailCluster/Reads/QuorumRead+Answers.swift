extension QuorumRead {
  /// What is wanted of each node, gathered so that each gets one message.
  struct Wants {
    struct Want {
      var reduced: [Int] = []
      var series: SlotSet = []
      var digests: SlotSet = []
    }

    private(set) var byNode: [NodeID: Want] = [:]

    mutating func reduce(_ group: Int, _ node: NodeID) { byNode[node, default: Want()].reduced.append(group) }
    mutating func series(_ slot: UInt16, _ node: NodeID) { byNode[node, default: Want()].series.insert(slot) }
    mutating func digest(_ slot: UInt16, _ node: NodeID) { byNode[node, default: Want()].digests.insert(slot) }
  }

  struct AskState: Sendable {
    let ask: Ask
    /// The groups of the ask's reductions.
    let reduced: [Int]
    let hedgeAt: UInt64
    var isOpen = true
    var isLate = false
  }

  /// Calls `body` for each slot that was asked for, with its group, its place there and the node's; returns the groups.
  private mutating func forEach(
    _ ask: Ask, _ body: (inout GroupState, _ slot: Int, _ replica: Int) -> Void
  ) -> [Int] {
    let slots = ask.slots
    var touched: [Int] = []
    for index in groups.indices {
      guard let replica = groups[index].order.firstIndex(of: ask.node) else { continue }
      var isTouched = false
      for slot in groups[index].slots.indices where slots.contains(groups[index].slots[slot]) {
        body(&groups[index], slot, replica)
        isTouched = true
      }
      if isTouched { touched.append(index) }
    }
    return touched
  }

  /// Takes what an answer says of what was asked; whatever else it says is not heard.
  mutating func take(_ answer: Answer, of ask: Ask) -> [Int] {
    var won: SlotSet = []
    for (place, index) in asks[ask.id].reduced.enumerated() {
      guard let replica = groups[index].order.firstIndex(of: ask.node) else { continue }
      if !answer.reduced.contains(place) {
        groups[index].failReduction(replica)
      } else if groups[index].takeReduction(replica, ask: ask.id) {
        won.formUnion(groups[index].group.slots)
      }
    }
    let bug = bug
    return forEach(ask) { group, slot, replica in
      let number = group.slots[slot]
      group.take(
        slot, replica, digest: answer.digests[number],
        isVote: !answer.notReady.contains(number) || bug == .unreadyVotes,
        hasSeries: ask.series.contains(number) ? answer.series.contains(number) : nil, ask: ask.id,
        isReduction: won.contains(number))
    }
  }

  mutating func giveUp(_ ask: Ask) -> [Int] {
    for index in asks[ask.id].reduced {
      if let replica = groups[index].order.firstIndex(of: ask.node) { groups[index].failReduction(replica) }
    }
    return forEach(ask) { group, slot, replica in group.giveUp(slot, replica) }
  }

  mutating func markLate(_ ask: Ask) -> [Int] {
    forEach(ask) { group, slot, replica in group.markLate(slot, replica) }
  }

  // MARK: - The end

  func coverage() -> SlotCoverage {
    var (asked, short, unanswered): (SlotSet, SlotSet, SlotSet) = ([], [], [])
    var fewest = Int.max
    for group in groups {
      for (slot, number) in group.slots.enumerated() {
        let agreed = group.agreeing(slot)
        asked.insert(number)
        if agreed < group.needed, bug != .missingPartial { short.insert(number) }
        if group.data(slot).isEmpty { unanswered.insert(number) }
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
          let place = asks[winner.ask].reduced.firstIndex(of: index)
          reductions.append(
            Use(ask: winner.ask, node: group.order[winner.replica], reduction: place, slots: group.group.slots))
        }
        continue
      }
      for (slot, number) in group.slots.enumerated() {
        let replicas = group.data(slot)
        if replicas.count > 1 { united.insert(number) }
        for replica in replicas where bug != .unionDropsSecondReplica || replica == replicas.first(where: { _ in true })
        {
          let ask = group.ask(slot, replica)
          uses[ask, default: Use(ask: ask, node: group.order[replica], reduction: nil, slots: [])].slots.insert(number)
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
      for (slot, number) in group.slots.enumerated() {
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
