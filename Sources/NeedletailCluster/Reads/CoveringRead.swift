/// Whom to ask so that of every slot as many ready replicas as are wanted tell all that they have of it: for what is
/// united and not compared, such as lists and events.
///
/// The union of R ready replicas has all that was acknowledged before each was asked (docs/cluster.md, "Reading"). Each
/// node is asked at most once.
package struct CoveringRead: Sendable {
  private enum Progress: Equatable {
    case waiting
    /// Asked so long ago that others are asked in its place; what still comes counts.
    case late
    /// It answered, and is not ready for these.
    case answered(SlotSet)
    case failed
  }

  private let groups: [SlotGroup]
  private let windows: ClosedRange<Int64>
  private let order: [NodeID]
  private let readQuorum: Int
  private let consistency: QuorumRead.Consistency
  private let allowsUnready: Bool
  private var progress: [NodeID: Progress] = [:]
  private var failures: [String] = []

  /// A read of these groups; nodes are asked in this order, of which those that are missing are never asked.
  package init(
    _ groups: [SlotGroup], windows: ClosedRange<Int64>, order: [NodeID], readQuorum: Int,
    consistency: QuorumRead.Consistency, partial: QuorumRead.Partial
  ) {
    self.groups = groups
    self.windows = windows
    self.order = order
    self.readQuorum = readQuorum
    self.consistency = consistency
    allowsUnready = partial == .allow
  }

  private func needed(_ group: SlotGroup) -> Int {
    switch consistency {
    case .one: 1
    case .quorum: max(1, readQuorum)
    case .all: max(1, group.replicas.count)
    }
  }

  private func isWaiting(_ node: NodeID) -> Bool { progress[node] == .waiting }

  /// How many replicas that were ready answered.
  private func agreed(_ slot: UInt16, _ group: SlotGroup) -> Int {
    group.replicas.count { node in
      if case .answered(let notReady) = progress[node] { return !notReady.contains(slot) }
      return false
    }
  }

  /// The nodes to ask now; none where those that were asked may be enough, or nobody is left.
  ///
  /// O(slots x replicas).
  package mutating func next() -> [NodeID] {
    var asked: [NodeID] = []
    for group in groups {
      let needed = needed(group)
      let candidates =
        order.filter { group.ready.contains($0) }
        + order.filter {
          allowsUnready && group.replicas.contains($0) && !group.ready.contains($0)
        }
      for slot in group.slots {
        var expected = agreed(slot, group) + group.replicas.count(where: isWaiting)
        for node in candidates where expected < needed && progress[node] == nil {
          progress[node] = .waiting
          asked.append(node)
          expected += 1
        }
      }
    }
    return asked
  }

  package mutating func answered(_ node: NodeID, notReady: SlotSet) {
    guard progress[node] == .waiting || progress[node] == .late else { return }
    progress[node] = .answered(notReady)
  }

  package mutating func failed(_ node: NodeID, _ reason: String) {
    guard progress[node] == .waiting || progress[node] == .late else { return }
    progress[node] = .failed
    if failures.count < SlotCoverage.failuresMax { failures.append("\(node): \(reason)") }
  }

  /// Who has not answered by now is hedged.
  package mutating func hedge() {
    for (node, state) in progress where state == .waiting { progress[node] = .late }
  }

  /// Whether every slot has as many as are wanted.
  package var isWhole: Bool {
    groups.allSatisfy { group in
      let needed = needed(group)
      return group.slots.allSatisfy { agreed($0, group) >= needed }
    }
  }

  /// Whether anybody may still answer.
  package var isAwaiting: Bool { progress.values.contains { $0 == .waiting || $0 == .late } }

  /// The nodes whose answers are united, ascending.
  package var uses: [NodeID] {
    progress.filter { if case .answered = $0.value { true } else { false } }.keys.sorted()
  }

  /// How whole the union of what came is.
  package var coverage: SlotCoverage {
    var (asked, short, unanswered): (SlotSet, SlotSet, SlotSet) = ([], [], [])
    var fewest = Int.max
    for group in groups {
      let needed = needed(group)
      let isAnswered = group.replicas.contains { if case .answered = progress[$0] { true } else { false } }
      for slot in group.slots {
        let agreed = agreed(slot, group)
        asked.insert(slot)
        if agreed < needed { short.insert(slot) }
        if !isAnswered { unanswered.insert(slot) }
        fewest = min(fewest, agreed)
      }
    }
    let late = progress.filter { $0.value == .waiting || $0.value == .late }.keys.sorted()
    return SlotCoverage(
      asked: asked, short: short, unanswered: unanswered, agreed: asked.isEmpty ? 0 : fewest,
      replicas: groups.map(\.replicas.count).max() ?? 0, windows: windows,
      failures: failures + (short.isEmpty ? [] : late.map { "\($0): no answer by the deadline" }))
  }
}
