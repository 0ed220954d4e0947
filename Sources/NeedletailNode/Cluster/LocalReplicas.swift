import NeedletailCluster

/// What the replicas on this node are worth, for reads and repair.
protocol LocalReplicas: Sendable {
  /// The version of the layout by whose slots `unready` goes; 0 for none.
  var adoptedEpoch: UInt64 { get }
  /// Those of the slots for which this node may not vote on what these windows (hours since 1970) hold.
  func unready(of slots: SlotSet, windows: ClosedRange<Int64>) -> SlotSet
  /// Those of the slots that are not yet as a change under way wants them on this node (`RingChange.due`).
  func unfinished(of slots: SlotSet) -> SlotSet
  /// Two replicas differ: compares them out of turn.
  func urge(_ slots: SlotSet, with node: NodeID, windows: ClosedRange<Int64>)
}
