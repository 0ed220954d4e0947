import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Messages about the topology") struct TopologyMessageTests {
  private func ballot(_ generator: inout TopologyGenerator) -> Ballot {
    Ballot(
      round: UInt64.random(in: 0...Ballot.roundMax, using: &generator.random),
      voter: TopologyVoter(NodeID("node-\(UInt8.random(in: 0...9, using: &generator.random))"), generator.identity()))
  }

  private func message(_ generator: inout TopologyGenerator) throws -> TopologyMessage {
    let topology = try generator.topology()
    let decision = TopologyMessage.Decision(
      epoch: topology.epoch, basis: Hash128(high: generator.random.next(), low: generator.random.next()))
    let (one, other) = (ballot(&generator), ballot(&generator))
    let proposal = TopologyState.Proposal(ballot: other, topology: topology)
    let slots = SlotSet((0..<20).map { _ in UInt16.random(in: 0...(.max), using: &generator.random) })
    let record = try NodeRecord(node: one.voter.node, identity: one.voter.identity, address: PeerAddress("a:1"))
    let bodies: [TopologyMessage.Body] = [
      .hello, .topology(topology), .prepare(decision, one), .promise(decision, one, nil),
      .promise(decision, one, proposal), .accept(decision, proposal), .accepted(decision, one),
      .refuse(decision, one, greater: other), .inquire, .standing(record, seeds: topology.clusterID), .progressAsked,
      .progress(slots),
    ]
    let epoch = Bool.random(using: &generator.random) ? 0 : topology.epoch
    return TopologyMessage(
      sender: .init(voter: one.voter, cluster: epoch == 0 ? nil : topology.clusterID, epoch: epoch),
      body: bodies.randomElement(using: &generator.random) ?? .hello)
  }

  private func state(_ generator: inout TopologyGenerator) throws -> TopologyState {
    var state = TopologyState()
    if Bool.random(using: &generator.random) { state = TopologyState(knowing: try generator.topology()) }
    if Bool.random(using: &generator.random) { state.promised = ballot(&generator) }
    if Bool.random(using: &generator.random) {
      let next = try state.topology?.damaged(state.topology?.ring[0].node ?? NodeID("")) ?? generator.founding()
      state.accepted = .init(ballot: ballot(&generator), topology: next)
    }
    return state
  }

  @Test("A message, and what a node keeps, come back as they were written", arguments: 0..<300 as Range<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let (message, state) = (try message(&generator), try state(&generator))
    #expect(try TopologyMessage(decoding: message.encoded) == message, "seed \(seed)")
    #expect(try TopologyState(decoding: state.encoded) == state, "seed \(seed)")
  }

  @Test("What ends too early, or goes on, is refused", arguments: 0..<20 as Range<UInt64>)
  func truncated(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let (message, state) = (try message(&generator).encoded, try state(&generator).encoded)
    for count in message.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed)") { try TopologyMessage(decoding: Array(message[..<count])) }
    }
    for count in state.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed)") { try TopologyState(decoding: Array(state[..<count])) }
    }
    #expect(throws: MalformedBytes.self) { try TopologyMessage(decoding: message + [0]) }
    #expect(throws: MalformedBytes.self) { try TopologyState(decoding: state + [0]) }
  }

  @Test("A state of which one bit is another is refused", arguments: 0..<20 as Range<UInt64>)
  func damaged(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    var bytes = try state(&generator).encoded
    let index = Int.random(in: bytes.indices, using: &generator.random)
    bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator.random)
    #expect(throws: MalformedBytes.self, "seed \(seed)") { try TopologyState(decoding: bytes) }
  }

  @Test(
    "A node that is handed any message that can be read, mutated ones too, goes on working",
    arguments: 0..<60 as Range<UInt64>)
  func anyMessage(seed: UInt64) throws {
    var generator = TopologyGenerator(seed: seed)
    let known = try generator.topology()
    let own = known.ring[0]
    var register = TopologyRegister(own.node, identity: own.identity, state: TopologyState(knowing: known))
    var founding = Founding(
      try NodeRecord(node: own.node, identity: own.identity, address: PeerAddress("a:1")), seeds: [PeerAddress("a:1")])
    var change = RingChange(known)
    var now: Int64 = 0
    for _ in 0..<60 {
      now += Int64.random(in: 0...2_000_000_000, using: &generator.random)
      let bytes = generator.mutated(try message(&generator).encoded)
      guard let message = try? TopologyMessage(decoding: bytes) else { continue }
      #expect(try TopologyMessage(decoding: message.encoded) == message, "seed \(seed)")
      change?.receive(message)
      _ = founding.receive(message, from: PeerAddress("b:1"), now: now)
      let actions =
        register.receive(message, now: now, using: &generator.random)
        + register.tick(now: now, using: &generator.random)
      for case .send(let sent, _) in actions {
        #expect(try TopologyMessage(decoding: sent.encoded) == sent, "seed \(seed)")
      }
    }
  }

  @Test("The form of a message is part of what versions agree on: this one never changes")
  func golden() throws {
    let voter = TopologyVoter(NodeID("a"), NodeIdentity(Hash128(high: 1, low: 2)))
    let ballot = Ballot(round: 300, voter: voter)
    let decision = TopologyMessage.Decision(epoch: 5, basis: Hash128(high: 3, low: 4))
    let message = TopologyMessage(
      sender: .init(voter: voter, cluster: Hash128(high: 5, low: 6), epoch: 4),
      body: .refuse(decision, ballot, greater: Ballot(round: 301, voter: voter)))
    let hex = message.encoded.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    #expect(
      hex == "050107" + "016102000000000000000100000000000000" + "0400000000000000" + "06000000000000000500000000000000"
        + "0500000000000000" + "04000000000000000300000000000000" + "ac02016102000000000000000100000000000000"
        + "ad02016102000000000000000100000000000000")
  }
}
