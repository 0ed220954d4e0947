import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Agreement on the topology") struct TopologyRegisterTests {
  private func identity(_ number: UInt64) -> NodeIdentity { NodeIdentity(Hash128(high: 0, low: number)) }

  private func topology(_ names: [String], cluster: UInt64 = 1) throws -> Topology {
    var members: [TopologyMember] = []
    for (number, name) in names.enumerated() {
      members.append(try TopologyMember(node: NodeID(name), identity: identity(UInt64(number + 1))))
    }
    return try .founding(
      clusterID: Hash128(high: 0, low: cluster), slotCount: 4, replicaCount: 3, writeQuorum: 2, members: members)
  }

  /// Nodes on a network without faults.
  private struct Nodes {
    var registers: [NodeID: TopologyRegister] = [:]
    var random = SeededGenerator(seed: 1)
    var ended: [TopologyOutcome] = []
    var learned: [NodeID: [Topology]] = [:]
    var silent: Set<NodeID> = []

    mutating func perform(_ actions: [TopologyAction], by node: NodeID, now: Int64 = 0) {
      var waiting = actions.map { (node, $0) }
      while !waiting.isEmpty {
        let (node, action) = waiting.removeFirst()
        switch action {
        case .send(let message, let other):
          guard !silent.contains(other), !silent.contains(node) else { continue }
          let more = registers[other]?.receive(message, now: now, using: &random) ?? []
          waiting += more.map { (other, $0) }
        case .proposalEnded(let outcome): ended.append(outcome)
        case .learned(let topology): learned[node, default: []].append(topology)
        case .store, .foreign, .unlike: break
        }
      }
    }

    mutating func propose(_ topology: Topology, by node: NodeID, now: Int64 = 0) throws {
      let actions = try registers[node]?.propose(topology, deadline: now + 1000, now: now, using: &random) ?? []
      perform(actions, by: node, now: now)
    }
  }

  private func nodes(_ topology: Topology) -> Nodes {
    var nodes = Nodes()
    for member in topology.members {
      nodes.registers[member.node] = TopologyRegister(
        member.node, identity: member.identity, state: TopologyState(knowing: topology))
    }
    return nodes
  }

  @Test("What is proposed is decided when a majority can talk, and all are told")
  func decided() throws {
    let first = try topology(["a", "b", "c"])
    var nodes = nodes(first)
    nodes.silent = [NodeID("c")]
    let second = try first.damaged(NodeID("a"))
    try nodes.propose(second, by: NodeID("b"))
    #expect(nodes.ended == [.chosen])
    #expect(nodes.learned == [NodeID("a"): [second], NodeID("b"): [second]])
    // The one that was away hears of it, and asks.
    nodes.silent = []
    var random = SeededGenerator(seed: 2)
    let actions = nodes.registers[NodeID("c")]?.heard(2, from: NodeID("a"), now: 0, using: &random) ?? []
    nodes.perform(actions, by: NodeID("c"))
    #expect(nodes.registers[NodeID("c")]?.topology == second)
  }

  @Test("Without a majority nothing is decided; half of an even number is enough where the oldest is among them")
  func majorities() throws {
    for (names, away, isDecided) in [
      (["a"], [String](), true), (["a", "b"], ["b"], true), (["a", "b"], ["a"], false),
      (["a", "b", "c"], ["a", "b"], false),
      (["a", "b", "c", "d"], ["c", "d"], true), (["a", "b", "c", "d"], ["a", "d"], false),
    ] {
      let first = try topology(names)
      var nodes = nodes(first)
      nodes.silent = Set(away.map { NodeID($0) })
      let proposer = try #require(names.first { !away.contains($0) })
      try nodes.propose(first.damaged(NodeID(proposer)), by: NodeID(proposer))
      #expect(nodes.ended == (isDecided ? [.chosen] : []), "\(names) without \(away)")
      guard !isDecided else { continue }
      nodes.perform(
        nodes.registers[NodeID(proposer)]?.tick(now: 1000, using: &nodes.random) ?? [], by: NodeID(proposer))
      #expect(nodes.ended == [.timedOut])
    }
  }

  @Test("Any two sets of voters that decide have somebody in common")
  func quorums() throws {
    for count in 1...7 {
      let voters = (0..<count).map { TopologyVoter(NodeID("n\($0)"), identity(UInt64($0))) }
      for chair in voters {
        let electorate = TopologyElectorate(voters, chair: chair)
        let sets = (0..<(1 << count)).map { bits in
          Set(voters.indices.filter { bits >> $0 & 1 == 1 }.map { voters[$0] })
        }
        let deciding = sets.filter { electorate.decides($0) }
        #expect(deciding.allSatisfy { one in deciding.allSatisfy { !one.isDisjoint(with: $0) } }, "\(count)")
        #expect(deciding.contains(Set(voters)))
      }
    }
  }

  @Test("A founder that finds what was accepted before takes it up, and without all founders nothing is founded")
  func founders() throws {
    // Another founding was begun when "a" had another disk: "b" has accepted it, and it may have been decided.
    let begun = try topology(["a", "b", "c"], cluster: 1)
    let voters = [TopologyVoter(NodeID("a"), identity(11))] + begun.electorate.voters.dropFirst()
    var nodes = Nodes()
    for voter in voters {
      var state = TopologyState()
      if voter.node == NodeID("b") {
        state.accepted = .init(ballot: Ballot(round: 1, voter: begun.electorate.voters[0]), topology: begun)
        state.promised = state.accepted?.ballot
      }
      var register = TopologyRegister(voter.node, identity: voter.identity, state: state)
      #expect(register.setFounders(voters).isEmpty)
      nodes.registers[voter.node] = register
    }
    var members = begun.ring
    members[0] = try TopologyMember(node: NodeID("a"), identity: identity(11))
    let own = try Topology.founding(
      clusterID: Hash128(high: 0, low: 2), slotCount: 4, replicaCount: 3, writeQuorum: 2, members: members)
    nodes.silent = [NodeID("b")]
    try nodes.propose(own, by: NodeID("a"))
    #expect(nodes.learned.isEmpty)
    nodes.silent = []
    let second: Int64 = 1_000_000_000
    var now = 2 * second
    nodes.perform(nodes.registers[NodeID("a")]?.tick(now: now, using: &nodes.random) ?? [], by: NodeID("a"), now: now)
    while nodes.learned.isEmpty, now < 60 * second {
      now += second
      if nodes.registers[NodeID("a")]?.proposing == nil { try nodes.propose(own, by: NodeID("a"), now: now) }
    }
    #expect(nodes.learned == [NodeID("a"): [begun], NodeID("b"): [begun], NodeID("c"): [begun]])
    #expect(nodes.ended.last == .overtaken(by: begun))
  }

  @Test("What cannot be proposed now says why, and another cluster is not heard")
  func refusals() throws {
    let first = try topology(["a", "b", "c"])
    var nodes = nodes(first)
    nodes.silent = [NodeID("b"), NodeID("c")]
    #expect(throws: TopologyProposalError.outdated(known: 1)) { try nodes.propose(first, by: NodeID("a")) }
    try nodes.propose(first.damaged(NodeID("a")), by: NodeID("a"))
    #expect(throws: TopologyProposalError.busy) { try nodes.propose(first.damaged(NodeID("b")), by: NodeID("a")) }
    var random = SeededGenerator(seed: 1)
    var new = TopologyRegister(NodeID("x"), identity: identity(9), state: TopologyState())
    #expect(throws: TopologyProposalError.notFounders) {
      try new.propose(first, deadline: 1000, now: 0, using: &random)
    }
    let other = try topology(["x"], cluster: 2).damaged(NodeID("x"))
    let voter = TopologyVoter(NodeID("x"), identity(9))
    let message = TopologyMessage(
      sender: .init(voter: voter, cluster: other.clusterID, epoch: 2), body: .topology(other))
    let told = TopologyAction.foreign(NodeID("x"), cluster: other.clusterID)
    #expect(nodes.registers[NodeID("a")]?.receive(message, now: 0, using: &random) == [told])
    // It is counted, and told once.
    #expect(nodes.registers[NodeID("a")]?.receive(message, now: 0, using: &random) == [])
    #expect(nodes.registers[NodeID("a")]?.counters[.foreign] == 2)
    for error in [TopologyProposalError.busy, .outdated(known: 1), .notFounders] { #expect(!error.description.isEmpty) }
  }
}
