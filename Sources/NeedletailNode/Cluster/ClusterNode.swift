// All parts of the cluster in one node, put together: what they tell each other, who answers which call.

import Logging
import NIOSSL
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// A node as part of its cluster.
struct ClusterNode: ClusterPeer {
  let view: ClusterView
  let member: ClusterMember
  let writing: ReplicatedWriting
  let repair: RepairService
  let reads: ClusterReads
  let responder: ReadResponder
  let channels: PeerChannels
  let complaints: PeerComplaints
  let scrub: ScrubLoop
  /// How many descriptions of metrics found no room here.
  let descriptionsRefused: @Sendable () -> UInt64
  let clock: any WallClock

  /// Takes part in the cluster until the task is cancelled; throws `StartupError` where the node may not.
  func run() async throws {
    await writing.open()
    var failure: (any Error)?
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await member.run(telling: [writing.coordinator, repair], replicas: repair) }
        group.addTask { await repair.run() }
        group.addTask { await scrub.run() }
        try await group.next()
        group.cancelAll()
      }
    } catch { failure = error }
    await writing.close()
    await channels.close()
    if let failure, !Task.isCancelled { throw failure }
  }

  func answer(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer {
    switch method {
    case .gossip:
      let message = try message.withUnsafeBytes { bytes in try MembershipMessage(decoding: bytes) }
      member.post(.members(message))
      return .message([])
    case .topology: return .message(try await answer(TopologyMessage(decoding: message)))
    case .write: return .message(try await writing.receiver.answer(message))
    case .read: return try await responder.answer(message, context)
    case .repair: return .message(try await repair.answer(message))
    case .compare:
      let asked = try CompareRequest(decoding: message)
      repair.urge(asked.slots, with: asked.partner, windows: asked.windows)
      return .message([])
    case .report:
      guard let question = message.first.flatMap(MemberReport.Question.init(rawValue:)), message.count == 1 else {
        throw MalformedBytes.invalid("an unknown question")
      }
      return .message(await report(question).encoded)
    case .append, .select, .labelNames, .labelValues, .series, .metadata, .ledger, .known, .writes, .repairs:
      throw GRPCStatus(.unimplemented, "this is not asked of a cluster")
    }
  }

  func known(_ question: [UInt8]) throws(MalformedBytes) -> [UInt8] { try responder.known(question) }

  func answer(_ method: PeerMethod, of message: [UInt8]) async throws(MalformedBytes) -> [UInt8] {
    switch method {
    case .writes: try await writing.receiver.answer(message)
    case .repairs: try await repair.answer(message)
    default: throw .invalid("a message of another call")
    }
  }

  private func answer(_ message: TopologyMessage) async -> [UInt8] {
    switch message.purpose {
    case .founding, .progressQuestion: return await member.answer(message)?.encoded ?? []
    case .agreement: member.post(.topology(message))
    case .progress: member.post(.progress(message))
    }
    return []
  }

  /// What this node says of its own replicas.
  func report(_ question: MemberReport.Question) async -> MemberReport {
    let asked = question == .repair ? await repair.compareAll(with: nil) : 0
    let status = await repair.status()
    let held = view.layout?.slots(of: view.own) ?? []
    // Neither what is held nor what is whole is told by a version that is not on disk here.
    var report = MemberReport(
      epoch: min(view.layout?.epoch ?? 0, repair.adoptedEpoch),
      unready: repair.unready(of: held, windows: .min ... .max))
    report.uncompared = repair.unfinished(of: held)
    report.uncompared.subtract(report.unready)
    report.waiting = UInt64(clamping: status.waiting)
    report.finished = UInt64(clamping: status.counts.exchanges)
    report.failed = UInt64(clamping: status.counts.unfinished)
    report.different = UInt64(clamping: status.differences.settled)
    report.differentTimeless = UInt64(clamping: status.differences.timeless)
    report.differentRecent = UInt64(clamping: status.differences.recent)
    report.descriptionsRefused = descriptionsRefused()
    report.asked = UInt64(clamping: asked)
    return report
  }

  /// What became of writes, reads and repairs, as metrics.
  func families() async -> [MetricFamily] {
    let status = await repair.status()
    return await writing.families() + status.families + reads.counters.families + complaints.families
      + member.etcdFamilies + [
        MetricFamily(
          .counter, "needletail_cluster_messages_dropped_total",
          "Messages to or from other nodes that found no room, and were not sent or not heard.",
          Double(channels.dropped + member.dropped)),
        MetricFamily(
          .gauge, "needletail_cluster_epoch", "The version of who holds which slots that this node knows; 0 for none.",
          Double(view.layout?.epoch ?? 0)),
      ]
  }
}
