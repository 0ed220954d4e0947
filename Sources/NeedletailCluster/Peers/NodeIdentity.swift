import NeedletailTelemetry

/// What tells a node from another one that has its name: 128 random bits, made with its data folder.
///
/// A node whose disk was replaced has another identity, and holds nothing of what the one before it held.
package struct NodeIdentity: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bits: Hash128

  package init(_ bits: Hash128) { self.bits = bits }

  package static func < (left: Self, right: Self) -> Bool {
    left.bits < right.bits
  }

  package var description: String { bits.description }
}
