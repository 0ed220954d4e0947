import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Driving a change of members") struct RingChangeTests {
  private func founded(_ names: [String], zones: [String?] = []) throws -> Topology {
    var members: [TopologyMember] = []
    for (number, name) in names.enumerated() {
      members.append(
        try TopologyMember(
          node: NodeID(name), identity: identity(UInt64(number)), zone: number < zones.count ? zones[number] : nil))
    }
    return try .founding(
      clusterID: Hash128(high: 0, low: 1), slotCount: 64, replicaCount: 3, writeQuorum: 2, members: members)
  }

  private func identity(_ number: UInt64) -> NodeIdentity { NodeIdentity(Hash128(high: 0, low: number)) }

  @Test("A plan has every replica that moves, each once", arguments: 0..<100 as Range<UInt64>)
  func plans(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let topology = try generator.topology()
    guard let plan = ChangePlan(topology) else {
      #expect(topology.next == nil)
      return
    }
    let (old, new) = (topology.assignment, try #require(topology.nextAssignment))
    for member in topology.members {
      let gained = Set(new.slots(of: member.node)).subtracting(old.slots(of: member.node))
      let lost = Set(old.slots(of: member.node)).subtracting(new.slots(of: member.node))
      #expect(plan.incoming.first { $0.node == member.node }.map { Set($0.slots) } ?? [] == gained, "seed \(seed)")
      #expect(plan.flows.filter { $0.to == member.node }.reduce(0) { $0 + $1.slots } == gained.count, "seed \(seed)")
      #expect(plan.flows.filter { $0.from == member.node }.reduce(0) { $0 + $1.slots } == lost.count, "seed \(seed)")
    }
    #expect(plan.copies == plan.flows.filter { $0.to != nil }.reduce(0) { $0 + $1.slots })
    #expect(ChangePlan(topology) == plan)
  }

  @Test("A plan warns where replicas lack nodes or zones")
  func warnings() throws {
    let three = try founded(["a", "b", "c"], zones: ["x", "y", "y"])
    #expect(try ChangePlan(three.draining(NodeID("c")))?.warnings == [.fewerNodesThanReplicas(nodes: 2, replicas: 3)])
    let four = try founded(["a", "b", "c", "d"], zones: ["x", "y", "z", "z"])
    let drained = try #require(try ChangePlan(four.draining(NodeID("a"))))
    #expect(drained.warnings == [.fewerZonesThanReplicas(zones: 2, replicas: 3)])
    for warning in drained.warnings { #expect(!warning.description.isEmpty) }
    #expect(ChangePlan(four) == nil)
  }

  @Test("A change is committed when every new owner has all, under this epoch and on its own disk")
  func commits() throws {
    let founded = try founded(["a", "b", "c", "d"])
    let topology = try founded.draining(NodeID("b"))
    var change = try #require(RingChange(topology))
    let present = topology.members.map { TopologyVoter($0.node, $0.identity) }
    let asked = Set(try #require(ChangePlan(topology)).incoming.map(\.node))
    #expect(Set(change.tick(now: 0, own: NodeID("a"), present: present)) == Set(asked.map { .ask($0) }))
    #expect(change.tick(now: 1, own: NodeID("a"), present: present).isEmpty && change.nextTick > 1)
    for member in topology.ring {
      let voter = TopologyVoter(member.node, member.identity)
      change.progressed(voter, epoch: 1, ready: change.due(of: member.node))
      change.progressed(TopologyVoter(member.node, identity(99)), epoch: 2, ready: change.due(of: member.node))
    }
    #expect(Set(change.left.map(\.node)) == asked)
    for member in topology.ring {
      let voter = TopologyVoter(member.node, member.identity)
      change.receive(change.answer(ready: change.due(of: member.node), from: voter))
    }
    #expect(change.left.isEmpty)
    var second = change
    let committed = RingChange.Action.propose(try topology.committed())
    #expect(change.tick(now: 3_000_000_000, own: NodeID("a"), present: present) == [committed])
    // The second drives too, later, or at once where the first is away.
    #expect(second.tick(now: 4_000_000_000, own: NodeID("c"), present: present).isEmpty)
    var first = second
    #expect(second.tick(now: 60_000_000_000, own: NodeID("c"), present: present) == [committed])
    #expect(first.tick(now: 60_000_000_000, own: NodeID("c"), present: Array(present[2...])) == [committed])
    // Those that are there would be no majority of what is left, and one has another disk.
    var third = first
    let others = [present[2], TopologyVoter(NodeID("d"), identity(99))]
    #expect(third.tick(now: 90_000_000_000, own: NodeID("c"), present: others).isEmpty)
    #expect(third.tick(now: 130_000_000_000, own: NodeID("c"), present: present) == [committed])
  }

  @Test("Where a slot is left with fewer replicas, those that stay have to have all of it too")
  func shrinking() throws {
    let three = try founded(["a", "b", "c"])
    let change = try #require(RingChange(try three.removing(NodeID("c"))))
    #expect(change.stage == .filling)
    #expect(change.left.map(\.node.rawValue) == ["a", "b"] && change.left.allSatisfy { $0.slots.count == 64 })
  }

  /// What stays of five nodes has to be compared where R falls, to be ready where W does, and nothing where neither does.
  @Test(
    "Another N or W waits for new owners, and for those that stay where fewer read or write",
    arguments: [
      (Replication(count: 5, writeQuorum: 3), Replication(count: 3, writeQuorum: 2), true, true),
      (.init(count: 3, writeQuorum: 2), .init(count: 5, writeQuorum: 3), false, false),
      (.init(count: 3, writeQuorum: 2), .init(count: 3, writeQuorum: 3), true, true),
      (.init(count: 3, writeQuorum: 3), .init(count: 3, writeQuorum: 2), false, true),
      (.init(count: 3, writeQuorum: 1), .init(count: 3, writeQuorum: 1 + 1), true, true),
      (.init(count: 3, writeQuorum: 2), .init(count: 4, writeQuorum: 3), false, false),
    ])
  func replicating(old: Replication, new: Replication, isCompared: Bool, isDue: Bool) throws {
    var members: [TopologyMember] = []
    for number in 0..<5 as Range<UInt64> {
      members.append(try TopologyMember(node: NodeID("n\(number)"), identity: identity(number)))
    }
    let topology = try Topology.founding(
      clusterID: Hash128(high: 0, low: 1), slotCount: 16, replicaCount: old.count, writeQuorum: old.writeQuorum,
      members: members
    ).replicating(new)
    let (ring, next) = (topology.assignment, try #require(topology.nextAssignment))
    let (change, plan) = (try #require(RingChange(topology)), try #require(ChangePlan(topology)))
    var compared = 0
    for member in members {
      let (held, coming) = (SlotSet(ring.slots(of: member.node)), SlotSet(next.slots(of: member.node)))
      let stays = SlotSet(held.filter { coming.contains($0) })
      var due = coming
      due.subtract(held)
      if isDue { due.formUnion(stays) }
      #expect(change.due(of: member.node) == due)
      let kept = topology.keptSlots(of: member.node, in: ring, next: next)
      #expect(kept == (isCompared ? stays : []))
      compared += kept.count
    }
    #expect(plan.compared == compared && (change.left.isEmpty == !(isDue || new.count > old.count)))
  }

  @Test("Where the nodes of a slot stay and W falls, W of before have to know of the commit")
  func tellsOfQuorum() throws {
    let founded = try founded(["a", "b", "c"])
    let rising = try founded.replicating(Replication(count: 3, writeQuorum: 3)).committed()
    #expect(try #require(RingChange(rising)).left.isEmpty)
    let falling = try rising.finished().replicating(Replication(count: 3, writeQuorum: 1)).committed()
    var change = try #require(RingChange(falling))
    for (number, member) in falling.ring.enumerated() {
      #expect(change.left.count == 3 - number)
      let voter = TopologyVoter(member.node, member.identity)
      change.receive(change.answer(ready: change.due(of: member.node), from: voter))
    }
    #expect(change.left.isEmpty)
  }

  @Test("A plan tells of another weight what moves, and warns of quorums that ask for all or for one")
  func placing() throws {
    let founded = try founded(["a", "b", "c", "d", "e"])
    let plan = try #require(ChangePlan(try founded.placing(NodeID("a"), zone: nil, weight: 4)))
    #expect(plan.copies > 0 && plan.flows.allSatisfy { $0.to == NodeID("a") } && plan.compared == 0)
    let back = try founded.placing(NodeID("a"), zone: nil, weight: 4).committed().finished()
    let other = try #require(ChangePlan(try back.placing(NodeID("a"), zone: nil, weight: 1)))
    #expect(other.copies == plan.copies && other.flows.allSatisfy { $0.from == NodeID("a") })
    let all = try founded.replicating(Replication(count: 2, writeQuorum: 2))
    #expect(ChangePlan(all)?.warnings == [.everyReplicaWrites(2)])
    let one = try founded.replicating(Replication(count: 6, writeQuorum: 1))
    #expect(ChangePlan(one)?.warnings == [.fewerNodesThanReplicas(nodes: 5, replicas: 6), .oneReplicaWrites])
    for warning in [ChangePlan.Warning.everyReplicaWrites(2), .oneReplicaWrites] {
      #expect(!warning.description.isEmpty)
    }
  }

  @Test("A change is over when of no slot R former owners may not have heard of the commit")
  func ends() throws {
    let topology = try founded(["a", "b", "c", "d"]).draining(NodeID("b")).committed()
    var change = try #require(RingChange(topology))
    let former = try #require(topology.besideAssignment)
    let moved = SlotSet(former.slots(of: NodeID("b")))
    #expect(change.stage == .telling)
    #expect(change.due(of: NodeID("b")) == moved && !moved.isEmpty)
    // What a node lacks does not matter: it has to know who is read from.
    #expect(change.done(by: NodeID("b")) { $0 } == moved)
    let present = topology.members.map { TopologyVoter($0.node, $0.identity) }
    #expect(change.tick(now: 0, own: NodeID("a"), present: present).count == 4)
    let voters = topology.members.map { TopologyVoter($0.node, $0.identity) }
    for voter in voters where voter.node != NodeID("b") {
      change.receive(change.answer(ready: [], from: voter))
      #expect(change.left.contains { $0.node == voter.node }, "it knows of nothing yet")
      change.receive(change.answer(ready: change.due(of: voter.node), from: voter))
    }
    // Two of each three have heard of it; the one that leaves may be away.
    #expect(change.left.isEmpty)
    let over = RingChange.Action.propose(try topology.finished())
    #expect(change.tick(now: 3_000_000_000, own: NodeID("a"), present: Array(present[2...])) == [over])
    #expect(RingChange(try topology.finished()) == nil)
  }

  @Test("A change that takes out a node that is gone ends exactly where its end does not need all", arguments: 2...5)
  func endsWithout(nodes: Int) throws {
    let names = (0..<nodes).map { "n\($0)" }
    for count in 1...5 {
      for quorum in 1...count {
        let members = try names.enumerated().map { index, name in
          try TopologyMember(node: NodeID(name), identity: identity(UInt64(index + 1)))
        }
        let topology = try Topology.founding(
          clusterID: Hash128(high: 1, low: 1), slotCount: 64, replicaCount: count, writeQuorum: quorum,
          members: members)
        let gone = NodeID("n1")
        var change = try #require(RingChange(try topology.removing(gone).committed()))
        for member in members where member.node != gone {
          let voter = TopologyVoter(member.node, member.identity)
          change.receive(change.answer(ready: change.due(of: voter.node), from: voter))
        }
        #expect(change.left.isEmpty == !topology.endNeedsAll, "\(nodes) nodes, N=\(count), W=\(quorum)")
      }
    }
    #expect(TopologyError.endNeeds(NodeID("n1")).description.contains("n1"))
  }

  @Test("Who is there, with the disk that counts, decides once a change is committed, or it is said who is missed")
  func majorities() throws {
    let members = try ["a", "b", "c", "d", "e"].enumerated().map { index, name in
      try TopologyMember(node: NodeID(name), identity: identity(UInt64(index + 1)))
    }
    let topology = try Topology.founding(
      clusterID: Hash128(high: 1, low: 1), slotCount: 64, replicaCount: 3, writeQuorum: 2, members: members)
    var present = Set(members.map { TopologyVoter($0.node, $0.identity) })
    let draining = try topology.draining(NodeID("e"))
    #expect(try draining.votersMissed(by: present).isEmpty)
    // Two of the four that are left have new disks, one of them the member that has been there for longest.
    for (name, number) in [("a", 11), ("b", 12)] {
      present = present.filter { $0.node != NodeID(name) }.union([TopologyVoter(NodeID(name), identity(UInt64(number)))]
      )
    }
    #expect(try draining.votersMissed(by: present) == [NodeID("a"), NodeID("b")])
    #expect(try topology.removing(NodeID("a")).votersMissed(by: present).isEmpty)
    #expect(throws: TopologyError.noChangeUnderWay) { try topology.votersMissed(by: present) }
    // Three of five agree now; two do not, whichever they are.
    #expect(topology.votersMissedNow(by: present).isEmpty)
    #expect(
      topology.votersMissedNow(by: present.filter { $0.node != NodeID("c") })
        == [NodeID("a"), NodeID("b"), NodeID("c")])
    #expect("\(TopologyError.noMajority([NodeID("a"), NodeID("b")]))".contains("left a, b are not there"))
  }

  @Test("With those that a node is filled from it has, of N owners, all that W of them have", arguments: 1...7)
  func filling(count: Int) throws {
    for quorum in 1...count {
      let topology = try Topology.founding(
        clusterID: Hash128(high: 0, low: 1), slotCount: 1, replicaCount: count, writeQuorum: quorum,
        members: [try TopologyMember(node: NodeID("a"), identity: identity(1))])
      let owners = (0..<count).map { NodeID("n\($0)") }
      // (who, how many of the others it needs), for a node that was no owner, one that was and has lost all, one that lost nothing.
      for (node, hasLost, needed) in [
        (NodeID("x"), true, count - quorum + 1), (owners[0], true, count - quorum + 1),
        (owners[0], false, count - quorum),
      ] {
        let (replicas, told) = topology.filling(node, from: owners, hasLostNothing: !hasLost)
        #expect(replicas.filter { $0 != node }.count + 2 - told == needed, "N=\(count) W=\(quorum)")
      }
      #expect(topology.readers(of: count) + topology.acknowledgements(of: count) == count + 1)
    }
  }
}
