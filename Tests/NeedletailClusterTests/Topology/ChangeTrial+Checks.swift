import NeedletailTelemetry

@testable import NeedletailCluster

// Reads, what must hold of them, and that changes come to an end when faults do.

extension ChangeTrial {
  // MARK: - Losing

  /// Whether the node has all of the slot that it ever acknowledged, and will have when it knows the newest topology.
  private func isWhole(_ node: Node, _ slot: UInt16) -> Bool {
    guard node.known > 0, let record = node.records[slot], record.lacks.isEmpty else { return false }
    let tenures = SlotTenures(of: node.name, identity: node.identity, in: newest)
    return tenures.since(slot, record: record.since, settled: node.settled) == record.since
  }

  /// Whether a disk may be lost, or damaged: with it fewer than W of each group of each of its slots lack something.
  func mayLose(_ number: Int) -> Bool {
    let version = versions[versions.count - 1]
    guard nodes[number].known > 0 else { return false }
    for number16 in 0..<slotCount {
      let slot = UInt16(number16)
      let owners = version.ring.replicas(of: slot)
      var groups = [(owners, newest.replication)]
      if let beside = version.beside { groups.append((beside.replicas(of: slot), newest.besideReplication)) }
      for (group, replication) in groups where group.contains(nodes[number].name) {
        let lacking = nodes.filter { other in
          guard other.name != nodes[number].name, group.contains(other.name), !isWhole(other, slot) else {
            return false
          }
          // Who is to hold it and never did has lost nothing.
          let isNew = newest.next != nil && !owners.contains(other.name)
          return !isNew || (newest.member(other.name)?.joined ?? 0) > newest.besideSince || other.known == 0
        }
        if lacking.count >= replication.acknowledgements(of: group.count) - 1 { return false }
      }
    }
    return true
  }

  // MARK: - Reading

  /// Reads begin, and each asks one more node.
  mutating func read(_ number: Int) {
    if reads.count < 3 || random.chance(0.1) {
      let slot = UInt16(random.below(slotCount))
      let epoch = versions.count - random.below(min(4, versions.count))
      if reads.count >= 3 { reads.removeFirst() }
      reads.append(Read(slot: slot, epoch: epoch, wanted: acknowledged[Int(slot)]))
    }
    for place in reads.indices.reversed() { ask(number, place) }
  }

  private func quorum(_ topology: Topology, _ owners: Int) -> Int {
    guard bug == .readsByNextQuorum, let next = topology.nextReplication else { return topology.readers(of: owners) }
    return next.readers(of: owners)
  }

  private mutating func ask(_ number: Int, _ place: Int) {
    var read = reads[place]
    let version = versions[read.epoch - 1]
    let owners = version.ring.replicas(of: read.slot)
    guard nodes[number].isUp, nodes[number].known > 0, owners.contains(nodes[number].name),
      read.asked.insert(number).inserted
    else { return }
    reads[place] = read
    // One that knows an older topology learns the reader's, one that knows a newer one does not answer.
    if nodes[number].known < read.epoch { adopt(number, read.epoch) }
    guard nodes[number].known == read.epoch,
      (0..<Self.pieces).allSatisfy({ isReady(nodes[number], read.slot, $0) })
    else { return }
    for piece in 0..<Self.pieces { read.found[piece] |= nodes[number].rows[Int(read.slot)] & Self.mask(of: piece) }
    read.answers += 1
    reads[place] = read
    guard read.answers >= quorum(version.topology, owners.count) else { return }
    reads.remove(at: place)
    seen["read", default: 0] += 1
    let lacking = read.wanted & ~read.found.reduce(0, |)
    if lacking != 0 {
      problem =
        "a read by epoch \(read.epoch) of \(read.asked.sorted()) lacks row \(lacking.trailingZeroBitCount) of slot \(read.slot)"
    }
  }

  /// Any R ready owners that know one topology have all that is acknowledged.
  mutating func check() {
    guard problem == nil else { return }
    for epoch in Set(nodes.map(\.known)).sorted() where epoch > 0 {
      let version = versions[epoch - 1]
      for number in 0..<slotCount {
        let slot = UInt16(number)
        let owners = version.ring.replicas(of: slot)
        let lacks = nodes.filter { $0.known == epoch && owners.contains($0.name) }.map { node in
          (0..<Self.pieces).reduce(UInt64(0)) { lacks, piece in
            isReady(node, slot, piece)
              ? lacks | acknowledged[number] & Self.mask(of: piece) & ~node.rows[number] : lacks
          }
        }
        let missed = Self.missed(by: quorum(version.topology, owners.count), lacks)
        if missed != 0 {
          problem =
            "by epoch \(epoch) R replicas of slot \(slot) lack row \(missed.trailingZeroBitCount): \(version.topology.replication)"
        }
      }
    }
  }

  /// The bits that at least so many have.
  private static func missed(by count: Int, _ lacks: [UInt64]) -> UInt64 {
    var atLeast = [UInt64](repeating: 0, count: count + 1)
    atLeast[0] = .max
    for lack in lacks {
      for number in stride(from: count, to: 0, by: -1) { atLeast[number] |= atLeast[number - 1] & lack }
    }
    return atLeast[count]
  }

  // MARK: - The end

  /// When nothing fails any more, the change under way comes to its end, and all are whole.
  mutating func end() {
    for round in 0..<2000 where problem == nil {
      giveBack()
      for number in nodes.indices {
        if !nodes[number].isUp { start(number) }
        if nodes[number].known < versions.count { adopt(number, versions.count) }
        fill(number)
        drive(number)
      }
      check()
      let areWhole = nodes.allSatisfy { $0.readiness.unready.isEmpty }
      if newest.beside == nil, areWhole, round > 0 { return }
    }
    if problem == nil { problem = "a change does not end: \(change?.left ?? [])" }
  }
}
