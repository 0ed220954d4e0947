import NeedletailEnvironment
import NeedletailTelemetry

/// What a node says of itself.
package struct NodeRecord: Hashable, Sendable {
  package static let nameBytesMax = 128
  package static let addressBytesMax = 255
  package static let zoneBytesMax = 128
  package static let versionBytesMax = 64

  package let node: NodeID
  package let identity: NodeIdentity
  /// Where others reach it.
  package var address: PeerAddress
  /// What fails together with it; nil where nobody said.
  package var zone: String?
  /// How much it can hold, relative to others; at least 1.
  package var weight: UInt32
  package var roles: NodeRoles
  /// The version of its software.
  package var version: String
  /// Whether it holds nothing of what a node with its name should hold: it is new, or its disk was replaced.
  package var isEmpty: Bool

  /// Throws where a text is longer than its limit, has other than printable ASCII, or may not be empty and is.
  package init(
    node: NodeID, identity: NodeIdentity, address: PeerAddress, zone: String? = nil, weight: UInt32 = 1,
    roles: NodeRoles = .all, version: String = "", isEmpty: Bool = false
  ) throws(InvalidNodeRecord) {
    try Self.check(node.rawValue, "name", 1...Self.nameBytesMax)
    try Self.check(address.text, "address", 1...Self.addressBytesMax)
    if let zone { try Self.check(zone, "zone", 1...Self.zoneBytesMax) }
    try Self.check(version, "version", 0...Self.versionBytesMax)
    guard weight > 0 else { throw InvalidNodeRecord(problem: "the weight of a node is at least 1") }
    self.node = node
    self.identity = identity
    self.address = address
    self.zone = zone
    self.weight = weight
    self.roles = roles
    self.version = version
    self.isEmpty = isEmpty
  }

  private static func check(
    _ text: String, _ what: String, _ bytes: ClosedRange<Int>
  ) throws(InvalidNodeRecord) {
    guard bytes.contains(text.utf8.count), text.utf8.allSatisfy(isPrintable) else {
      throw InvalidNodeRecord(
        problem: "the \(what) of a node is \(bytes.lowerBound) to \(bytes.upperBound) printable ASCII characters "
          + "without spaces")
    }
  }

  private static func isPrintable(_ byte: UInt8) -> Bool { (0x21...0x7e).contains(byte) }

  // MARK: Byte form

  /// The number of bytes that `encode` writes.
  var byteCount: Int {
    var count = Self.prefixed(node.rawValue) + Hash128.byteCount + 2 + Self.varint(UInt64(weight))
    count += Self.prefixed(address.text) + Self.prefixed(version)
    if let zone { count += Self.prefixed(zone) }
    return count
  }

  private static func prefixed(_ text: String) -> Int { varint(UInt64(text.utf8.count)) + text.utf8.count }

  /// The bytes of a number as varint.
  static func varint(_ value: UInt64) -> Int { max(1, (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7) }

  func encode(to writer: inout ByteWriter) {
    writer.appendPrefixed(node.rawValue)
    writer.append(identity.bits)
    writer.append(UInt8(zone == nil ? 0 : 1) | UInt8(isEmpty ? 2 : 0))
    writer.append(roles.rawValue)
    writer.appendVarint(UInt64(weight))
    writer.appendPrefixed(address.text)
    if let zone { writer.appendPrefixed(zone) }
    writer.appendPrefixed(version)
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    let node = NodeID(try Self.text(&reader, max: Self.nameBytesMax))
    let identity = NodeIdentity(try reader.readHash())
    let flags = try reader.read(UInt8.self)
    guard flags < 4 else { throw .invalid("unknown flags of a node") }
    let roles = NodeRoles(rawValue: try reader.read(UInt8.self))
    guard let weight = UInt32(exactly: try reader.readVarint()) else { throw .invalid("the weight of a node") }
    let address = PeerAddress(try Self.text(&reader, max: Self.addressBytesMax))
    let zone = flags & 1 != 0 ? try Self.text(&reader, max: Self.zoneBytesMax) : nil
    let version = try Self.text(&reader, min: 0, max: Self.versionBytesMax)
    do {
      try self.init(
        node: node, identity: identity, address: address, zone: zone, weight: weight, roles: roles, version: version,
        isEmpty: flags & 2 != 0)
    } catch {
      throw .invalid("a node's record")
    }
  }

  /// A prefixed text of at most `max` bytes, of which none is read before its length was checked.
  static func text(
    _ reader: inout ByteReader, min: Int = 1, max: Int
  ) throws(MalformedBytes) -> String {
    let count = try reader.readVarint()
    guard count >= UInt64(min), count <= UInt64(max) else { throw .invalid("the length of a member's text") }
    let bytes = try reader.read(count: Int(count))
    guard bytes.allSatisfy(isPrintable) else { throw .invalid("a member's text is not printable ASCII") }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A record that no node may have; says what is wrong with it.
package struct InvalidNodeRecord: Error, Equatable, Sendable, CustomStringConvertible {
  package let problem: String

  package var description: String { problem }
}
