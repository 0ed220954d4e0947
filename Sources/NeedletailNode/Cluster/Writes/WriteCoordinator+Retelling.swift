import NeedletailBlocks
import NeedletailCluster

extension WriteCoordinator {
  /// Slots that a node was told to miss.
  ///
  /// Who compares them may be stopped before it has, or may not have heard; the rounds of repair come by much later.
  /// Two replicas that are equal by then exchange one message for a slot.
  struct Retelling {
    var slots: HintNote
    /// When they are told again, in monotonic ns.
    var due: Int64
    /// How often they are.
    var left = Retelling.count

    static let count = 2
  }

  /// Has slots told again later.
  func tellAgain(_ node: NodeID, _ note: HintNote) {
    var retelling = retellings[node] ?? Retelling(slots: HintNote(), due: now &+ settings.retellAfter)
    retelling.slots.formUnion(note)
    retelling.left = Retelling.count
    retellings[node] = retelling
    wake(at: retelling.due)
  }

  /// What is to be told again now: not of nodes that are away, and nothing more of those that hold nothing any more.
  func takeDue() -> [(node: NodeID, slots: HintNote)] {
    let now = now
    var told: [(node: NodeID, slots: HintNote)] = []
    for (node, retelling) in retellings where retelling.due <= now {
      if let layout = view.layout, layout.slots(of: node).isEmpty {
        retellings[node] = nil
        continue
      }
      let isThere = node == view.own || view.isPresent(node)
      if isThere { told.append((node, retelling.slots)) }
      var next = retelling
      next.due = now &+ settings.retellAfter
      if isThere { next.left -= 1 }
      retellings[node] = next.left > 0 ? next : nil
    }
    return told
  }
}
