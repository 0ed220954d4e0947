import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Messages of members") struct MembershipMessageTests {
  private func decode(_ bytes: [UInt8]) throws -> MembershipMessage {
    try bytes.withUnsafeBytes { try MembershipMessage(decoding: $0) }
  }

  @Test("A message comes back as it was written", arguments: 0..<200 as Range<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var generator = MembershipMessageGenerator(seed: seed)
    let message = try generator.message()
    #expect(try decode(message.encoded()) == message, "seed \(seed)")
  }

  @Test(
    "The size of a member and of an update is told right before they are written", arguments: 0..<200 as Range<UInt64>)
  func sizes(seed: UInt64) throws {
    var generator = MembershipMessageGenerator(seed: seed)
    let update = MemberUpdate(try generator.member(), witnesses: [generator.node(), generator.node()])
    #expect(update.member.encoded().count == update.member.byteCount, "seed \(seed)")
    var writer = ByteWriter()
    update.encode(to: &writer)
    #expect(writer.count == update.byteCount, "seed \(seed)")
  }

  @Test("A message that ends too early is refused, wherever it ends", arguments: 0..<20 as Range<UInt64>)
  func truncated(seed: UInt64) throws {
    var generator = MembershipMessageGenerator(seed: seed)
    let bytes = try generator.message().encoded()
    for count in bytes.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed), \(count) bytes") { try decode(Array(bytes[..<count])) }
    }
    #expect(throws: MalformedBytes.self) { try decode(bytes + [0]) }
  }

  @Test("Mutated bytes give a message that can be written again, or an error", arguments: 0..<50 as Range<UInt64>)
  func mutated(seed: UInt64) throws {
    var generator = MembershipMessageGenerator(seed: seed)
    for _ in 0..<20 {
      let bytes = generator.mutated(try generator.message().encoded())
      guard let message = try? decode(bytes) else { continue }
      #expect(try decode(message.encoded()) == message, "seed \(seed)")
    }
  }

  @Test("A node that is handed any message that can be read goes on working", arguments: 0..<20 as Range<UInt64>)
  func anyMessage(seed: UInt64) throws {
    var generator = MembershipMessageGenerator(seed: seed)
    var membership = Membership(try generator.member().record, run: seed, seeds: [PeerAddress("seed")])
    var now: Int64 = 0
    for _ in 0..<200 {
      now += Int64.random(in: 0...2_000_000_000, using: &generator.random)
      let message = try generator.message()
      let actions =
        membership.receive(message, from: message.sender.address, now: now, random: &generator.random)
        + membership.tick(now: now, random: &generator.random)
      for case .send(let sent, _) in actions {
        #expect(sent.encoded().count <= MembershipMessage.bytesMax, "seed \(seed)")
        #expect(try decode(sent.encoded()) == sent, "seed \(seed)")
      }
    }
  }

  @Test("Other kinds, versions and types, and texts that could do harm on a terminal, are refused")
  func refused() throws {
    var generator = MembershipMessageGenerator(seed: 1)
    let bytes = try generator.message().encoded()
    for index in 0..<3 {
      var other = bytes
      other[index] = 99
      #expect(throws: MalformedBytes.self) { try decode(other) }
    }
    for text in ["", "a b", "a\u{1b}[2J", "naïve", String(repeating: "a", count: 129)] {
      let identity = generator.identity()
      #expect(throws: InvalidNodeRecord.self, "\(text)") {
        try NodeRecord(node: NodeID(text), identity: identity, address: PeerAddress("a:1"))
      }
    }
    #expect(throws: MalformedBytes.self) { try decode([UInt8](repeating: 1, count: MembershipMessage.bytesMax + 1)) }
  }

  @Test("The form of a message is part of what versions agree on: this one never changes")
  func golden() throws {
    let record = try NodeRecord(
      node: NodeID("storage-1"), identity: NodeIdentity(Hash128(high: 1, low: 2)),
      address: PeerAddress("10.0.0.1:7100"),
      zone: "a", weight: 300, roles: .storage, version: "0.1.0", isEmpty: true)
    var member = Member(record)
    (member.tenure, member.incarnation, member.status) = (2, 5, .suspect)
    member.retired = [NodeIdentity(Hash128(high: 3, low: 4))]
    let sender = MembershipMessage.Sender(
      node: NodeID("query-1"), identity: NodeIdentity(Hash128(high: 5, low: 6)), tenure: 1, run: 7,
      address: PeerAddress("10.0.0.2:7100"))
    let target = MembershipMessage.Target(node: record.node, identity: record.identity)
    let message = MembershipMessage(
      sender: sender, body: .ping(sequence: 8, target, [MemberUpdate(member, witnesses: [NodeID("query-1")])]))
    #expect(
      message.encoded().map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined() == Self.golden)
  }

  private static let golden =
    "0101010771756572792d31060000000000000005000000000000000107000000000000000d31302e302e302e323a3731"
    + "303008000000000000000973746f726167652d3102000000000000000100000000000000010973746f726167652d3102"
    + "0000000000000001000000000000000302ac020d31302e302e302e313a37313030016105302e312e3002050101040000"
    + "00000000000300000000000000010771756572792d31"
}
