import NeedletailTelemetry

/// What a message tells in passing of a member, and of a suspect who it was that got no answer.
package struct MemberUpdate: Hashable, Sendable {
  package static let witnessesMax = 4

  package let member: Member
  /// Who got no answer, each of its own; none unless the member is suspect.
  package let witnesses: [NodeID]

  init(_ member: Member, witnesses: [NodeID] = []) {
    self.member = member
    self.witnesses = Array(witnesses.prefix(Self.witnessesMax))
  }

  var byteCount: Int {
    witnesses.reduce(member.byteCount + 1) { $0 + 1 + ($1.rawValue.utf8.count > 127 ? 1 : 0) + $1.rawValue.utf8.count }
  }

  func encode(to writer: inout ByteWriter) {
    member.encode(to: &writer)
    writer.append(UInt8(truncatingIfNeeded: witnesses.count))
    for witness in witnesses { writer.appendPrefixed(witness.rawValue) }
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    member = try Member(decoding: &reader)
    let count = try reader.read(UInt8.self)
    guard count <= UInt8(Self.witnessesMax) else { throw .invalid("too many witnesses of a suspicion") }
    var witnesses: [NodeID] = []
    for _ in 0..<count { witnesses.append(NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))) }
    self.witnesses = witnesses
  }
}
