import NeedletailTelemetry

/// What is known of the holder of a name.
///
/// All that can be known of one name has a total order, and the greatest counts: whoever heard the same, in whatever
/// order and how often ever, believes the same.
package struct Member: Hashable, Sendable {
  package static let retiredMax = 8
  package static let tenureMax: UInt64 = 1 << 40
  package static let incarnationMax: UInt64 = 1 << 53

  package internal(set) var record: NodeRecord
  /// How many identities have held the name, with this one; 0 until the name counts as its own.
  package internal(set) var tenure: UInt64 = 0
  /// How often the node had to say anew that it is alive or what it is.
  package internal(set) var incarnation: UInt64 = 0
  package internal(set) var status = MemberStatus.alive
  /// The identities that held the name before, the newest last; the oldest are forgotten.
  package internal(set) var retired: [NodeIdentity] = []

  init(_ record: NodeRecord) { self.record = record }

  package var node: NodeID { record.node }
  package var identity: NodeIdentity { record.identity }

  /// Whether this counts against `other`, which is of the same name.
  ///
  /// The later identity first, of two that claimed the name at once the greater one; then what is final; then the
  /// later incarnation; then the worse status. The last step only makes the order total.
  func overrides(_ other: Member) -> Bool {
    if tenure != other.tenure { return tenure > other.tenure }
    if identity != other.identity { return identity > other.identity }
    if status.isFinal != other.status.isFinal { return status.isFinal }
    if incarnation != other.incarnation { return incarnation > other.incarnation }
    if status != other.status { return status > other.status }
    return self != other && other.encoded().lexicographicallyPrecedes(encoded())
  }

  /// Notes that the identity before this one held the name.
  mutating func succeed(_ previous: Member) {
    tenure = min(previous.tenure + 1, Self.tenureMax)
    retired = (previous.retired + [previous.identity]).filter { $0 != identity }.suffix(Self.retiredMax)
  }

  // MARK: Byte form

  /// The number of bytes that `encode` writes.
  var byteCount: Int {
    record.byteCount + NodeRecord.varint(tenure) + NodeRecord.varint(incarnation) + 2
      + retired.count * Hash128.byteCount
  }

  func encode(to writer: inout ByteWriter) {
    record.encode(to: &writer)
    writer.appendVarint(tenure)
    writer.appendVarint(incarnation)
    writer.append(status.rawValue)
    writer.append(UInt8(truncatingIfNeeded: retired.count))
    for identity in retired { writer.append(identity.bits) }
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    record = try NodeRecord(decoding: &reader)
    tenure = try reader.readVarint()
    incarnation = try reader.readVarint()
    guard tenure <= Self.tenureMax, incarnation <= Self.incarnationMax else { throw .invalid("a member's numbers") }
    guard let status = MemberStatus(rawValue: try reader.read(UInt8.self)) else { throw .invalid("a member's status") }
    self.status = status
    let count = try reader.read(UInt8.self)
    guard count <= UInt8(Self.retiredMax) else { throw .invalid("too many identities before a member's") }
    for _ in 0..<count { retired.append(NodeIdentity(try reader.readHash())) }
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter(reserving: byteCount)
    encode(to: &writer)
    return writer.bytes
  }

  /// A hash of all there is to know of it, by which views are compared.
  var fingerprint: UInt64 { encoded().withUnsafeBytes { xxHash64($0) } }
}
