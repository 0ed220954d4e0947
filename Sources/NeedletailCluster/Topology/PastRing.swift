/// A ring that held slots once: what is needed to tell who held which.
struct PastRing: Hashable, Sendable {
  /// The first and the last epoch in which its nodes held their slots, as the ring or as the one that was to be it.
  let epochs: ClosedRange<UInt64>
  /// How many of its nodes held each slot.
  let replicaCount: Int
  /// Sorted by node.
  let members: [RingMember]
}
