// The ring that says which nodes hold which slots. It is a value that follows from the list of members alone: every
// node that knows the same members computes the same ring, and no message is needed to agree on it.

import NeedletailTelemetry

/// The nodes, and for each slot the order in which they come for it.
///
/// Each node draws a number for each slot, which follows from its name: all numbers that there are, each once, dealt by
/// a shuffle of its own. The lowest number comes first, after it was divided by the weight in the way that makes shares
/// proportional to weights. So a node that joins takes slots from all others and moves nothing between them; and since
/// every node has as many low numbers as any other, shares are more even than where a hash places each node's virtual
/// nodes on a circle, or draws each number by itself.
package struct HashRing: Equatable, Sendable {
  /// Sorted by node; no node twice.
  package let members: [RingMember]
  /// For each member the number of its zone; the zones are numbered in the order of their first members.
  private let zones: [Int]
  private let zoneCount: Int

  /// Of several members with one name the first counts.
  package init(_ members: [RingMember]) {
    var seen: Set<NodeID> = []
    self.members = members.filter { seen.insert($0.node).inserted }.sorted { $0.node < $1.node }
    var numbers: [String: Int] = [:]
    zones = self.members.map { member in
      // A member without a zone fails alone: it is a zone of its own.
      let zone = member.zone.map { "z" + $0 } ?? "n" + member.node.rawValue
      return numbers[zone]
        ?? {
          numbers[zone] = numbers.count
          return numbers.count - 1
        }()
    }
    zoneCount = numbers.count
  }

  /// For each slot its first `count` distinct nodes; fewer where there are fewer nodes.
  ///
  /// As long as there are zones without a replica, nodes of zones that have one are passed over. O(slots x nodes x count).
  package func replicas(_ slots: SlotMap, count: Int) -> [[NodeID]] {
    let costs = Self.costs(slots.count)
    let draws = members.map { SlotDraw(of: $0, slots: slots.count) }
    return (0..<slots.count).map { slot in
      let candidates = draws.map { draw in
        Candidate(cost: costs[Int(draw.numbers[slot])] / draw.weight, tie: draw.tie(slot))
      }
      return choose(candidates, count: count).map { members[$0].node }
    }
  }

  private struct Candidate: Comparable {
    var cost: Double
    var tie: UInt64

    static func < (left: Self, right: Self) -> Bool {
      left.cost != right.cost ? left.cost < right.cost : left.tie < right.tie
    }
  }

  private func choose(_ candidates: [Candidate], count: Int) -> [Int] {
    var chosen: [Int] = []
    var zonesUsed: Set<Int> = []
    while chosen.count < min(count, members.count) {
      let areZonesLeft = zonesUsed.count < zoneCount
      var best: Int?
      for index in candidates.indices where areZonesLeft ? !zonesUsed.contains(zones[index]) : !chosen.contains(index) {
        // Of the same the first by name, as they are sorted.
        if best.map({ candidates[index] < candidates[$0] }) ?? true { best = index }
      }
      guard let best else { break }
      chosen.append(best)
      zonesUsed.insert(zones[best])
    }
    return chosen
  }

  /// What a drawn number costs a node of weight 1: the time after which something happens that happens at random, if that
  /// is sooner in (number + 1/2) of `count` cases. Of several nodes each is the first as often as its weight says.
  private static func costs(_ count: Int) -> [Double] {
    let whole = BinaryLogarithm.precise(UInt64(2 * count))
    return (0..<count).map { number in
      // Whole numbers below 2^53 and a division by one: the same on every machine.
      Double(whole - BinaryLogarithm.precise(UInt64(2 * (count - number) - 1)))
    }
  }
}
