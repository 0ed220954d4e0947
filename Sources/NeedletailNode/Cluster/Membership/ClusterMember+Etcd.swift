import Logging
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

// What etcd keeps for a member's cluster, where it is used: who is there, and the decisions on who holds what.

extension ClusterMember {
  /// etcd as this node uses it.
  struct Etcd: Sendable {
    let client: EtcdClient
    var session: EtcdSession
    var founding: EtcdFounding
    /// What was said of a founding that waits, and of one that failed, so that it is said once.
    var told: FoundingObstacle?
    var refused: String?
    /// When a founding is looked at again, in monotonic ns.
    var foundAt = Int64.min

    init(_ client: EtcdClient, _ record: NodeRecord, replicas: Int, knowing topology: Topology?) {
      self.client = client
      session = EtcdSession(record, knowing: topology)
      founding = EtcdFounding(record, replicas: replicas)
    }

    var nextTick: Int64 { session.isVacant ? min(session.nextTick, foundAt) : session.nextTick }
  }

  /// From one look at whether a cluster may be founded to the next, in ns.
  private static let foundingPause: Int64 = 1_000_000_000

  /// What does not fit together in what a node has on disk and how it was started; nil where all does.
  static func mismatch(_ decider: TopologyDecider, hasEtcd: Bool) -> String? {
    switch (decider, hasEtcd) {
    case (.members, true):
      "the members of this node's cluster vote on who holds what, which was settled when it was founded: start this node "
        + "without --etcd"
    case (.etcd, false):
      "who holds what in this node's cluster is decided in etcd, which was settled when it was founded: start this node with "
        + "the same --etcd and etcd-prefix as the other members"
    default: nil
    }
  }

  func perform(_ actions: [EtcdSession.Action]) async throws {
    for action in actions {
      switch action {
      case .send(let request, let id):
        guard let client = etcd?.client else { continue }
        Task { post(.etcd(id, await client.perform(request))) }
      case .members(let members): use(members)
      case .decided(let topology, let isOwn):
        let now = clock.monotonicNanoseconds()
        try await perform(register.decided(topology, byThisNode: isOwn, now: now, using: &generator))
      case .proposalEnded(let outcome): endProposal(outcome)
      case .changed: tellOfEtcd()
      case .unreadable(let one):
        logger.warning(
          "what lies in etcd under this cluster's prefix is passed over",
          metadata: ["key": "\(one.key)", "reason": "\(one.problem)"])
      }
    }
  }

  /// Those that are registered are asked as seeds are.
  private func use(_ members: [EtcdRegistration]) {
    let addresses = settings.seeds + members.map(\.record.address)
    membership.setSeeds(Set(addresses).sorted())
  }

  private func tellOfEtcd() {
    guard let session = etcd?.session else { return }
    if let trouble = session.trouble {
      logger.error("etcd cannot be used for changes of the cluster", metadata: ["reason": "\(trouble)"])
    } else if let reason = session.away {
      logger.warning(
        "etcd does not answer; writes and reads go on, changes of the cluster wait for it",
        metadata: ["reason": "\(reason)"])
    } else if let reason = session.refusal {
      logger.warning("etcd refuses what this node asks of it", metadata: ["reason": "\(reason)"])
    } else {
      logger.notice("etcd answers")
    }
  }

  /// What an operator should know of etcd, in a sentence.
  var etcdWarning: String? {
    guard let session = etcd?.session else { return nil }
    if let trouble = session.trouble { return "\(trouble)" }
    if let reason = session.away { return Self.silence(reason) }
    return session.refusal.map { "etcd refuses what this node asks of it: \($0)" }
  }

  private static func silence(_ reason: String) -> String {
    "etcd does not answer (\(reason)): writes and reads go on, changes of the cluster are refused until it is back"
  }

  /// How etcd is used, as metrics; none where it is not.
  var etcdFamilies: [MetricFamily] {
    guard let session = etcd?.session else { return [] }
    let counters = session.counters
    return [
      MetricFamily(
        .gauge, "needletail_cluster_etcd_up", "Whether etcd answered last, and has what this cluster decided.",
        session.isThere && session.trouble == nil ? 1 : 0),
      MetricFamily(
        .counter, "needletail_cluster_etcd_failures_total",
        "Requests to etcd that no endpoint answered, or that it refused.",
        Double(counters.failures)),
      MetricFamily(
        .counter, "needletail_cluster_etcd_leases_lost_total", "Leases of this node's entry in etcd that were lost.",
        Double(counters.leasesLost)),
      MetricFamily(
        .counter, "needletail_cluster_etcd_unreadable_total",
        "Entries in etcd that could not be read, and were passed over.",
        Double(counters.unreadable)),
    ]
  }

  // MARK: - Events

  func tickEtcd(_ now: Int64) async throws {
    guard etcd != nil else { return }
    let isAlone = membership.presentCount <= 1
    try await perform(etcd?.session.tick(now: now, isAlone: isAlone, using: &generator) ?? [])
    try await foundInEtcd(now)
  }

  func answered(_ id: UInt64, _ result: Result<EtcdAnswer, EtcdFailure>, _ now: Int64) async throws {
    try await perform(etcd?.session.answered(id, result, now: now, using: &generator) ?? [])
  }

  // MARK: - Proposing

  /// Has etcd decide; tells why it is not even asked.
  func proposeInEtcd(_ topology: Topology, _ now: Int64) async throws -> String? {
    guard var session = etcd?.session else { return nil }
    let actions: [EtcdSession.Action]
    do throws(EtcdProposalError) {
      actions = try session.propose(topology, deadline: now + Self.proposalTimeout, now: now)
    } catch {
      switch error {
      case .busy:
        return etcd?.session.away.map(Self.silence) ?? "another change is being agreed on: try again in a moment"
      case .outdated: return "the cluster has changed meanwhile: look at it with cluster status and ask again"
      case .trouble(let trouble): return "\(trouble)"
      }
    }
    etcd?.session = session
    try await perform(actions)
    return nil
  }

  private func endProposal(_ outcome: EtcdOutcome) {
    let isFounding = register.topology == nil
    switch outcome {
    case .chosen: end(.decided(.chosen))
    case .overtaken(let topology): end(.decided(.overtaken(by: topology)))
    case .refused(let reason):
      end(.refused(reason))
      guard isFounding, etcd?.refused != reason else { return }
      etcd?.refused = reason
      logger.warning("a cluster cannot be founded", metadata: ["reason": "\(reason)"])
    }
  }

  // MARK: - Founding

  private func foundInEtcd(_ now: Int64) async throws {
    guard var etcd, etcd.session.isVacant, register.topology == nil, now >= etcd.foundAt else { return }
    let present = membership.members.filter(\.status.isPresent).map { TopologyVoter($0.node, $0.record.identity) }
    let judgement = etcd.founding.judge(etcd.session.members, present: Set(present), now: now)
    etcd.foundAt = now + Self.foundingPause
    switch judgement {
    case .waits(let obstacle):
      if etcd.told != obstacle { logger.notice("no cluster yet: \(obstacle)") }
      etcd.told = obstacle
      self.etcd = etcd
    case .founds(let members, let leads):
      self.etcd = etcd
      guard leads else { return }
      let id = Hash128(high: generator.next(), low: generator.next())
      guard let founded = founded(id, members, .etcd) else { return }
      try await proposeOwn(founded, now)
    }
  }
}
