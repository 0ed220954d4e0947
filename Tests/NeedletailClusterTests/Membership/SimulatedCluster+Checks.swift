import NeedletailEnvironment

@testable import NeedletailCluster

extension SimulatedCluster {
  var running: [Int] { hosts.indices.filter { hosts[$0].isRunning } }

  /// What everybody should believe: the running are alive; `others` says what of the rest.
  func views(are others: [NodeID: MemberStatus]) -> String? {
    let present = running
    guard let first = present.first, let view = hosts[first].membership else { return nil }
    for host in present where hosts[host].membership?.table.sums != view.table.sums {
      return "\(hosts[host].node) and \(hosts[first].node) know different things"
    }
    // All know the same: one view is as good as another.
    for host in present {
      guard let member = view.member(hosts[host].node), member.status == .alive else {
        return "\(hosts[host].node) is believed to be \(word(view, hosts[host].node))"
      }
      guard member.identity == hosts[host].record.identity else {
        return "another one is believed to be \(hosts[host].node)"
      }
    }
    for (node, status) in others.sorted(by: { $0.key < $1.key }) where view.member(node)?.status != status {
      return "\(node) is believed to be \(word(view, node)), and is \(status)"
    }
    return nil
  }

  private func word(_ membership: Membership, _ node: NodeID) -> String {
    membership.member(node).map { "\($0.status)" } ?? "unknown"
  }

  /// Runs until all believe what they should, and notes a problem where that takes longer than `bound`.
  mutating func converge(_ others: [NodeID: MemberStatus] = [:], within bound: Int64, _ what: String) {
    let begin = time
    var problem = views(are: others)
    while problem != nil, time - begin < bound {
      run(for: Self.second / 2)
      problem = views(are: others)
    }
    convergence.append(time - begin)
    if let problem { problems.append("\(what), \((time - begin) / Self.second) s later: \(problem)") }
  }

  mutating func expect(_ condition: Bool, _ problem: String) {
    if !condition { problems.append(problem) }
  }

  mutating func expectRefused(_ host: Int, _ reasons: Set<MembershipRefusal.Reason>, _ what: String) {
    let reason = hosts[host].refusal?.reason
    expect(reason.map(reasons.contains) ?? false, "\(what): \(reason.map { "refused as \($0)" } ?? "not refused")")
  }

  mutating func expectNobodyBuried(_ what: String) {
    if let first = buriedLiving.first {
      problems.append(
        "\(what): \(first.by) took \(first.node) for dead at \(first.time / Self.millisecond) ms, which is alive")
    }
  }

  /// The sum over all processes that there were.
  func count(_ event: MembershipCounters.Event) -> UInt64 {
    hosts.reduce(0) { $0 + ($1.membership?.counters[event] ?? 0) + ($1.ended?.counters[event] ?? 0) }
  }
}
