import NeedletailEnvironment

/// What the doors of a node lead to, from the moment that the storage is open until it is closed.
final class NodeState: Sendable {
  private let state = Lock<NodeServices?>(nil)

  /// Nil while the node starts or stops.
  var services: NodeServices? { state.withLock { $0 } }

  func open(_ services: NodeServices) { state.withLock { $0 = services } }

  func close() { state.withLock { $0 = nil } }
}

/// The services of a node that is ready.
///
/// A class, because each request takes them, and to copy so much for each costs more than some answers.
final class NodeServices: Sendable {
  let ingest: IngestService
  let queries: QueryService
  let metrics: NodeMetrics
  let settling: SettlingService
  let deletion: DeletionService
  let prometheus: PrometheusAPI
  /// The same, whose answers may be log records and spans.
  let own: PrometheusAPI
  let peers: PeerService
  let ledger: LedgerService
  /// Nil where the node belongs to no cluster.
  let cluster: ClusterNode?

  init(
    ingest: IngestService, queries: QueryService, metrics: NodeMetrics, settling: SettlingService,
    deletion: DeletionService, status: PrometheusStatus, peers: PeerService, ledger: LedgerService,
    cluster: ClusterNode?
  ) {
    (self.ingest, self.queries, self.metrics, self.settling) = (ingest, queries, metrics, settling)
    (self.deletion, self.peers) = (deletion, peers)
    prometheus = PrometheusAPI(queries: queries, status: status)
    own = PrometheusAPI(queries: queries, status: status, tellsEvents: true)
    (self.ledger, self.cluster) = (ledger, cluster)
  }
}
