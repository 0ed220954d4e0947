/// What a node does for the others; bits that this version does not know are kept as they came.
package struct NodeRoles: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Takes requests and passes their rows on to the replicas.
  package static let collector = NodeRoles(rawValue: 1)
  /// Holds slots.
  package static let storage = NodeRoles(rawValue: 2)
  /// Answers queries from what the storage nodes hold.
  package static let query = NodeRoles(rawValue: 4)
  package static let all: NodeRoles = [.collector, .storage, .query]
}
