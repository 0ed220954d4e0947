import NeedletailEnvironment
import NeedletailTelemetry

@testable import NeedletailCluster

/// Messages of every type, with everything that a message may have, from a seed.
struct MembershipMessageGenerator {
  var random: SeededGenerator

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  private mutating func number(_ limit: UInt64) -> UInt64 {
    // Of every magnitude, so that varints of every length occur.
    min(limit, random.next() >> (random.next() % 64))
  }

  private mutating func text(_ range: ClosedRange<Int>) -> String {
    let isLong = random.next() % 8 == 0
    let count = Int.random(
      in: range.lowerBound...(isLong ? range.upperBound : min(12, range.upperBound)), using: &random)
    return String(decoding: (0..<count).map { _ in UInt8.random(in: 0x21...0x7e, using: &random) }, as: UTF8.self)
  }

  mutating func node() -> NodeID { NodeID(text(1...NodeRecord.nameBytesMax)) }

  mutating func identity() -> NodeIdentity { NodeIdentity(Hash128(high: random.next(), low: random.next())) }

  private mutating func address() -> PeerAddress { PeerAddress(text(1...NodeRecord.addressBytesMax)) }

  mutating func member() throws -> Member {
    let record = try NodeRecord(
      node: node(), identity: identity(), address: address(),
      zone: Bool.random(using: &random) ? text(1...NodeRecord.zoneBytesMax) : nil,
      weight: UInt32(truncatingIfNeeded: max(1, number(UInt64(UInt32.max)))),
      roles: NodeRoles(rawValue: UInt8(truncatingIfNeeded: random.next())),
      version: text(0...NodeRecord.versionBytesMax),
      isEmpty: Bool.random(using: &random))
    var member = Member(record)
    member.tenure = number(Member.tenureMax)
    member.incarnation = number(Member.incarnationMax)
    member.status = MemberStatus.allCases.randomElement(using: &random) ?? .alive
    for _ in 0..<(random.next() % 4) { member.retired.append(identity()) }
    return member
  }

  private mutating func updates() throws -> [MemberUpdate] {
    var updates: [MemberUpdate] = []
    for _ in 0..<(random.next() % 5) {
      let witnesses = (0..<(random.next() % 4)).map { _ in node() }
      updates.append(MemberUpdate(try member(), witnesses: witnesses))
    }
    return updates
  }

  mutating func message() throws -> MembershipMessage {
    let sender = MembershipMessage.Sender(
      node: node(), identity: identity(), tenure: number(Member.tenureMax), run: random.next(), address: address())
    let target = MembershipMessage.Target(node: node(), identity: identity())
    let body: MembershipMessage.Body
    switch random.next() % 7 {
    case 0: body = .ping(sequence: random.next(), target, try updates())
    case 1: body = .ack(sequence: random.next(), try updates())
    case 2: body = .pingRequest(sequence: random.next(), target, at: address(), try updates())
    case 3: body = .nack(sequence: random.next())
    case 4: body = .summary((0..<MembershipMessage.bucketCount).map { _ in random.next() })
    case 5:
      var members: [Member] = []
      for _ in 0..<(random.next() % 8) { members.append(try member()) }
      body = .members(members, wanted: random.next())
    default:
      let reason = MembershipRefusal.Reason.allCases.randomElement(using: &random) ?? .left
      let holder = Bool.random(using: &random) ? try member() : nil
      body = .refused(MembershipRefusal(reason, of: node(), identity(), run: random.next(), holder: holder))
    }
    return MembershipMessage(sender: sender, body: body)
  }

  /// Bytes that were a message once.
  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) where !result.isEmpty {
      let index = Int.random(in: result.indices, using: &random)
      switch random.next() % 4 {
      case 0: result[index] = UInt8(truncatingIfNeeded: random.next())
      case 1: result[index] ^= 1 << UInt8(random.next() % 8)
      case 2: result.removeSubrange(index..<min(result.count, index + Int(random.next() % 5)))
      default: result.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0x7f].prefix(Int(random.next() % 6)), at: index)
      }
    }
    return result
  }
}
