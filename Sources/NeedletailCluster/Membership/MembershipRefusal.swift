import NeedletailTelemetry

/// Why a node may not be a member under the name and identity that it has, and what to do about it.
package struct MembershipRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Reason: UInt8, Sendable, CaseIterable {
    /// Another node has the name and is alive.
    case nameTaken = 1
    /// Another node has taken the name over since.
    case superseded = 2
    /// An operator has taken this node out.
    case removed = 3
    /// This node has said goodbye before.
    case left = 4
    /// The same name and identity are alive elsewhere: a data folder was copied.
    case identityInUse = 5
  }

  package let reason: Reason
  package let node: NodeID
  package let identity: NodeIdentity
  /// Which start of the node is meant: one that was started since is not.
  let run: UInt64
  /// Who holds the name, where that is another node or another process.
  package let holder: Member?

  package var description: String {
    let place = holder.map { " at \($0.record.address)" } ?? ""
    return switch reason {
    case .nameTaken:
      "the name \(node) is taken: another node with it is alive\(place). Give this node another name; or, if it is to "
        + "replace that one, stop that one, wait until it counts as dead, and start this one again"
    case .superseded:
      "the name \(node) has gone to a node with another data folder\(place), and this folder (identity \(identity)) is "
        + "an old one. Start with an empty data folder and another name, or remove that node from the cluster first and "
        + "start with an empty data folder"
    case .removed:
      "node \(node) (identity \(identity)) was removed from the cluster. To add it again, start it with an empty data folder"
    case .left:
      "node \(node) (identity \(identity)) has left the cluster. To add it again, start it with an empty data folder"
    case .identityInUse:
      "a node with the name \(node) and this very identity is alive\(place): its data folder was copied. Run one of the "
        + "two only, and start the other with an empty data folder and a name of its own"
    }
  }

  init(_ reason: Reason, of node: NodeID, _ identity: NodeIdentity, run: UInt64, holder: Member? = nil) {
    self.reason = reason
    self.node = node
    self.identity = identity
    self.run = run
    self.holder = holder
  }

  func encode(to writer: inout ByteWriter) {
    writer.append(reason.rawValue)
    writer.appendPrefixed(node.rawValue)
    writer.append(identity.bits)
    writer.append(run)
    writer.append(UInt8(holder == nil ? 0 : 1))
    holder?.encode(to: &writer)
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard let reason = Reason(rawValue: try reader.read(UInt8.self)) else { throw .invalid("a refusal's reason") }
    self.reason = reason
    node = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    identity = NodeIdentity(try reader.readHash())
    run = try reader.read()
    switch try reader.read(UInt8.self) {
    case 0: holder = nil
    case 1: holder = try Member(decoding: &reader)
    default: throw .invalid("a refusal's flags")
    }
  }
}
