/// Whom of its replicas a read asks first for the data of a group, and whom then.
struct ReplicaChoice {
  private let peers: [NodeID: QuorumRead.Peer]
  /// Slots of which a node was chosen to read the data, so far.
  private var load: [NodeID: Int] = [:]

  init(_ peers: [NodeID: QuorumRead.Peer]) { self.peers = peers }

  private func isAvailable(_ node: NodeID) -> Bool { peers[node]?.isAvailable ?? false }

  /// What it may cost to have the node read so many slots more: its latency for all that it then has to read.
  private func cost(_ node: NodeID, _ slots: Int) -> Double {
    Double(max(1, peers[node]?.latency ?? 1)) * Double((load[node] ?? 0) + slots)
  }

  /// The ready replicas in the order in which to ask them, then the others.
  ///
  /// The first is the reader itself, or the cheaper one of two that chance picked of those that are available, so that
  /// neither all readers run to the fastest node nor any to a slow one. The rest follow by whether they are available and asked anyway,
  /// then by latency.
  mutating func order(_ group: SlotGroup, using generator: inout some RandomNumberGenerator) -> [NodeID] {
    let available = group.ready.filter(isAvailable)
    var order: [NodeID] = []
    let pool = available.isEmpty ? group.ready : available
    if !pool.isEmpty {
      let one = pool.indices.randomElement(using: &generator) ?? 0
      var other = pool.indices.dropLast().randomElement(using: &generator) ?? 0
      if other >= one, pool.count > 1 { other += 1 }
      let slots = group.slots.count
      let cheaper = cost(pool[other], slots) < cost(pool[one], slots) ? pool[other] : pool[one]
      let first = available.first { peers[$0]?.isOwn ?? false } ?? cheaper
      load[first, default: 0] += slots
      order.append(first)
    }
    func rank(_ node: NodeID) -> (Int, Int, UInt64) {
      (isAvailable(node) ? 0 : 1, load[node] == nil ? 1 : 0, peers[node]?.latency ?? .max)
    }
    let others = group.ready.filter { !order.contains($0) }
    let unready = group.replicas.filter { !group.ready.contains($0) }
    // Sorted by name before, and the sort is stable in effect: names break ties.
    for nodes in [others, unready] {
      order += nodes.sorted { left, right in
        let (one, other) = (rank(left), rank(right))
        return one != other ? one < other : left < right
      }
    }
    return order
  }
}
