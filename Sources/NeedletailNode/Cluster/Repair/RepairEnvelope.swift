import NeedletailCluster
import NeedletailTelemetry

/// A message of repair with the name of who sends it, as it travels between nodes.
struct RepairEnvelope: Equatable, Sendable {
  private static let nameBytesMax = 1024
  /// The largest one.
  static let bytesMax = RepairMessage.bytesMax + nameBytesMax + 8

  var sender: NodeID
  var message: RepairMessage

  /// The name, its length as a varint before it, then the message.
  var bytes: [UInt8] {
    let message = message.bytes
    var writer = ByteWriter(reserving: message.count + 64)
    writer.appendPrefixed(sender.rawValue)
    writer.append(message)
    return writer.bytes
  }

  init(sender: NodeID, message: RepairMessage) {
    self.sender = sender
    self.message = message
  }

  init(_ bytes: [UInt8]) throws(MalformedBytes) {
    let (name, rest) = try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      let name = try reader.readPrefixedString()
      return (name, Array(try reader.read(count: reader.remaining)))
    }
    guard !name.isEmpty, name.utf8.count <= Self.nameBytesMax else { throw .invalid("a node without a name") }
    sender = NodeID(name)
    message = try RepairMessage(rest)
  }
}
