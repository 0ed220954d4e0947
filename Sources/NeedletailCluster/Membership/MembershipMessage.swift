import NeedletailEnvironment
import NeedletailTelemetry

/// What members say to each other, and its byte form.
package struct MembershipMessage: Hashable, Sendable {
  package static let bytesMax = 64 << 10
  static let version: UInt8 = 1
  /// Into how many buckets of names a view is divided where two are compared.
  static let bucketCount = 64

  /// Who says it.
  package struct Sender: Hashable, Sendable {
    package let node: NodeID
    package let identity: NodeIdentity
    package let tenure: UInt64
    /// A number of its own for each start of the node.
    let run: UInt64
    /// Where it wants to be reached: where answers go, if the network knows no better.
    package let address: PeerAddress
  }

  /// Who is asked whether it is alive: nobody else may answer for it.
  package struct Target: Hashable, Sendable {
    let node: NodeID
    let identity: NodeIdentity
  }

  package enum Body: Hashable, Sendable {
    /// Are you there?
    case ping(sequence: UInt64, Target, [MemberUpdate])
    /// Yes; or: the one you had me ask is.
    case ack(sequence: UInt64, [MemberUpdate])
    /// Ask another one for me.
    case pingRequest(sequence: UInt64, Target, at: PeerAddress, [MemberUpdate])
    /// I am there, and the one that you had me ask did not answer.
    case nack(sequence: UInt64)
    /// A sum of all I know for each bucket of names: tell me of those where yours is another.
    case summary([UInt64])
    /// What I know of some members, and of which buckets I want to be told (a bit each).
    case members([Member], wanted: UInt64)
    case refused(MembershipRefusal)
  }

  package let sender: Sender
  package let body: Body

  // MARK: Writing

  /// At most `bytesMax` bytes where `Membership` made the message.
  package func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(MessageKind.membership.rawValue)
    writer.append(Self.version)
    writer.append(body.type.rawValue)
    writer.appendPrefixed(sender.node.rawValue)
    writer.append(sender.identity.bits)
    writer.appendVarint(sender.tenure)
    writer.append(sender.run)
    writer.appendPrefixed(sender.address.text)
    body.encode(to: &writer)
    return writer.bytes
  }

  // MARK: Reading

  /// Throws on what no member writes; takes no more memory than a small multiple of the bytes.
  package init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    guard bytes.count <= Self.bytesMax else { throw .invalid("a message of members is too long") }
    var reader = ByteReader(bytes)
    guard try reader.read(UInt8.self) == MessageKind.membership.rawValue else {
      throw .invalid("another kind of message")
    }
    guard try reader.read(UInt8.self) == Self.version else { throw .invalid("an unknown version of a message") }
    guard let type = BodyType(rawValue: try reader.read(UInt8.self)) else {
      throw .invalid("an unknown type of message")
    }
    let node = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    let identity = NodeIdentity(try reader.readHash())
    let tenure = try reader.readVarint()
    guard tenure <= Member.tenureMax else { throw .invalid("a sender's numbers") }
    let run = try reader.read(UInt64.self)
    let address = PeerAddress(try NodeRecord.text(&reader, max: NodeRecord.addressBytesMax))
    sender = Sender(node: node, identity: identity, tenure: tenure, run: run, address: address)
    body = try Body(type, decoding: &reader)
    try reader.expectEnd()
  }

  init(sender: Sender, body: Body) {
    self.sender = sender
    self.body = body
  }

  enum BodyType: UInt8 {
    case ping = 1
    case ack = 2
    case pingRequest = 3
    case nack = 4
    case summary = 5
    case members = 6
    case refused = 7
  }
}

extension MembershipMessage.Target {
  fileprivate init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    node = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    identity = NodeIdentity(try reader.readHash())
  }

  fileprivate func encode(to writer: inout ByteWriter) {
    writer.appendPrefixed(node.rawValue)
    writer.append(identity.bits)
  }
}

extension MembershipMessage.Body {
  var type: MembershipMessage.BodyType {
    switch self {
    case .ping: .ping
    case .ack: .ack
    case .pingRequest: .pingRequest
    case .nack: .nack
    case .summary: .summary
    case .members: .members
    case .refused: .refused
    }
  }

  fileprivate func encode(to writer: inout ByteWriter) {
    switch self {
    case .ping(let sequence, let target, let updates):
      writer.append(sequence)
      target.encode(to: &writer)
      Self.encode(updates, to: &writer)
    case .ack(let sequence, let updates):
      writer.append(sequence)
      Self.encode(updates, to: &writer)
    case .pingRequest(let sequence, let target, let address, let updates):
      writer.append(sequence)
      target.encode(to: &writer)
      writer.appendPrefixed(address.text)
      Self.encode(updates, to: &writer)
    case .nack(let sequence): writer.append(sequence)
    case .summary(let sums): for sum in sums { writer.append(sum) }
    case .members(let members, let wanted):
      writer.append(wanted)
      writer.appendVarint(UInt64(members.count))
      for member in members { member.encode(to: &writer) }
    case .refused(let refusal): refusal.encode(to: &writer)
    }
  }

  private static func encode(_ updates: [MemberUpdate], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(updates.count))
    for update in updates { update.encode(to: &writer) }
  }

  fileprivate init(_ type: MembershipMessage.BodyType, decoding reader: inout ByteReader) throws(MalformedBytes) {
    switch type {
    case .ping:
      self = .ping(
        sequence: try reader.read(), try MembershipMessage.Target(decoding: &reader), try Self.updates(&reader))
    case .ack: self = .ack(sequence: try reader.read(), try Self.updates(&reader))
    case .pingRequest:
      self = .pingRequest(
        sequence: try reader.read(), try MembershipMessage.Target(decoding: &reader),
        at: PeerAddress(try NodeRecord.text(&reader, max: NodeRecord.addressBytesMax)), try Self.updates(&reader))
    case .nack: self = .nack(sequence: try reader.read())
    case .summary:
      var sums: [UInt64] = []
      for _ in 0..<MembershipMessage.bucketCount { sums.append(try reader.read()) }
      self = .summary(sums)
    case .members:
      let wanted = try reader.read(UInt64.self)
      var members: [Member] = []
      for _ in 0..<(try reader.readCount(elementBytes: Self.memberBytesMin)) {
        members.append(try Member(decoding: &reader))
      }
      self = .members(members, wanted: wanted)
    case .refused: self = .refused(try MembershipRefusal(decoding: &reader))
    }
  }

  /// No member has a shorter form, so a count of members is checked against what is there.
  private static let memberBytesMin = 28

  private static func updates(_ reader: inout ByteReader) throws(MalformedBytes) -> [MemberUpdate] {
    var updates: [MemberUpdate] = []
    for _ in 0..<(try reader.readCount(elementBytes: memberBytesMin)) {
      updates.append(try MemberUpdate(decoding: &reader))
    }
    return updates
  }
}
