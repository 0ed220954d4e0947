import NeedletailCluster

extension ClusterNode: ClusterControl {
  /// How long another node may take to say how it is.
  private static let reportTimeout = Duration.seconds(2)

  func status() async -> ClusterStatus {
    let (members, topology) = (await member.members, await member.topology)
    let layout = view.layout
    let reports = await reports(.report, of: members.filter(\.status.isPresent).map(\.node))
    var nodes: [ClusterStatus.Node] = []
    for member in members { nodes.append(await node(member, layout, reports[member.node])) }
    for holder in topology?.members ?? [] where !members.contains(where: { $0.node == holder.node }) {
      nodes.append(await node(unheard: holder, layout))
    }
    let (reads, writes) = layout.map { short($0, reports) } ?? (0, 0)
    return ClusterStatus(
      cluster: topology.map { "\($0.clusterID)" }, node: view.own.rawValue, epoch: topology?.epoch ?? 0,
      slots: layout?.slotCount ?? 0, replication: topology?.replicaCount ?? 0,
      writeQuorum: topology?.writeQuorum ?? 0, readQuorum: topology?.readQuorum ?? 0,
      nodes: nodes.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) },
      change: topology.flatMap { change($0, reports) }, slotsWithoutReadQuorum: reads,
      slotsWithoutWriteQuorum: writes, warnings: [])
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

  private func node(_ member: Member, _ layout: ClusterLayout?, _ report: MemberReport?) async -> ClusterStatus.Node {
    let record = member.record
    let slots = slots(of: member.node, layout)
    let hints = await writing.waiting(for: member.node)
    return ClusterStatus.Node(
      name: record.node.rawValue, identity: "\(record.identity)", address: record.address.text,
      status: "\(member.status)", roles: record.roles.names, zone: record.zone, weight: record.weight,
      version: record.version, slots: slots.held, arriving: slots.arriving, leaving: slots.leaving,
      unready: report.map(\.unready.count), hints: hints.hints, hintBytes: hints.bytes,
      exchanges: report.map { report in
        ClusterStatus.Exchanges(
          waiting: Int(clamping: report.waiting), finished: Int(clamping: report.finished),
          failed: Int(clamping: report.failed), different: Int(clamping: report.different))
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
      let groups = [owners] + (layout.beside.map { [$0.replicas(of: slot)] } ?? [])
      let isShort = groups.contains { group in
        group.count { reports[$0] != nil } < layout.writeLevel.acknowledgements(of: group.count)
      }
      if isShort { writes += 1 }
    }
    return (reads, writes)
  }

  private func change(_ topology: Topology, _ reports: [NodeID: MemberReport]) -> ClusterStatus.Change? {
    let (old, new): ([NodeID], [NodeID])
    if let next = topology.next {
      (old, new) = (topology.ring.map(\.node), next.map(\.node))
    } else if let former = topology.former {
      (old, new) = (former.map(\.node), topology.ring.map(\.node))
    } else {
      return nil
    }
    let added = new.filter { !old.contains($0) }.map(\.rawValue)
    let removed = old.filter { !new.contains($0) }.map(\.rawValue)
    let words = [
      added.isEmpty ? nil : "adding " + added.joined(separator: ", "),
      removed.isEmpty ? nil : "taking out " + removed.joined(separator: ", "),
    ]
    let what = words.compactMap { $0 }.joined(separator: " and ")
    guard let plan = ChangePlan(topology) else {
      return ClusterStatus.Change(what: what + ": committed, those who held the slots are told", slots: 0, filled: 0)
    }
    var filled = 0
    for (node, slots) in plan.incoming {
      guard let unready = reports[node]?.unready else { continue }
      var ready = slots
      ready.subtract(unready)
      filled += ready.count
    }
    return ClusterStatus.Change(what: what, slots: plan.copies, filled: filled)
  }
}
