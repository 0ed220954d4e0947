import NeedletailTelemetry

/// Names a write on every node, so that its answers and its hints find it and a repetition is recognised.
package struct WriteID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bits: Hash128

  package init(_ bits: Hash128) { self.bits = bits }

  /// The write of a content by the assignment of an epoch.
  ///
  /// By another one a node has other rows of the same content: what it answered to those says nothing of these, however late it
  /// comes.
  package init(of content: Hash128, epoch: UInt64) {
    var writer = ByteWriter()
    writer.append(content)
    writer.append(epoch)
    bits = writer.bytes.withUnsafeBytes { Hash128.of($0) }
  }

  package static func < (left: Self, right: Self) -> Bool { left.bits < right.bits }

  package var description: String { bits.description }
}
