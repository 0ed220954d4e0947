// The running process: the doors are bound first, then the storage is opened; it is the last to stop. A start that
// fails
// because of a port or a certificate has not touched the data folder. Until the log is read back the doors answer
// "starting", so that a supervisor sees a live process during a long replay.

import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry
import ServiceLifecycle

/// A Needletail server: everything that one process does.
package struct NeedletailServer: Service {
  /// How long requests in flight may take when the server is told to stop.
  ///
  /// Stopping as a whole takes at most five seconds.
  /// How often it is looked whether the certificate was renewed.
  private static let certificatePause = Duration.seconds(30)
  private static let drainTimeout = Duration.milliseconds(3500)
  private static let storageThreads = 2
  private static let repairThreads = 3
  private static let stepCacheBytes = 32 << 20

  /// The settings that it runs with.
  package let configuration: ServerConfiguration
  /// What other members of its cluster are told that it is.
  private let version: String
  private let logger: Logger
  private let progress: StartupProgress
  private let clock: any WallClock
  private let random: any RandomSource
  private let fileSystem: any FileSystem
  /// What a stop has time for.
  var stopTime: StopTime

  /// A server that is not running yet.
  ///
  /// Without a logger it writes logfmt to standard error. `version` is that of the program.
  package init(configuration: ServerConfiguration, version: String = "", logger: Logger? = nil) {
    self.configuration = configuration
    self.version = version
    let level = Logger.Level(rawValue: configuration.logLevel) ?? .info
    self.logger =
      logger ?? Logger(label: "needletail", factory: { LogfmtHandler(label: $0, level: level) })
    var expected: Set<Setting> = [.listen]
    if configuration.otlpHTTP != nil { expected.insert(.otlpHTTP) }
    if configuration.otlpGRPC != nil { expected.insert(.otlpGRPC) }
    if configuration.peerListen != nil { expected.insert(.peerListen) }
    progress = StartupProgress(expecting: expected)
    let clock = SystemClock()
    self.clock = clock
    stopTime = StopTime(clock: clock)
    random = SystemRandomSource()
    fileSystem = PosixFileSystem()
  }

  /// Waits until the server answers and tells where; throws `StartupError` where it cannot start.
  ///
  /// Call it beside `run`.
  package func started() async throws -> BoundAddresses { try await progress.wait() }

  /// Serves until the surrounding service group shuts down (or the task is cancelled), then drains and closes the
  /// storage.
  ///
  /// Throws `StartupError`.
  package func run() async throws {
    do {
      try await serve()
      progress.failed(StartupError("the server was stopped"))
    } catch {
      progress.failed(error)
      throw error
    }
  }

  private func serve() async throws {
    FreeMemory.bound()
    for warning in configuration.warnings { logger.warning("\(warning)") }
    if configuration.isInsecure {
      logger.warning("insecure: addresses that other machines reach need neither TLS nor a token")
    }
    let token = try configuration.tokenFile.map { path throws(ConfigurationError) in
      try TokenCheck(file: path, fileSystem: fileSystem, random: random)
    }
    let credentials = try NodeCredentials(configuration, fileSystem: fileSystem)
    let complaints = PeerComplaints(clock: clock, logger: logger)
    let node = NodeState()
    let requests = RequestCounters()
    let maintenance = MaintenanceCounters()
    let executor = ThreadExecutor(threads: Self.storageThreads)
    let queryExecutor = ThreadExecutor(threads: configuration.queryConcurrency)
    let peerExecutor = configuration.peerListen.map { _ in ThreadExecutor(threads: configuration.queryConcurrency) }
    let repairExecutor = configuration.nodeName.map { _ in ThreadExecutor(threads: Self.repairThreads) }
    let (clusters, clusterOpened) = AsyncStream.makeStream(of: ClusterNode.self)
    let deadlines = QueryDeadlines(clock: clock)
    let storage = StorageService(
      configuration: configuration, executor: executor, clock: clock, random: random, fileSystem: fileSystem,
      logger: logger, counters: maintenance, stopTime: stopTime, mayOpen: progress.allBound,
      onOpen: { storage in
        let services = try nodeServices(
          storage, Executors(storage: executor, queries: queryExecutor, peers: peerExecutor, repair: repairExecutor),
          deadlines, requests, maintenance, complaints, credentials)
        if let cluster = services.cluster { clusterOpened.yield(cluster) }
        clusterOpened.finish()
        node.open(services)
        progress.opened()
        logger.info("ready")
      },
      onClose: { node.close() })
    var services: [any Service] = [storage]
    if configuration.nodeName != nil { services.append(ClusterService(clusters: clusters)) }
    // Not a service of the group: while it drains, queries still wait.
    let sweeping = Task { await deadlines.run() }
    let rereading = Task { [logger] in
      await credentials?.watch(every: Self.certificatePause, on: executor, logger)
    }
    if let interval = configuration.selfInterval {
      services.append(SelfObservation(node: node, interval: interval.duration, clock: clock, logger: logger))
    }
    services += listeners(node, credentials, token, requests)
    services += peerListener(node, credentials, token, requests, complaints)
    var group = ServiceGroupConfiguration(services: services, logger: quiet)
    group.maximumGracefulShutdownDuration = Self.drainTimeout
    defer {
      sweeping.cancel()
      rereading.cancel()
      Task {
        await executor.shutDown()
        await queryExecutor.shutDown()
        await peerExecutor?.shutDown()
        await repairExecutor?.shutDown()
      }
    }
    try await withGracefulShutdownHandler {
      try await ServiceGroup(configuration: group).run()
    } onGracefulShutdown: {
      stopTime.begin()
      node.services?.cluster?.member.post(.stopping)
    }
    logger.info("stopped")
  }

  /// The group's own logger: what it says at info is of no use to an operator.
  private var quiet: Logger {
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    return quiet
  }

  /// The HTTP server's own logger: at error it reports nothing but that connections ended early, above all at every
  /// shutdown.
  private var silent: Logger {
    var silent = logger
    silent.logLevel = .critical
    return silent
  }

  /// The threads on which a node may wait for its disks.
  private struct Executors {
    var storage: ThreadExecutor
    var queries: ThreadExecutor
    var peers: ThreadExecutor?
    var repair: ThreadExecutor?
  }

  private func nodeServices(
    _ storage: NodeStorage, _ executors: Executors, _ deadlines: QueryDeadlines, _ requests: RequestCounters,
    _ maintenance: MaintenanceCounters, _ complaints: PeerComplaints, _ credentials: NodeCredentials?
  ) throws -> NodeServices {
    let series = SeriesStore(engine: storage.series, losses: storage.losses)
    let events = EventStore(logs: storage.logs, spans: storage.spans, losses: storage.losses)
    let own = queries(series, events, executors, deadlines, storage.losses)
    let peerQueries = own.forPeers(gate(), executors.peers ?? executors.queries)
    let cluster = try clusterNode(storage, series, events, peerQueries, executors, complaints, credentials)
    let queries = cluster.map { own.over($0.reads) } ?? own
    let sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
    let ingest = IngestService(
      sink: cluster?.writing.sink ?? sink, bodyBytesMax: configuration.bodyBytesMax, clock: clock,
      rates: configuration.tenantRates, sharers: sharers(cluster), seriesMax: configuration.tenantSeriesMax)
    let started = clock.wallNanoseconds()
    let ledger = LedgerService(
      ingest: ingest, cluster: cluster, complaints: complaints,
      health: NodeHealth(
        storage: storage, dataFolder: configuration.dataFolder, fileSystem: fileSystem, executor: executors.storage,
        maintenance: maintenance, certificateExpiry: { credentials?.expiry }),
      clock: clock, startedNanoseconds: started)
    let metrics = NodeMetrics(
      storage: storage, requests: requests, queries: queries, ingest: ingest, maintenance: maintenance,
      cluster: cluster, health: ledger.health, startedNanoseconds: started)
    return NodeServices(
      ingest: ingest, queries: queries, metrics: metrics,
      settling: SettlingService(storage: storage, executor: executors.storage, clock: clock, counters: maintenance),
      deletion: DeletionService(
        storage: storage, executor: executors.storage, counters: maintenance, isInCluster: cluster != nil),
      status: PrometheusStatus(
        configuration: configuration, storage: storage, clock: clock,
        startedMilliseconds: started / 1_000_000),
      peers: PeerService(sink: sink, queries: peerQueries, budget: ingest.budget, cluster: cluster, ledger: ledger),
      ledger: ledger,
      cluster: cluster)
  }

  /// How many nodes share what a tenant may send.
  private func sharers(_ cluster: ClusterNode?) -> @Sendable () -> Int {
    guard configuration.sharesTenantRates, let view = cluster?.view else { return { 1 } }
    return { view.collectorCount }
  }

  private func gate() -> QueryGate {
    QueryGate(runningMax: configuration.queryConcurrency, waitingMax: configuration.queryQueueMax)
  }

  /// Questions about what this node itself holds.
  private func queries(
    _ series: SeriesStore, _ events: EventStore, _ executors: Executors, _ deadlines: QueryDeadlines,
    _ losses: [String]
  ) -> QueryService {
    QueryService(
      series: series, events: events, traces: events, exemplars: series, gate: gate(), executor: executors.queries,
      parallelism: min(System.coreCount, configuration.queryConcurrency),
      cache: StepCache(bytesMax: Self.stepCacheBytes), deadlines: deadlines,
      limits: QueryLimits(samples: configuration.querySamplesMax, timeout: configuration.queryTimeout.duration),
      features: QueryFeatures(
        delaysNameRemoval: configuration.queryDelayedNameRemoval,
        usesStartTimestamps: configuration.queryStartTimestamps),
      clock: clock, counters: QueryCounters(), losses: losses)
  }

  /// Nil where the node is no member of a cluster.
  private func clusterNode(
    _ storage: NodeStorage, _ series: SeriesStore, _ events: EventStore, _ queries: QueryService,
    _ executors: Executors, _ complaints: PeerComplaints, _ credentials: NodeCredentials?
  ) throws -> ClusterNode? {
    guard let repairExecutor = executors.repair, let listened = progress.address(of: .peerListen) else { return nil }
    // The host as it was written: certificates are of names.
    let address =
      configuration.peerAdvertise
      ?? ListenAddress(host: configuration.peerListen?.host ?? listened.host, port: listened.port)
    return try ClusterNode(
      configuration,
      ClusterNode.Surroundings(
        storage: storage, series: series, events: events, queries: queries, address: address,
        version: version,
        executor: executors.storage, repairExecutor: repairExecutor, fileSystem: fileSystem, clock: clock,
        random: random, logger: logger, complaints: complaints, credentials: credentials))
  }

  private func listeners(
    _ node: NodeState, _ credentials: NodeCredentials?, _ token: TokenCheck?, _ requests: RequestCounters
  ) -> [any Service] {
    let tls = credentials.map { credentials in { @Sendable in credentials.clients } }
    var listeners: [any Service] = []
    let ports: [(Setting, ListenAddress?)] = [
      (.otlpGRPC, configuration.otlpGRPC), (.otlpHTTP, configuration.otlpHTTP), (.listen, configuration.listen),
    ]
    for (setting, address) in ports {
      guard let address else { continue }
      let responder = APIResponder(
        node: node, token: token, isOTLPOnly: setting != .listen, counters: requests, clock: clock, logger: logger)
      listeners.append(
        listener(setting, address, tls) { request, context in
          await responder.respond(to: request, context: context)
        })
    }
    return listeners
  }

  /// The port for other nodes, where there is one.
  private func peerListener(
    _ node: NodeState, _ credentials: NodeCredentials?, _ token: TokenCheck?, _ requests: RequestCounters,
    _ complaints: PeerComplaints
  ) -> [any Service] {
    guard let address = configuration.peerListen else { return [] }
    let tls = credentials.map { credentials in { @Sendable in credentials.peers } }
    let responder = PeerResponder(node: node, token: token, counters: requests, clock: clock)
    return [
      listener(.peerListen, address, tls, refused: { complaints.tell($0, side: .called) }) { request, context in
        await responder.respond(to: request, context: context)
      }
    ]
  }

  private func listener(
    _ setting: Setting, _ address: ListenAddress, _ tls: (@Sendable () -> NIOSSLContext)?,
    refused: (@Sendable (PeerTLSFailure.Handshake) -> Void)? = nil,
    _ respond: @escaping @Sendable (Request, ConnectionContext) async -> Response
  ) -> ListenerService {
    let listener = HTTPListener(
      address: address, tls: tls, clock: clock, respond: respond, logger: silent,
      isForPeers: setting == .peerListen, refused: refused,
      onListening: { bound(setting, $0) })
    return ListenerService(setting: setting, address: address, listen: listener.run)
  }

  private func bound(_ setting: Setting, _ address: ListenAddress) {
    logger.info("listening", metadata: ["what": "\(setting.rawValue)", "address": "\(address)"])
    progress.bound(setting, address)
  }
}
