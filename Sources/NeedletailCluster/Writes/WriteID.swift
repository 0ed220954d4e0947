import NeedletailTelemetry

/// Names a write on every node, so that its answers and its hints find it and a repetition is recognised: the id of its batch.
package struct WriteID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bits: Hash128

  package init(_ bits: Hash128) { self.bits = bits }

  package static func < (left: Self, right: Self) -> Bool { left.bits < right.bits }

  package var description: String { bits.description }
}
