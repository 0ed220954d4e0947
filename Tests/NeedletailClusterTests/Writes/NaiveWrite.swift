import NeedletailCluster

/// What is known of one write, kept the long way: every slot by itself, and everything worked out anew from what happened.
struct NaiveWrite {
  enum Event {
    case sent(NodeID, attempt: UInt8, until: Int64)
    case acknowledged(NodeID)
    /// The attempt that was under way ended without success.
    case ended(NodeID)
    case refusedForGood(NodeID)
    case hintAsked(NodeID)
    case hinted(NodeID)
    case hintGivenUp(NodeID)
    case gaveUp(NodeID)
    case removed(NodeID)
    case completed(WriteOutcome)
    case forgotten
  }

  let id: WriteID
  let bytes: Int
  let deadline: Int64
  let level: WriteLevel
  /// For each slot, its old and its new owners.
  let owners: [[Set<NodeID>]]
  private(set) var events: [Event] = []

  init(_ id: WriteID, bytes: Int, deadline: Int64, level: WriteLevel, owners: [[Set<NodeID>]]) {
    self.id = id
    self.bytes = bytes
    self.deadline = deadline
    self.level = level
    self.owners = owners
  }

  mutating func note(_ event: Event) { events.append(event) }

  var replicas: Set<NodeID> { owners.reduce(into: []) { all, sets in sets.forEach { all.formUnion($0) } } }

  private func nodes(_ pick: (Event) -> NodeID?) -> Set<NodeID> { Set(events.compactMap(pick)) }

  var acknowledged: Set<NodeID> { nodes { if case .acknowledged(let node) = $0 { node } else { nil } } }
  var refusedForGood: Set<NodeID> { nodes { if case .refusedForGood(let node) = $0 { node } else { nil } } }
  var hintsAsked: Set<NodeID> { nodes { if case .hintAsked(let node) = $0 { node } else { nil } } }
  var givenUp: Set<NodeID> { nodes { if case .gaveUp(let node) = $0 { node } else { nil } } }
  var hintsEnded: Set<NodeID> {
    nodes {
      switch $0 {
      case .acknowledged(let node), .hinted(let node), .hintGivenUp(let node): node
      default: nil
      }
    }
  }
  var outcomes: [WriteOutcome] { events.compactMap { if case .completed(let outcome) = $0 { outcome } else { nil } } }
  var isForgotten: Bool { if case .forgotten = events.last { true } else { false } }

  /// Replicas for which nothing is owed any more.
  var settled: Set<NodeID> {
    nodes {
      switch $0 {
      case .acknowledged(let node), .hinted(let node), .hintGivenUp(let node), .gaveUp(let node), .removed(let node):
        node
      default: nil
      }
    }
  }

  /// The attempt that is under way to each node, and its end.
  var open: [NodeID: (attempt: UInt8, until: Int64)] {
    var open: [NodeID: (attempt: UInt8, until: Int64)] = [:]
    for event in events {
      switch event {
      case .sent(let node, let attempt, let until): open[node] = (attempt, until)
      case .acknowledged(let node), .ended(let node), .refusedForGood(let node): open[node] = nil
      case .completed(let outcome) where outcome != .acknowledged: open = [:]
      default: break
      }
    }
    return open
  }

  /// The last attempt to a node.
  func lastAttempt(to node: NodeID) -> UInt8 {
    events.reduce(0) { last, event in
      if case .sent(node, let attempt, _) = event { attempt } else { last }
    }
  }

  private func wanted(_ replicas: Int) -> Int {
    switch level {
    case .one: 1
    case .quorum: (replicas + 2) / 2
    case .all: max(replicas, 1)
    }
  }

  /// Whether, slot for slot, W of each set of owners are among these nodes.
  func isEnough(_ nodes: Set<NodeID>) -> Bool {
    owners.allSatisfy { sets in sets.allSatisfy { $0.intersection(nodes).count >= wanted($0.count) } }
  }
}
