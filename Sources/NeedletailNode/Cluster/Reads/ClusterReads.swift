import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// What all reads over the cluster share: who is there, what this node itself has, how long others take.
final class ClusterReads: Sendable {
  let view: ClusterView
  let replicas: any LocalReplicas
  let series: SeriesStore
  let events: EventStore
  /// What the series of this node come to, slot by slot.
  let contents: any SlotContents
  /// Where reading what this node has may block.
  let executor: ThreadExecutor
  let clock: any WallClock
  let random: any RandomSource
  /// What holds where a question says nothing.
  let standard: ReadOptions
  let alarm: ReadAlarm
  /// How long a read that went ahead waits for others to agree, before it is made again in a way that does without a slow one.
  let earlyWait: Duration
  /// Is told that a node knows the layout of a newer epoch than this one does.
  let heard: @Sendable (UInt64, NodeID) -> Void
  let times = PeerTimes()
  let groups = ReadGroups()
  let summed = SummedReads()
  let early = EarlyAttempts()
  let counters = ReadCounters()
  /// Has the replicas of others compared.
  let asking: CompareAsking

  /// Reads over what `view` shows, of which this node holds the two stores.
  ///
  /// What the node lost is told by its replicas, which are not ready then, and not by the stores.
  init(
    view: ClusterView, replicas: any LocalReplicas, series: SeriesStore, events: EventStore, executor: ThreadExecutor,
    clock: any WallClock, random: any RandomSource, standard: ReadOptions = ReadOptions(),
    contents: (any SlotContents)? = nil, alarm: ReadAlarm? = nil,
    earlyWait: Duration = .milliseconds(100),
    heard: @escaping @Sendable (UInt64, NodeID) -> Void = { _, _ in }
  ) {
    self.view = view
    self.replicas = replicas
    self.series = SeriesStore(engine: series.engine, losses: [])
    self.events = EventStore(logs: events.logs, spans: events.spans, losses: [])
    self.executor = executor
    self.clock = clock
    self.random = random
    self.standard = standard
    self.contents = contents ?? series.engine
    self.alarm = alarm ?? .sleeping(by: clock)
    self.heard = heard
    self.earlyWait = earlyWait
    asking = CompareAsking(view)
  }

  /// The hour since 1970 that is being written.
  var hour: Int64 { SeriesWindow(of: clock.wallNanoseconds() / 1_000_000).number }

  /// Monotonic, in ns.
  var now: UInt64 { UInt64(clamping: clock.monotonicNanoseconds()) }

  /// Who holds what; throws `QueryError` as long as the node does not know it.
  func layout() throws(QueryError) -> ClusterLayout {
    guard let layout = view.layout, layout.slotCount > 0 else {
      throw QueryError(.unavailable, "this node does not know yet who holds which slots; try again in a moment")
    }
    return layout
  }

  /// The groups of all slots, for a read of these windows.
  func groups(_ layout: ClusterLayout, windows: ClosedRange<Int64>) -> [SlotGroup] {
    let unready = replicas.unready(of: layout.slots(of: view.own), windows: windows)
    return groups.groups(layout, own: view.own, unready: unready)
  }

  /// What a read knows of the nodes of these groups.
  func peers(_ groups: [SlotGroup]) -> [NodeID: QuorumRead.Peer] {
    let now = now
    var peers: [NodeID: QuorumRead.Peer] = [:]
    for node in Set(groups.flatMap(\.replicas)) {
      let isOwn = node == view.own
      peers[node] = QuorumRead.Peer(
        isAvailable: view.isPresent(node) && !times.isShunned(node, at: now),
        latency: isOwn ? 1 : times.latency(of: node), isOwn: isOwn)
    }
    return peers
  }

  /// The error of a read that lacks too much: it names the slots and the nodes.
  static func error(_ coverage: SlotCoverage, _ groups: [SlotGroup]) -> QueryError {
    let nodes = Set(groups.filter { !$0.slots.isDisjoint(with: coverage.short) }.flatMap(\.replicas)).sorted()
    return QueryError(
      .unavailable,
      "\(coverage.shortage(of: "at least ")); they lie on \(nodes.map(\.description).joined(separator: ", "))"
        + " (partial=allow answers with what there is)")
  }
}

extension SlotCoverage {
  /// What is missing, in words; nil where nothing is.
  var shortage: String? { isPartial ? shortage(of: "") : nil }

  /// The same, with a word before the number: a read that fails does so before it knows of all.
  fileprivate func shortage(of atLeast: String) -> String {
    // Runs of slots may be many: an error is a line.
    let slots = short.description
    let some = slots.utf8.count > 80 ? String(decoding: slots.utf8.prefix(80), as: UTF8.self) + "..." : slots
    let reasons = failures.isEmpty ? "" : " (" + failures.joined(separator: "; ") + ")"
    return "too few ready replicas answered for \(atLeast)\(short.count) of \(asked.count) slots: \(some)\(reasons)"
  }
}

extension Coverage {
  /// What a query is told of the slots that an answer covers.
  init(_ slots: SlotCoverage) {
    guard let shortage = slots.shortage else {
      self = .complete
      return
    }
    self.init(failures: [shortage])
    slotsAsked = max(1, slots.asked.count)
    slotsAnswered = min(slotsAsked - 1, slots.asked.count - slots.short.count)
  }
}
