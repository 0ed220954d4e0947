import NeedletailCluster
import NeedletailEnvironment

/// Which slots this node has all of, for those who cannot wait for `RepairService`, and what they ask of it.
final class LocalReadiness: Sendable {
  /// Two replicas that were found to differ.
  struct Difference: Sendable {
    var slots: SlotSet
    var node: NodeID
    var windows: ClosedRange<Int64>
  }

  private struct State {
    /// That of the layout by which these slots are held; 0 for none.
    var epoch: UInt64 = 0
    var held: SlotSet = []
    var lacks: [UInt16: [ClosedRange<Int64>]] = [:]
    /// Slots that are whole, and that a change under way wants compared before it is committed.
    var kept: SlotSet = []
    var differences: [Difference] = []
  }

  /// Differences that wait at a time; beyond that the rounds have to find them.
  private static let differencesMax = 1024

  private let state = Lock(State())

  /// Those of the slots that the node does not hold, or of whose windows it may lack something.
  func unready(of slots: SlotSet, windows: ClosedRange<Int64>) -> SlotSet {
    state.withLock { state in
      var unready = slots
      unready.subtract(state.held)
      for (slot, lacks) in state.lacks where slots.contains(slot) && lacks.contains(where: { $0.overlaps(windows) }) {
        unready.insert(slot)
      }
      return unready
    }
  }

  /// Those of the slots that a change under way waits for: the node does not hold them, may lack something of them, or has
  /// yet to compare them.
  func unfinished(of slots: SlotSet) -> SlotSet {
    let unready = unready(of: slots, windows: .min ... .max)
    return state.withLock { state in
      var unfinished = unready
      for slot in state.kept where slots.contains(slot) { unfinished.insert(slot) }
      return unfinished
    }
  }

  /// Whether the node holds the slot and lacks nothing of these windows.
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool {
    state.withLock { state in
      state.held.contains(slot) && !(state.lacks[slot]?.contains { $0.overlaps(windows) } ?? false)
    }
  }

  /// Slots that are held, and those of them that lack something.
  var counts: (held: Int, unready: Int) { state.withLock { ($0.held.count, $0.lacks.count) } }

  /// That of the layout whose slots these are; 0 before the first one.
  var epoch: UInt64 { state.withLock { $0.epoch } }

  /// The slots of a layout, and what the node may lack of each: all at once, so that no slot that was just given to
  /// the node looks as if it were whole.
  func adopt(_ slots: SlotSet, lacks: [UInt16: [ClosedRange<Int64>]], kept: SlotSet = [], epoch: UInt64) {
    state.withLock { state in
      state.epoch = epoch
      state.kept = kept
      state.held = slots
      state.lacks = lacks.filter { slots.contains($0.key) && !$0.value.isEmpty }
    }
  }

  /// What the node may lack of a slot; nothing where it is ready.
  func note(_ slot: UInt16, lacks: [ClosedRange<Int64>]) {
    state.withLock { $0.lacks[slot] = lacks.isEmpty ? nil : lacks }
  }

  /// The slots that a change under way wants compared, and that have not been.
  func note(kept: SlotSet) { state.withLock { $0.kept = kept } }

  /// Returns whether it is the first one that waits.
  func add(_ difference: Difference) -> Bool {
    state.withLock { state in
      guard state.differences.count < Self.differencesMax else { return false }
      state.differences.append(difference)
      return state.differences.count == 1
    }
  }

  func takeDifferences() -> [Difference] {
    state.withLock { state in
      defer { state.differences = [] }
      return state.differences
    }
  }
}

extension ReplicaReadiness {
  /// What the node may lack of a slot.
  func lacks(_ slot: UInt16) -> [ClosedRange<Int64>] {
    switch state(of: slot) {
    case .filling: [.min ... .max]
    case .damaged(let windows): windows
    case .ready, nil: []
    }
  }
}
