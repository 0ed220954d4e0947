import NeedletailTelemetry

/// Asks a node to compare slots with another replica of them out of turn: from one that found that they differ, or that
/// one of them misses something, and holds neither.
package struct CompareRequest: Equatable, Sendable {
  private static let version: UInt8 = 1

  package var partner: NodeID
  package var slots: SlotSet
  /// Hours since 1970.
  package var windows: ClosedRange<Int64>

  package init(with partner: NodeID, _ slots: SlotSet, windows: ClosedRange<Int64>) {
    self.partner = partner
    self.slots = slots
    self.windows = windows
  }

  /// Its byte form (docs/formats/peer.md).
  package var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.version)
    writer.appendPrefixed(partner.rawValue)
    writer.append(windows.lowerBound)
    writer.append(windows.upperBound)
    slots.write(to: &writer)
    return writer.bytes
  }

  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    self = try bytes.withReader { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == Self.version else { throw .invalid("an unknown version of a request") }
      let partner = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
      let windows = try reader.readWindows()
      let request = CompareRequest(with: partner, try SlotSet(from: &reader), windows: windows)
      try reader.expectEnd()
      return request
    }
  }
}
