import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("A node's part in what etcd keeps") struct EtcdSessionTests {
  private static let second: Int64 = 1_000_000_000

  private func record(_ name: String, _ number: UInt64, isEmpty: Bool = true) throws -> NodeRecord {
    try NodeRecord(
      node: NodeID(name), identity: NodeIdentity(Hash128(high: 0, low: number)), address: PeerAddress("\(name):7071"),
      isEmpty: isEmpty)
  }

  private func topology(cluster: UInt64 = 1) throws -> Topology {
    try .founding(
      clusterID: Hash128(high: 0, low: cluster), slotCount: 4, replicaCount: 2, writeQuorum: 1,
      members: [TopologyMember(try record("a", 1)), TopologyMember(try record("b", 2))], decider: .etcd)
  }

  /// A session and its etcd, between which nothing takes time.
  private struct Pair {
    var session: EtcdSession
    var etcd = ModelEtcd()
    var random = SeededGenerator(seed: 1)
    var now: Int64 = 0
    var isAway = false
    /// What etcd says no to.
    var isRefused: (EtcdRequest) -> Bool = { _ in false }
    /// All but requests.
    var told: [EtcdSession.Action] = []

    init(_ record: NodeRecord, knowing topology: Topology? = nil) {
      session = EtcdSession(record, knowing: topology)
    }

    mutating func run(seconds: Int64) {
      let end = now + seconds * EtcdSessionTests.second
      while session.nextTick <= end {
        now = max(now, session.nextTick)
        perform(session.tick(now: now, isAlone: false, using: &random))
      }
      now = end
    }

    /// Runs until something is asked, and returns that question, which etcd has not heard.
    mutating func runUntilAsked(_ isMeant: (EtcdRequest) -> Bool) -> [EtcdSession.Action] {
      while true {
        now = max(now, session.nextTick)
        let actions = session.tick(now: now, isAlone: false, using: &random)
        let place = actions.firstIndex { if case .send(let request, _) = $0 { isMeant(request) } else { false } }
        guard let place else {
          perform(actions)
          continue
        }
        perform(Array(actions[..<place] + actions[(place + 1)...]))
        return [actions[place]]
      }
    }

    mutating func perform(_ actions: [EtcdSession.Action]) {
      for action in actions {
        guard case .send(let request, let id) = action else {
          told.append(action)
          if case .decided(let topology, _) = action { perform(session.knows(topology, now: now)) }
          continue
        }
        let result: Result<EtcdAnswer, EtcdFailure> =
          isAway
          ? .failure(.unreachable("refused"))
          : isRefused(request) ? .failure(.refused("permission denied")) : etcd.perform(request, now: now)
        perform(session.answered(id, result, now: now, using: &random))
      }
    }

    mutating func propose(_ topology: Topology) throws {
      perform(try session.propose(topology, deadline: now + 10 * EtcdSessionTests.second, now: now))
    }
  }

  @Test("A node registers, keeps its lease alive, and takes another when it is lost")
  func lease() throws {
    var pair = Pair(try record("a", 1))
    pair.run(seconds: 120)
    #expect(pair.etcd.members.keys.sorted() == [NodeID("a")] && pair.session.isThere)
    #expect(pair.told.contains(.members([EtcdRegistration(try record("a", 1), cluster: nil)])))
    pair.etcd.endLeases()
    pair.run(seconds: 15)
    #expect(pair.etcd.members[NodeID("a")] != nil && pair.session.counters.leasesLost == 1)
  }

  @Test("That etcd is away is told once, and once that it is back")
  func away() throws {
    var pair = Pair(try record("a", 1), knowing: try topology())
    pair.etcd.put(try topology().encoded, at: EtcdDecision.key(1))
    pair.run(seconds: 5)
    pair.told = []
    pair.isAway = true
    pair.run(seconds: 100)
    #expect(pair.told == [.changed] && pair.session.away == "refused")
    pair.isAway = false
    pair.run(seconds: 40)
    #expect(pair.told.filter { $0 == .changed } == [.changed, .changed] && pair.session.away == nil)
    #expect(pair.etcd.members[NodeID("a")] != nil)
  }

  @Test("What etcd says no to is told once, as long as it says so, and is not that it is away")
  func refusal() throws {
    var pair = Pair(try record("a", 1), knowing: try topology())
    pair.etcd.put(try topology().encoded, at: EtcdDecision.key(1))
    pair.isRefused = { if case .register = $0 { true } else { false } }
    pair.run(seconds: 100)
    #expect(pair.told.count { $0 == .changed } == 1 && pair.session.isThere)
    #expect(pair.session.refusal == "permission denied" && pair.session.counters.failures < 30)
    pair.isRefused = { _ in false }
    pair.run(seconds: 100)
    #expect(pair.told.count { $0 == .changed } == 2 && pair.session.refusal == nil)
    #expect(pair.etcd.members[NodeID("a")] != nil)
  }

  @Test("What a node became while its entry was on the way is put as well")
  func renewed() throws {
    let first = try topology()
    var pair = Pair(try record("a", 1))
    let sent = pair.runUntilAsked { if case .register = $0 { true } else { false } }
    pair.perform(pair.session.knows(first, now: pair.now))
    pair.perform(sent)
    pair.run(seconds: 5)
    #expect(pair.etcd.members[NodeID("a")]?.entry.cluster == first.clusterID)
  }

  @Test("To be alone all of a sudden is no sign that etcd is away")
  func alone() throws {
    var pair = Pair(try record("a", 1), knowing: try topology())
    pair.etcd.put(try topology().encoded, at: EtcdDecision.key(1))
    let sent = pair.runUntilAsked { $0 == .members }
    pair.told = []
    pair.perform(pair.session.tick(now: pair.now + 1, isAlone: true, using: &pair.random))
    #expect(!pair.told.contains(.changed) && pair.session.isThere)
    pair.perform(sent)
    #expect(pair.session.isThere)
  }

  @Test("A proposal that etcd does not hear ends at its deadline, and says why")
  func silence() throws {
    let first = try topology()
    var pair = Pair(try record("a", 1), knowing: first)
    pair.isAway = true
    try pair.propose(try first.damaged(NodeID("a")))
    #expect(throws: EtcdProposalError.busy) { try pair.propose(try first.damaged(NodeID("b"))) }
    pair.run(seconds: 12)
    let outcomes = pair.told.compactMap { if case .proposalEnded(.refused(let reason)) = $0 { reason } else { nil } }
    #expect(outcomes.count == 1 && outcomes[0].contains("does not answer (refused); writes and reads go on"))
  }

  @Test("A change is decided once, and told as this node's own")
  func decides() throws {
    let first = try topology()
    var pair = Pair(try record("a", 1))
    try pair.propose(first)
    #expect(pair.told == [.decided(first, byThisNode: true), .proposalEnded(.chosen)])
    let second = try first.damaged(NodeID("a"))
    try pair.propose(second)
    pair.told = []
    #expect(throws: EtcdProposalError.outdated) { try pair.propose(second) }
    // Another node was faster.
    let (third, other) = (try second.damaged(NodeID("a")), try second.damaged(NodeID("b")))
    _ = pair.etcd.perform(.decide(other, basis: second), now: pair.now)
    try pair.propose(third)
    #expect(pair.told == [.decided(other, byThisNode: false), .proposalEnded(.overtaken(by: other))])
    #expect(pair.etcd.decisions.count == 3)
  }

  @Test("Only the newest decisions are kept, and none of an epoch that is over can be made again")
  func kept() throws {
    var newest = try topology()
    var pair = Pair(try record("a", 1))
    try pair.propose(newest)
    var all = [newest]
    for _ in 0..<20 {
      newest = try newest.damaged(NodeID("a"))
      try pair.propose(newest)
      all.append(newest)
    }
    #expect(pair.etcd.decisions.count == Int(EtcdDecision.keptMax) && pair.session.counters.chosen == 21)
    for (old, next) in zip([nil] + all.map(Optional.some), all) {
      guard case .success(.decided(false, _)) = pair.etcd.perform(.decide(next, basis: old), now: pair.now) else {
        Issue.record("epoch \(next.epoch) was decided again")
        continue
      }
    }
  }

  @Test("Decisions of another cluster are not used, nor is the node registered among its members")
  func foreign() throws {
    let own = try topology()
    var pair = Pair(try record("a", 1), knowing: own)
    pair.etcd.put(try topology(cluster: 2).encoded, at: EtcdDecision.key(1))
    pair.run(seconds: 5)
    let trouble = EtcdTrouble.foreign(Hash128(high: 0, low: 2), own: own.clusterID)
    #expect(pair.session.trouble == trouble && "\(trouble)".contains("a prefix of its own (etcd-prefix)"))
    #expect(throws: EtcdProposalError.trouble(trouble)) { try pair.propose(try own.damaged(NodeID("a"))) }
    pair.etcd.empty()
    pair.etcd.put(own.encoded, at: EtcdDecision.key(1))
    pair.run(seconds: 150)
    #expect(pair.session.trouble == nil && pair.etcd.members[NodeID("a")] != nil)
  }

  @Test("An etcd that lost decisions, or has others of the same epoch, decides nothing more")
  func behind() throws {
    let first = try topology()
    let second = try first.damaged(NodeID("a"))
    var pair = Pair(try record("a", 1), knowing: second)
    pair.run(seconds: 5)
    #expect(pair.session.trouble == .behind(own: 2, held: 0))
    pair.etcd.put(first.encoded, at: EtcdDecision.key(1))
    pair.run(seconds: 5)
    #expect(pair.session.trouble == .behind(own: 2, held: 1))
    pair.etcd.put(try first.damaged(NodeID("b")).encoded, at: EtcdDecision.key(2))
    pair.run(seconds: 5)
    #expect(pair.session.trouble == .unlike(epoch: 2))
    #expect(!pair.told.contains { if case .decided = $0 { true } else { false } })
  }

  @Test(
    "What is no decision is passed over and named once; where it is in the way of the next, the refusal names the key")
  func garbage() throws {
    let first = try topology()
    var pair = Pair(try record("a", 1))
    pair.etcd.put([1, 2], at: EtcdDecision.key(2))
    pair.etcd.put(first.encoded, at: "what")
    pair.etcd.put(first.encoded, at: EtcdDecision.key(1))
    // Of a cluster whose members vote.
    var voting = try Topology.founding(
      clusterID: first.clusterID, slotCount: 4, replicaCount: 2, writeQuorum: 1, members: first.ring)
    voting.epoch = 9
    pair.etcd.put(voting.encoded, at: EtcdDecision.key(9))
    pair.etcd.unreadable = [EtcdUnreadable(key: "members/x", problem: "no JSON")]
    pair.run(seconds: 100)
    let named = pair.told.compactMap { if case .unreadable(let one) = $0 { one.key } else { nil } }
    #expect(
      named.sorted() == [
        "members/x", "topology/" + EtcdDecision.key(2), "topology/" + EtcdDecision.key(9), "topology/what",
      ])
    #expect(pair.told.contains(.decided(first, byThisNode: false)))
    pair.told = []
    try pair.propose(try first.damaged(NodeID("a")))
    guard case .proposalEnded(.refused(let reason))? = pair.told.last else { throw TestFailure() }
    #expect(reason.contains("topology/0000000000000002 under the prefix in etcd holds no topology"))
  }

  private struct TestFailure: Error {}

  // MARK: Founding

  @Test("A cluster is founded by as many as hold each slot, once all are heard, and by the first of them")
  func founding() throws {
    let records = [try record("a", 1), try record("b", 2), try record("c", 3)]
    var (first, last) = (EtcdFounding(records[0], replicas: 3), EtcdFounding(records[2], replicas: 3))
    let entries = records.map { EtcdRegistration($0, cluster: nil) }
    let voters = Set(records.map { TopologyVoter($0.node, $0.identity) })
    #expect(first.judge(Array(entries[..<2]), present: voters, now: 0) == .waits(.fewRegistered(2, replicas: 3)))
    #expect(first.judge(entries, present: [], now: 0) == .waits(.unheard([NodeID("b"), NodeID("c")])))
    #expect(first.judge(entries, present: voters, now: 0) == .waits(.settling))
    let later = EtcdFounding.settleAfter
    let members = records.map { TopologyMember($0) }
    #expect(first.judge(entries, present: voters, now: later) == .founds(members, leads: true))
    _ = last.judge(entries, present: voters, now: 0)
    #expect(last.judge(entries, present: voters, now: later) == .founds(members, leads: false))
    // Another disk under a name is not the one that was heard.
    let replaced = [entries[0], entries[1], EtcdRegistration(try record("c", 9), cluster: nil)]
    #expect(first.judge(replaced, present: voters, now: later) == .waits(.unheard([NodeID("c")])))
    let full = [entries[0], EtcdRegistration(try record("b", 2, isEmpty: false), cluster: nil), entries[2]]
    #expect(first.judge(full, present: voters, now: later) == .waits(.notEmpty(NodeID("b"))))
    let joined = [entries[0], EtcdRegistration(records[1], cluster: Hash128(high: 1, low: 1)), entries[2]]
    #expect(first.judge(joined, present: voters, now: later) == .waits(.clusterLost(by: NodeID("b"))))
  }

  // MARK: Whoever votes, and whoever does not

  @Test("The byte form says who decides, and only where that is not the members")
  func bytes() throws {
    let decided = try topology()
    let voting = try Topology.founding(
      clusterID: decided.clusterID, slotCount: 4, replicaCount: 2, writeQuorum: 1, members: decided.ring)
    #expect(decided.encoded == [3, 1] + voting.encoded.dropFirst() && voting.encoded.first == 2)
    let next = try decided.draining(NodeID("a")).committed().finished()
    #expect(try next.decider == .etcd && Topology(decoding: next.encoded) == next)
    for wrong: [UInt8] in [[3, 0], [3, 2], [4, 1]] {
      #expect(throws: MalformedBytes.self) { try Topology(decoding: wrong + voting.encoded.dropFirst()) }
    }
  }

  @Test("A node that has etcd decide neither votes, nor proposes, nor believes those who vote, and the other way round")
  func apart() throws {
    let decided = try topology()
    let voting = try Topology.founding(
      clusterID: Hash128(high: 0, low: 7), slotCount: 4, replicaCount: 2, writeQuorum: 1, members: decided.ring)
    var random = SeededGenerator(seed: 1)
    var etcd = TopologyRegister(
      NodeID("a"), identity: decided.ring[0].identity, state: .init(), decider: .etcd)
    let voters = decided.ring.map { TopologyVoter($0.node, $0.identity) }
    var member = TopologyRegister(NodeID("b"), identity: decided.ring[1].identity, state: .init())
    _ = etcd.setFounders(voters)
    _ = member.setFounders(voters)
    #expect(throws: TopologyProposalError.decidedElsewhere) {
      try etcd.propose(decided, deadline: 10, now: 0, using: &random)
    }
    #expect(throws: TopologyProposalError.decidedElsewhere) {
      try member.propose(decided, deadline: 10, now: 0, using: &random)
    }
    // What the voter asks is not answered.
    for case .send(let question, NodeID("a")) in try member.propose(voting, deadline: 10, now: 0, using: &random) {
      #expect(etcd.receive(question, now: 0, using: &random).isEmpty)
    }
    func news(_ topology: Topology, _ sender: TopologyVoter) -> TopologyMessage {
      TopologyMessage(
        sender: .init(voter: sender, cluster: topology.clusterID, epoch: topology.epoch), body: .topology(topology))
    }
    let unlike = etcd.receive(news(voting, voters[1]), now: 0, using: &random)
    #expect(unlike == [.unlike(NodeID("b"), decider: .members)])
    #expect(
      member.receive(news(decided, voters[0]), now: 0, using: &random) == [.unlike(NodeID("a"), decider: .etcd)])
    #expect(etcd.topology == nil && member.topology == nil)
    #expect(etcd.decided(decided, byThisNode: false, now: 0, using: &random).contains(.learned(decided)))
    #expect(member.decided(voting, byThisNode: false, now: 0, using: &random).isEmpty)
  }

  @Test("A seed that votes takes a node with etcd for one with other seeds, and does not found with it")
  func foundingApart() throws {
    let seeds = [PeerAddress("a:7071"), PeerAddress("b:7071")]
    var (voter, other) = (
      Founding(try record("a", 1), seeds: seeds), Founding(try record("b", 2), seeds: seeds, decider: .etcd)
    )
    var random = SeededGenerator(seed: 1)
    #expect(other.nextTick == nil && other.tick(now: 0, using: &random).isEmpty)
    var obstacles: [FoundingObstacle] = []
    for case .send(let question, let address) in voter.tick(now: 0, using: &random) {
      for case .send(let answer, _) in other.receive(question, from: address, now: 0) {
        for case .waits(let obstacle) in voter.receive(answer, from: address, now: 0) { obstacles.append(obstacle) }
      }
    }
    #expect(obstacles == [.otherSeeds(NodeID("b"))])
  }
}
