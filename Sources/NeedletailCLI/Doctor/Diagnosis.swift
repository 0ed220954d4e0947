import NeedletailBlocks
import NeedletailTerminal

/// What is to be said of a cluster, or of a node alone, by what its members tell of themselves.
struct Diagnosis {
  /// Nil for a node that belongs to none.
  var cluster: ClusterState?
  var ledger: LedgerState
  var senders: [SenderLoss] = []
  /// Seconds since 1970.
  var now: Int

  /// All there is to say, the worst first.
  var findings: [Finding] {
    var all: [Finding] = membership + replicas
    for member in ledger.members { all += findings(of: member) }
    all += senders.map { Self.finding($0) }
    // The order within a severity is that of the rules.
    return [Finding.Severity.problem, .warning, .note].flatMap { severity in all.filter { $0.severity == severity } }
  }

  private func findings(of member: LedgerState.Member) -> [Finding] {
    var found = clock(member)
    found += disk(member)
    found += log(member)
    found += damage(member)
    found += certificate(member)
    found += queues(member)
    found += hints(member)
    found += copies(member)
    found += accounts(member)
    return found
  }

  /// Whether there is nothing for an operator to do.
  static func isHealthy(_ findings: [Finding]) -> Bool { findings.allSatisfy { $0.severity == .note } }

  // MARK: The cluster

  private var membership: [Finding] {
    guard let cluster else { return [] }
    guard cluster.cluster != nil else {
      return [
        Finding(
          severity: .problem, code: "not_formed", node: cluster.node, what: "the cluster is not formed yet",
          why: "it is founded when all seeds are there and have the same list of seeds, or, with --etcd, when as many "
            + "nodes as there are replicas are registered under one prefix",
          remedy: "start the other nodes, and look at what their logs say")
      ]
    }
    var found = cluster.members.filter { !$0.isUp }.map { node in
      let holds = node.holdsSlots ? "; its \(Counted.text(node.slots, "slot")) have one replica less" : ""
      return Finding(
        severity: node.status == "suspect" ? .warning : .problem, code: "node_away", node: node.name,
        what: "it is \(node.status)\(holds)",
        why: "it does not answer the others at \(node.address.isEmpty ? "any address" : node.address)",
        remedy: "start it again; if its disk is gone start it with an empty folder, and if it is gone for good: "
          + "needletail cluster remove \(node.name)")
    }
    for silent in ledger.silent where !found.contains(where: { $0.node == silent.node }) {
      found.append(
        Finding(
          severity: .problem, code: "node_silent", node: silent.node,
          what: "it does not tell its ledger: \(silent.reason)",
          why: "the node that was asked cannot reach it, or it is of an earlier version",
          remedy: "look at its log and at the network between them; update it where it is older"))
    }
    return found
      // What counts is what was agreed on; whatever is out of order has a finding of its own.
      + cluster.warnings.filter { $0 != cluster.etcd }.map {
        Finding(severity: .note, code: "cluster", node: nil, what: $0)
      } + etcd(cluster)
  }

  private func etcd(_ cluster: ClusterState) -> [Finding] {
    guard let what = cluster.etcd else { return [] }
    return [
      Finding(
        severity: .warning, code: "etcd", node: cluster.node, what: what,
        why: "changes of who holds what are decided there; writes and reads go on",
        remedy:
          "see that etcd runs, that this node may read and write under its prefix, and that the prefix is this cluster's"
      )
    ]
  }

  private var replicas: [Finding] {
    guard let cluster else { return [] }
    var found: [Finding] = []
    let (reads, writes) = (cluster.slotsWithoutReadQuorum, cluster.slotsWithoutWriteQuorum)
    if reads > 0 || writes > 0 {
      found.append(
        Finding(
          severity: .problem, code: "no_quorum", node: nil,
          what: [(reads, "read"), (writes, "written")].filter { $0.0 > 0 }
            .map { "\(Counted.text($0.0, "slot")) cannot be \($0.1)" }.joined(separator: " and "),
          why: "too few of their replicas are there and whole",
          remedy: "bring the nodes back that are away; writes are answered 503 until then, and nothing acknowledged "
            + "is lost"))
    }
    for node in cluster.members where (node.unready ?? 0) > 0 {
      found.append(
        Finding(
          severity: .warning, code: "slots_not_whole", node: node.name,
          what: "\(node.unready ?? 0) of \(Counted.text(cluster.slots, "slot")) are not whole on it yet",
          why: "its disk is new, something on it was damaged, or a change brings it slots: they are filled from the "
            + "others",
          remedy: "wait, and see that the number falls: needletail cluster nodes"))
    }
    if let change = cluster.change {
      found.append(
        Finding(
          severity: .note, code: "change_under_way", node: nil,
          what: "\(change.what): \(ClusterReport.progress(change))"))
    }
    return found
  }

  // MARK: A member

  /// How far clocks may be apart, in ms, before an operator is told, and before samples are refused for it.
  private static let offsetMax = 1_000
  private static let offsetFatal = 600_000

  private func clock(_ member: LedgerState.Member) -> [Finding] {
    let known = abs(member.clockOffset) - member.roundTrip / 2
    guard known > Self.offsetMax else { return [] }
    let way = member.clockOffset > 0 ? "ahead of" : "behind"
    return [
      Finding(
        severity: known > Self.offsetFatal ? .problem : .warning, code: "clock_skew", node: member.name,
        what: "its clock is \(Quantity.duration(seconds: Double(known) / 1_000)) \(way) that of the node that was "
          + "asked",
        why: "the times of its own metrics are wrong by that, and samples more than ten minutes ahead are refused",
        remedy: "set the clock by NTP (chronyc tracking)")
    ]
  }

  private static let freeBytesMin = 1 << 30
  /// Below that no hints are kept.
  private static let hintReserve = 256 << 20

  private func disk(_ member: LedgerState.Member) -> [Finding] {
    guard let free = member.facts["disk_free_bytes"] else { return [] }
    let stored = max(0, member.facts["stored_bytes"] ?? 0)
    guard free < Self.freeBytesMin || free < (stored + free) / 10 else { return [] }
    let isNone = free < Self.hintReserve
    return [
      Finding(
        severity: isNone ? .problem : .warning, code: "disk_nearly_full", node: member.name,
        what: "\(Quantity.text(Double(free), .bytes)) are free on its disk, beside "
          + "\(Quantity.text(Double(stored), .bytes)) of parts",
        why: isNone ? "no hints are kept with less than 256 MiB, and without room writes are refused" : nil,
        remedy: "shorten retention, delete snapshots/ and quarantine/ in the data folder, enlarge the disk, or add a "
          + "node")
    ]
  }

  private func log(_ member: LedgerState.Member) -> [Finding] {
    var found: [Finding] = []
    let facts = member.facts
    if facts["log_refusing", default: 0] > 0 {
      found.append(
        Finding(
          severity: .problem, code: "log_refusing", node: member.name,
          what: "it takes no writes: its log cannot be written",
          why: member.remarks.last, remedy: "make room on its disk, or mend it; it tries again with each write"))
    }
    let lost = facts["log_files_given_up", default: 0]
    if lost > 0 {
      found.append(
        Finding(
          severity: .warning, code: "sync_failed", node: member.name,
          what: "\(Counted.text(lost, "file")) of its log given up since its start, as a write or a sync failed",
          why: "the disk reported an error or was full; what was not on disk was written again to another file",
          remedy: "look at the disk (dmesg, smartctl): a disk that fails once will fail again"))
    }
    let failures = facts["maintenance_failures", default: 0]
    if failures > 0 {
      found.append(
        Finding(
          severity: .warning, code: "maintenance_failed", node: member.name,
          what: "\(Counted.text(failures, "flush or merge", "flushes or merges")) failed since its start",
          why: "each is tried again", remedy: "its log says why, above all a full disk"))
    }
    return found
  }

  /// Whether nobody else has what a node loses.
  private var isAlone: Bool { (cluster?.replication ?? 1) <= 1 }

  private func damage(_ member: LedgerState.Member) -> [Finding] {
    let facts = member.facts
    var found: [Finding] = []
    let (parts, reads) = (facts["damaged_parts", default: 0], facts["damaged_reads", default: 0])
    if parts > 0 || reads > 0 {
      found.append(
        Finding(
          severity: .problem, code: "damaged", node: member.name,
          what: "\(Counted.text(parts, "part")) cannot be read, and \(Counted.text(reads, "read")) met damaged blocks",
          why: "checksums do not hold: the disk changed or lost bytes",
          remedy: isAlone
            ? "needletail storage verify DIR names each; restore a snapshot, or set the parts aside with storage repair"
            : "the other replicas bring it back: see that slots become whole; needletail storage verify DIR names "
              + "each"))
    }
    let losses = facts["losses", default: 0]
    if losses > 0 {
      found.append(
        Finding(
          severity: .problem, code: "lost", node: member.name,
          what: "\(Counted.text(losses, "loss", "losses")) known: "
            + member.remarks.prefix(losses).joined(separator: "; "),
          why: "its log was damaged, and answers say that they may lack it",
          remedy: isAlone
            ? "restore what is missing; needletail storage repair takes note of it"
            : "the other replicas bring it back; needletail storage repair takes note of it"))
    }
    let quarantined = facts["quarantine_entries", default: 0]
    if quarantined > 0 {
      found.append(
        Finding(
          severity: .warning, code: "quarantine_not_empty", node: member.name,
          what: "\(Counted.text(quarantined, "entry", "entries")) in quarantine/ of its data folder",
          why: "a start or a repair moved out of the way what it could not use",
          remedy: "look into it, and delete it when nothing of it is wanted: nothing else does"))
    }
    let failed = facts["repair_stores_failed", default: 0] + facts["repair_records_failed", default: 0]
    if failed > 0 {
      found.append(
        Finding(
          severity: .warning, code: "repair_failed", node: member.name,
          what: "\(Counted.text(failed, "write")) of repair failed on its disk since its start",
          why: "rows that it lacked, or the record of what is whole, could not be kept",
          remedy: "its log says why; comparisons go on until it is whole"))
    }
    return found
  }

  /// Days before its end that a certificate is told of.
  private static let certificateDays = 14

  private func certificate(_ member: LedgerState.Member) -> [Finding] {
    var found: [Finding] = []
    if let end = member.facts["certificate_expires_seconds"], end - now < Self.certificateDays * 86_400 {
      let left = Double(abs(end - now))
      found.append(
        Finding(
          severity: end <= now ? .problem : .warning,
          code: end <= now ? "certificate_expired" : "certificate_expires", node: member.name,
          what: end <= now
            ? "its certificate expired \(Quantity.duration(seconds: left)) ago"
            : "its certificate expires in \(Quantity.duration(seconds: left))",
          why: "after that clients, and members that check it, refuse it",
          remedy: "renew the file of tls-certificate in place: the node takes it within half a minute"))
    }
    let failures = member.facts["tls_failures_caller", default: 0] + member.facts["tls_failures_called", default: 0]
    if failures > 0 {
      found.append(
        Finding(
          severity: .warning, code: "tls_failed", node: member.name,
          what: "\(Counted.text(failures, "connection")) with other nodes failed for TLS or certificates since its "
            + "start",
          why: "a member has a certificate that is not believed, or a stranger tries",
          remedy: "its log names the other side and what is wrong (address, reason)"))
    }
    return found
  }

  private func queues(_ member: LedgerState.Member) -> [Finding] {
    let dropped = member.facts["messages_dropped", default: 0]
    guard dropped > 0 else { return [] }
    return [
      Finding(
        severity: .note, code: "messages_dropped", node: member.name,
        what: "\(Counted.text(dropped, "message")) about members found no room since its start; they are told again")
    ]
  }
}

extension Counted {
  /// As `text`, for nouns whose plural is another word.
  static func text(_ count: Int, _ noun: String, _ plural: String) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(plural)"
  }
}
