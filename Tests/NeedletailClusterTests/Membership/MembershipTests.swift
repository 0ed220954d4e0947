import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Membership") struct MembershipTests {
  private static let second: Int64 = 1_000_000_000
  private var random = SeededGenerator(seed: 1)

  private func record(_ name: String, identity: UInt64 = 1, isEmpty: Bool = false) throws -> NodeRecord {
    try NodeRecord(
      node: NodeID(name), identity: NodeIdentity(Hash128(high: 7, low: identity)), address: PeerAddress("\(name):7100"),
      isEmpty: isEmpty)
  }

  private func member(
    _ name: String, identity: UInt64 = 1, tenure: UInt64 = 1, incarnation: UInt64 = 0, _ status: MemberStatus = .alive
  ) throws -> Member {
    var member = Member(try record(name, identity: identity))
    (member.tenure, member.incarnation, member.status) = (tenure, incarnation, status)
    return member
  }

  private func message(from member: Member, _ body: MembershipMessage.Body) -> MembershipMessage {
    let sender = MembershipMessage.Sender(
      node: member.node, identity: member.identity, tenure: member.tenure, run: 99, address: member.record.address)
    return MembershipMessage(sender: sender, body: body)
  }

  /// A node "own" that was started and knows these.
  private mutating func started(_ members: [Member], options: MembershipOptions = .init()) throws -> Membership {
    var membership = Membership(try record("own"), run: 5, options: options, seeds: [PeerAddress("seed:7100")])
    _ = membership.tick(now: 0, random: &random)
    for member in members {
      _ = membership.receive(
        message(from: member, .members([member], wanted: 0)), from: member.record.address, now: 0, random: &random)
    }
    return membership
  }

  @Test(
    "Of all that can be known of a name the greatest counts, whatever the order", arguments: 0..<50 as Range<UInt64>)
  func totalOrder(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var all: [Member] = []
    for _ in 0..<12 {
      all.append(
        try member(
          "a", identity: generator.next() % 3, tenure: generator.next() % 3, incarnation: generator.next() % 3,
          MemberStatus.allCases.randomElement(using: &generator) ?? .alive))
    }
    for one in all {
      for other in all {
        #expect(one == other || one.overrides(other) != other.overrides(one), "seed \(seed)")
        for third in all where one.overrides(other) && other.overrides(third) {
          #expect(one.overrides(third), "seed \(seed)")
        }
      }
    }
  }

  @Test("A node that hears of itself as dead says that it is alive, with a later incarnation")
  mutating func refutes() throws {
    let other = try member("other")
    var membership = try started([other])
    var own = membership.own
    (own.status, own.incarnation) = (.dead, 41)
    let actions = membership.receive(
      message(from: other, .ack(sequence: 1, [MemberUpdate(own)])), from: other.record.address, now: 1, random: &random)
    #expect(membership.own.incarnation == 42 && membership.own.status == .alive)
    #expect(actions.contains(.changed(membership.own)))
    #expect(membership.counters[.refutedOwnDeath] == 1)
  }

  @Test(
    "A node that stops in order is missed at once, by all, and is alive again when it is started",
    arguments: 0..<20 as Range<UInt64>)
  func stopsInOrder(seed: UInt64) throws {
    var cluster = SimulatedCluster(seed: seed)
    let count = 3 + Int(seed)
    for _ in 0..<count { _ = try cluster.addHost() }
    // The one that stops is in turn one with seeds, and the only seed of all, which has none.
    let isSeed = seed % 2 == 0
    cluster.seeds = [cluster.hosts[0].address] + (isSeed ? [] : [cluster.hosts[1].address])
    (0..<count).forEach { cluster.start($0) }
    cluster.run(for: 12 * Self.second)
    cluster.converge(within: 20 * Self.second, "started")
    let host = isSeed ? 0 : 1 + Int(seed) % (count - 1)
    cluster.stop(host)
    // One that is killed is missed after five seconds at the earliest.
    cluster.converge([cluster.hosts[host].node: .dead], within: 3 * Self.second, "stopped")
    cluster.start(host)
    cluster.converge(within: 5 * Self.second, "started again")
    #expect(cluster.problems.isEmpty)
    #expect(cluster.count(.declaredDead) == 0)
  }

  @Test("A node whose name is another's, and one that has left, says nothing of being away")
  mutating func stopsSilently() throws {
    var waiting = try started([])
    _ = waiting.receive(
      message(from: try member("other"), .members([try member("own", identity: 2, .dead)], wanted: 0)),
      from: PeerAddress("other:7100"), now: 1, random: &random)
    #expect(waiting.suspend(now: 2, random: &random).isEmpty && !waiting.isRunning)
    var gone = try started([try member("other")])
    _ = gone.leave(now: 1, random: &random)
    #expect(gone.suspend(now: 2, random: &random).isEmpty && gone.nextDeadline == nil)
    var alive = try started([try member("other")])
    #expect(alive.suspend(now: 2, random: &random).count == 1)
    #expect(alive.suspend(now: 3, random: &random).isEmpty)
  }

  @Test("A node that may not be a member says why and what to do, and is silent from then on")
  mutating func refused() throws {
    var membership = try started([])
    let holder = try member("own", identity: 2)
    let actions = membership.receive(
      message(from: try member("other"), .members([holder], wanted: 0)), from: PeerAddress("other:7100"), now: 1,
      random: &random)
    let refusal = try #require(membership.refusal)
    #expect(actions.contains(.refused(refusal)) && refusal.reason == .nameTaken && refusal.holder == holder)
    #expect(refusal.description.contains("the name own is taken") && refusal.description.contains("own:7100"))
    #expect(membership.nextDeadline == nil && !membership.isRunning)
    #expect(membership.tick(now: 9 * Self.second, random: &random).isEmpty)
  }

  @Test("A refusal that is meant for an earlier start of the node does not concern it")
  mutating func refusedBefore() throws {
    var membership = try started([])
    let own = membership.own
    let refusal = MembershipRefusal(.identityInUse, of: own.node, own.identity, run: 4, holder: own)
    _ = membership.receive(
      message(from: try member("other"), .refused(refusal)), from: PeerAddress("other:7100"), now: 1, random: &random)
    #expect(membership.isRunning)
  }

  @Test("More names than may be known are not taken up, and more pings for others than may be under way not sent")
  mutating func bounded() throws {
    var options = MembershipOptions()
    (options.membersMax, options.relaysMax) = (3, 2)
    var membership = try started(
      [try member("a"), try member("b"), try member("c"), try member("d")], options: options)
    #expect(membership.members.map(\.node.rawValue) == ["a", "b", "own"])
    #expect(membership.counters[.tableFull] == 2)
    let requester = try member("a")
    var pings = 0
    for sequence in 0..<5 as Range<UInt64> {
      let target = MembershipMessage.Target(node: NodeID("b"), identity: requester.identity)
      let request = message(
        from: requester, .pingRequest(sequence: sequence, target, at: PeerAddress("b:7100"), []))
      let actions = membership.receive(request, from: PeerAddress("a:7100"), now: 1, random: &random)
      for case .send(_, to: PeerAddress("b:7100")) in actions { pings += 1 }
    }
    #expect(pings == 2 && membership.counters[.relayRefused] == 3)
  }

  @Test("What does not fit into one message is told in several, and asked for once")
  mutating func pages() throws {
    let others = try (0..<1500).map { try member("node-\($0)") }
    var membership = try started(others)
    let zeros = [UInt64](repeating: 0, count: MembershipMessage.bucketCount)
    let actions = membership.receive(
      message(from: others[0], .summary(zeros)), from: others[0].record.address, now: 1, random: &random)
    var told: Set<NodeID> = []
    var asked: [UInt64] = []
    for case .send(let message, _) in actions {
      #expect(message.encoded().count <= MembershipMessage.bytesMax)
      guard case .members(let members, let wanted) = message.body else { continue }
      told.formUnion(members.map(\.node))
      asked.append(wanted)
    }
    #expect(told.count == 1501 && asked.count > 1)
    #expect(asked.reduce(0, |) == .max && asked.map(\.nonzeroBitCount).reduce(0, +) == 64)
  }

  @Test("Only another one can be removed, and only one that is known")
  mutating func remove() throws {
    var membership = try started([try member("a")])
    #expect(throws: MembershipError.unknown(NodeID("b"))) {
      try membership.remove(NodeID("b"), now: 1, random: &random)
    }
    #expect(throws: MembershipError.isThisNode(NodeID("own"))) {
      try membership.remove(NodeID("own"), now: 1, random: &random)
    }
    _ = try membership.remove(NodeID("a"), now: 1, random: &random)
    #expect(membership.member(NodeID("a"))?.status == .removed)
  }

  @Test("What a node says of itself later reaches the others with a later incarnation; its name never changes")
  mutating func describe() throws {
    var membership = try started([try member("a")])
    var record = membership.own.record
    record.weight = 9
    _ = membership.describe(as: record, now: 1, random: &random)
    #expect(membership.own.record.weight == 9 && membership.own.incarnation == 1)
    _ = membership.describe(as: try self.record("other"), now: 1, random: &random)
    #expect(membership.own.node == NodeID("own") && membership.own.incarnation == 1)
  }
}
