import NeedletailCluster

extension ClusterNode: ClusterControl {
  /// How long another node may take to say how it is.
  private static let reportTimeout = Duration.seconds(2)

  func status() async -> ClusterStatus {
    let (members, topology) = (await member.members, await member.topology)
    let layout = view.layout
    let reports = await reports(.report, of: members.filter(\.status.isPresent).map(\.node))
    var nodes: [ClusterStatus.Node] = []
    for member in members {
      nodes.append(await node(member, topology?.member(member.node), layout, reports[member.node]))
    }
    for holder in topology?.members ?? [] where !members.contains(where: { $0.node == holder.node }) {
      nodes.append(await node(unheard: holder, layout))
    }
    let (reads, writes) = layout.map { short($0, reports) } ?? (0, 0)
    let etcd = await member.etcdWarning
    return ClusterStatus(
      cluster: topology.map { "\($0.clusterID)" }, node: view.own.rawValue, epoch: topology?.epoch ?? 0,
      slots: layout?.slotCount ?? 0, replication: topology?.replicaCount ?? 0,
      writeQuorum: topology?.writeQuorum ?? 0, readQuorum: topology?.readQuorum ?? 0,
      nodes: nodes.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) },
      change: topology.flatMap { change($0, reports) }, slotsWithoutReadQuorum: reads,
      slotsWithoutWriteQuorum: writes,
      warnings: await member.placementWarnings(topology?.members ?? []) + (etcd.map { [$0] } ?? []), etcd: etcd)
  }

  func ring() async -> [(replicas: [String], next: [String]?)] {
    guard let layout = view.layout else { return [] }
    return (0..<layout.slotCount).map { number in
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = layout.assignment.replicas(of: slot)
      let next = layout.next?.replicas(of: slot)
      return (owners.map(\.rawValue), next == owners ? nil : next?.map(\.rawValue))
    }
  }

  func change(_ change: ClusterChange, isDryRun: Bool) async throws -> ClusterPlan {
    try await member.make(change, isDryRun: isDryRun)
  }

  func repair(node: String?) async throws -> Int {
    let present = await member.members.filter(\.status.isPresent).map(\.node)
    let asked = node.map { name in present.filter { $0.rawValue == name } } ?? present
    if let node, asked.isEmpty {
      throw ClusterControlError(description: "\(node) is not there: start it first", isTemporary: true)
    }
    return await reports(.repair, of: asked).values.reduce(0) { $0 + Int(clamping: $1.asked) }
  }

  // MARK: - Asking the others

  /// What nodes say of themselves; those that do not answer are missing.
  private func reports(_ question: MemberReport.Question, of nodes: [NodeID]) async -> [NodeID: MemberReport] {
    await withTaskGroup(of: (NodeID, MemberReport?).self) { group in
      for node in nodes { group.addTask { (node, await report(question, of: node)) } }
      var reports: [NodeID: MemberReport] = [:]
      for await (node, report) in group { reports[node] = report }
      return reports
    }
  }

  private func report(_ question: MemberReport.Question, of node: NodeID) async -> MemberReport? {
    if node == view.own { return await report(question) }
    guard let channel = view.channel(to: node) else { return nil }
    let bytes = try? await channel.call(
      .report, [question.rawValue], within: Self.reportTimeout, answerBytesMax: 1 << 20)
    return bytes.flatMap { try? MemberReport(decoding: $0) }
  }

  // MARK: - What follows from it

  /// What it holds follows from what the cluster agreed on, whatever it was started with.
  private func node(
    _ member: Member, _ holder: TopologyMember?, _ layout: ClusterLayout?, _ report: MemberReport?
  ) async -> ClusterStatus.Node {
    let record = member.record
    let slots = slots(of: member.node, layout)
    let hints = await writing.waiting(for: member.node)
    return ClusterStatus.Node(
      name: record.node.rawValue, identity: "\(record.identity)", address: record.address.text,
      status: "\(member.status)", roles: record.roles.names, zone: holder.map(\.zone) ?? record.zone,
      weight: holder?.weight ?? record.weight,
      version: record.version, slots: slots.held, arriving: slots.arriving, leaving: slots.leaving,
      unready: report.map(\.unready.count), hints: hints.hints, hintBytes: hints.bytes,
      descriptionsRefused: report.map { Int(clamping: $0.descriptionsRefused) },
      exchanges: report.map { report in
        ClusterStatus.Exchanges(
          waiting: Int(clamping: report.waiting), finished: Int(clamping: report.finished),
          failed: Int(clamping: report.failed), different: Int(clamping: report.different),
          differentDescriptions: Int(clamping: report.differentTimeless),
          differentRecent: Int(clamping: report.differentRecent))
      })
  }

  /// One that holds slots, and of which this node has heard nothing since its start.
  private func node(unheard member: TopologyMember, _ layout: ClusterLayout?) async -> ClusterStatus.Node {
    let slots = slots(of: member.node, layout)
    let hints = await writing.waiting(for: member.node)
    return ClusterStatus.Node(
      name: member.node.rawValue, identity: "\(member.identity)", address: "", status: "unknown", roles: [],
      zone: member.zone, weight: member.weight, version: "", slots: slots.held, arriving: slots.arriving,
      leaving: slots.leaving, unready: nil, hints: hints.hints, hintBytes: hints.bytes)
  }

  private func slots(of node: NodeID, _ layout: ClusterLayout?) -> (held: Int, arriving: Int, leaving: Int) {
    guard let layout else { return (0, 0, 0) }
    let held = SlotSet(layout.assignment.slots(of: node))
    guard let beside = layout.beside.map({ SlotSet($0.slots(of: node)) }) else { return (held.count, 0, 0) }
    var (other, own) = (beside, held)
    other.subtract(held)
    own.subtract(beside)
    return layout.isCommitted ? (held.count, 0, other.count) : (held.count, other.count, own.count)
  }

  /// How many slots have too few replicas that are there and whole for reads, and too few that are there for writes.
  private func short(_ layout: ClusterLayout, _ reports: [NodeID: MemberReport]) -> (reads: Int, writes: Int) {
    var (reads, writes) = (0, 0)
    for number in 0..<layout.slotCount {
      let slot = UInt16(truncatingIfNeeded: number)
      let owners = layout.readers(of: slot)
      let ready = owners.filter { reports[$0].map { !$0.unready.contains(slot) } ?? false }
      if ready.count < layout.readQuorum(of: slot) { reads += 1 }
      var groups = [(owners, layout.replication)]
      if let beside = layout.beside { groups.append((beside.replicas(of: slot), layout.besideReplication)) }
      let isShort = groups.contains { group, replication in
        group.count { reports[$0] != nil } < replication.acknowledgements(of: group.count)
      }
      if isShort { writes += 1 }
    }
    return (reads, writes)
  }

  private func change(_ topology: Topology, _ reports: [NodeID: MemberReport]) -> ClusterStatus.Change? {
    guard let words = Self.words(of: topology), let change = RingChange(topology) else { return nil }
    guard change.stage == .filling else {
      return ClusterStatus.Change(what: words + ": committed, those who held the slots are told", slots: 0, filled: 0)
    }
    var (all, filled) = (0, 0)
    for member in topology.members {
      var due = change.due(of: member.node)
      all += due.count
      // One that has not heard of the change tells of what it held before.
      guard let report = reports[member.node], report.epoch >= topology.epoch else { continue }
      due.subtract(report.unready)
      due.subtract(report.uncompared)
      filled += due.count
    }
    return ClusterStatus.Change(what: words, slots: all, filled: filled)
  }

  /// What the change under way is about; nil where there is none.
  static func words(of topology: Topology) -> String? {
    let ring = (topology.ring, topology.replication)
    let side = (topology.next ?? topology.former ?? [], topology.sideReplication ?? topology.replication)
    guard !side.0.isEmpty else { return nil }
    let (old, new) = topology.next == nil ? (side, ring) : (ring, side)
    let added = new.0.filter { member in !old.0.contains { $0.node == member.node } }.map(\.node.rawValue)
    let removed = old.0.filter { member in !new.0.contains { $0.node == member.node } }.map(\.node.rawValue)
    var words: [String] = []
    if !added.isEmpty { words.append("adding " + added.joined(separator: ", ")) }
    if !removed.isEmpty { words.append("taking out " + removed.joined(separator: ", ")) }
    for member in new.0 {
      guard let before = old.0.first(where: { $0.node == member.node }), before.ringMember != member.ringMember else {
        continue
      }
      if before.weight != member.weight {
        words.append("giving \(member.node) weight \(member.weight) instead of \(before.weight)")
      }
      if before.zone != member.zone {
        words.append("moving \(member.node) \(member.zone.map { "to zone \($0)" } ?? "out of its zone")")
      }
    }
    if old.1.count != new.1.count { words.append("holding each slot on \(new.1.count) instead of \(old.1.count)") }
    if old.1.writeQuorum != new.1.writeQuorum {
      words.append("writing to \(new.1.writeQuorum) of \(new.1.count) instead of \(old.1.writeQuorum)")
    }
    return words.joined(separator: " and ")
  }
}
