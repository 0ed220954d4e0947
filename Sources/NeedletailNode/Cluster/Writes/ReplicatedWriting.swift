import Logging
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// All of replicated writes on one node, put together.
///
/// Make it when the storage is open; `open` when calls of other nodes are answered; give `sink` to the receivers, calls of
/// `PeerMethod.write` to `receiver`, what happens in the cluster to `coordinator`; `close` it before the storage.
struct ReplicatedWriting: Sendable {
  let sink: ReplicatedSink
  let receiver: WriteReceiver
  let coordinator: WriteCoordinator

  /// `repair` is told of slots in which a node, maybe this one, misses what no hint will bring it: to compare them out of turn.
  init(
    view: ClusterView, storage: StorageSink, dataFolder: String, fileSystem: any FileSystem, clock: any WallClock,
    random: any RandomSource, executor: ThreadExecutor, logger: Logger, settings: WriteSettings = WriteSettings(),
    repair: @escaping @Sendable (NodeID, HintNote) -> Void = { _, _ in }
  ) {
    let hints = HintLogs(dataFolder: dataFolder, fileSystem: fileSystem, limits: settings.hintLog, logger: logger)
    coordinator = WriteCoordinator(
      view: view, storage: storage, hints: hints, settings: settings, clock: clock, random: random,
      executor: executor, logger: logger, repair: repair)
    sink = ReplicatedSink(
      view: view, storage: storage, coordinator: coordinator, told: ToldDescriptions(clock: clock))
    receiver = WriteReceiver(view: view, storage: storage)
  }

  /// Delivers what earlier runs left.
  func open() async { await coordinator.open() }

  func close() async { await coordinator.close() }

  /// The hints that wait here for a node, and their bytes.
  func waiting(for node: NodeID) async -> (hints: Int, bytes: Int) {
    let queue = await coordinator.shelves[node]?.queue
    return (queue?.count ?? 0, queue?.bytes ?? 0)
  }

  /// The books of copies and of hints, those of hints by node.
  func ledger() async -> (copies: CopyLedger, hints: [NodeLedger.Hints]) {
    let shelves = await coordinator.shelves
    return (await coordinator.copies, shelves.keys.sorted().compactMap { shelves[$0].map { NodeLedger.Hints($0) } })
  }

  /// What became of writes, as metrics.
  func families() async -> [MetricFamily] {
    let received = receiver.outcomes
    return await coordinator.families + [
      MetricFamily(
        .counter, "needletail_cluster_writes_received_total",
        "Writes of other nodes to replicas on this one, by what became of them.",
        WriteReceiver.Outcome.allCases.map {
          MetricFamily.Point(labels: [Label("outcome", $0.rawValue)], value: Double(received[$0] ?? 0))
        })
    ]
  }
}
