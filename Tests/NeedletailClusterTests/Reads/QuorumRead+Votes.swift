@testable import NeedletailCluster

extension QuorumRead.Ask {
  /// The slots on which an answer is the vote of a ready replica, each by itself or with the rest of its group.
  func votes(_ answer: QuorumRead.Answer) -> SlotSet {
    guard !sums.isEmpty else { return SlotSet(answer.digests.keys.filter { !answer.notReady.contains($0) }) }
    return sums.reduce(into: SlotSet()) { votes, group in
      guard let first = group.min(), answer.digests[first] != nil, answer.notReady.isDisjoint(with: group) else {
        return
      }
      votes.formUnion(group)
    }
  }
}
