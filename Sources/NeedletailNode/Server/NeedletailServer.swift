// The running process: the doors are bound first, then the storage is opened; it is the last to stop. A start that fails
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
  private static let drainTimeout = Duration.milliseconds(3500)
  private static let storageThreads = 2
  private static let stepCacheBytes = 32 << 20

  /// The settings that it runs with.
  package let configuration: ServerConfiguration
  private let logger: Logger
  private let progress: StartupProgress
  private let clock: any WallClock
  private let random: any RandomSource
  private let fileSystem: any FileSystem
  /// What a stop has time for.
  var stopTime: StopTime

  /// A server that is not running yet.
  ///
  /// Without a logger it writes logfmt to standard error.
  package init(configuration: ServerConfiguration, logger: Logger? = nil) {
    self.configuration = configuration
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
    let tls = try tls
    let node = NodeState()
    let requests = RequestCounters()
    let maintenance = MaintenanceCounters()
    let executor = ThreadExecutor(threads: Self.storageThreads)
    let queryExecutor = ThreadExecutor(threads: configuration.queryConcurrency)
    let peerExecutor = configuration.peerListen.map { _ in ThreadExecutor(threads: configuration.queryConcurrency) }
    let deadlines = QueryDeadlines(clock: clock)
    let storage = StorageService(
      configuration: configuration, executor: executor, clock: clock, random: random, fileSystem: fileSystem,
      logger: logger, counters: maintenance, stopTime: stopTime, mayOpen: progress.allBound,
      onOpen: { storage in
        node.open(nodeServices(storage, executor, (queryExecutor, peerExecutor, deadlines), requests, maintenance))
        progress.opened()
        logger.info("ready")
      },
      onClose: { node.close() })
    var services: [any Service] = [storage]
    // Not a service of the group: while it drains, queries still wait.
    let sweeping = Task { await deadlines.run() }
    if let interval = configuration.selfInterval {
      services.append(SelfObservation(node: node, interval: interval.duration, clock: clock, logger: logger))
    }
    services += listeners(node, tls, token, requests)
    var group = ServiceGroupConfiguration(services: services, logger: quiet)
    group.maximumGracefulShutdownDuration = Self.drainTimeout
    defer {
      sweeping.cancel()
      Task {
        await executor.shutDown()
        await queryExecutor.shutDown()
        await peerExecutor?.shutDown()
      }
    }
    try await withGracefulShutdownHandler {
      try await ServiceGroup(configuration: group).run()
    } onGracefulShutdown: {
      stopTime.begin()
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

  private func nodeServices(
    _ storage: NodeStorage, _ executor: ThreadExecutor,
    _ querying: (executor: ThreadExecutor, peers: ThreadExecutor?, deadlines: QueryDeadlines),
    _ requests: RequestCounters, _ maintenance: MaintenanceCounters
  ) -> NodeServices {
    let series = SeriesStore(engine: storage.series, losses: storage.losses)
    let events = EventStore(logs: storage.logs, spans: storage.spans, losses: storage.losses)
    func gate() -> QueryGate {
      QueryGate(runningMax: configuration.queryConcurrency, waitingMax: configuration.queryQueueMax)
    }
    let queries = QueryService(
      series: series, events: events, traces: events, exemplars: series, gate: gate(), executor: querying.executor,
      parallelism: min(System.coreCount, configuration.queryConcurrency),
      cache: StepCache(bytesMax: Self.stepCacheBytes),
      deadlines: querying.deadlines,
      limits: QueryLimits(samples: configuration.querySamplesMax, timeout: configuration.queryTimeout.duration),
      features: QueryFeatures(
        delaysNameRemoval: configuration.queryDelayedNameRemoval,
        usesStartTimestamps: configuration.queryStartTimestamps),
      clock: clock, counters: QueryCounters(), losses: storage.losses)
    let ingest = IngestService(storage: storage, bodyBytesMax: configuration.bodyBytesMax, clock: clock)
    let metrics = NodeMetrics(
      storage: storage, requests: requests, queries: queries, ingest: ingest, maintenance: maintenance,
      startedNanoseconds: clock.wallNanoseconds())
    let settling = SettlingService(storage: storage, executor: executor, clock: clock, counters: maintenance)
    let deletion = DeletionService(storage: storage, executor: executor, counters: maintenance)
    let status = PrometheusStatus(
      configuration: configuration, storage: storage, clock: clock,
      startedMilliseconds: clock.wallNanoseconds() / 1_000_000)
    let sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
    return NodeServices(
      ingest: ingest, queries: queries, metrics: metrics, settling: settling, deletion: deletion, status: status,
      peers: PeerService(
        sink: sink, queries: queries.forPeers(gate(), querying.peers ?? querying.executor), budget: ingest.budget),
      cluster: nil)
  }

  private func listeners(
    _ node: NodeState, _ tls: NIOSSLContext?, _ token: TokenCheck?, _ requests: RequestCounters
  ) -> [any Service] {
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
    if let address = configuration.peerListen {
      let responder = PeerResponder(node: node, token: token, counters: requests, clock: clock)
      listeners.append(
        listener(.peerListen, address, tls) { request, context in
          await responder.respond(to: request, context: context)
        })
    }
    return listeners
  }

  private func listener(
    _ setting: Setting, _ address: ListenAddress, _ tls: NIOSSLContext?,
    _ respond: @escaping @Sendable (Request, ConnectionContext) async -> Response
  ) -> ListenerService {
    let listener = HTTPListener(
      address: address, tls: tls, clock: clock, respond: respond, logger: silent,
      isForPeers: setting == .peerListen,
      onListening: { bound(setting, $0) })
    return ListenerService(setting: setting, address: address, listen: listener.run)
  }

  private var tls: NIOSSLContext? {
    get throws(StartupError) {
      guard let certificate = configuration.tlsCertificate, let key = configuration.tlsKey else { return nil }
      return try ServerTLS.context(certificate: certificate, key: key)
    }
  }

  private func bound(_ setting: Setting, _ address: ListenAddress) {
    logger.info("listening", metadata: ["what": "\(setting.rawValue)", "address": "\(address)"])
    progress.bound(setting, address)
  }
}
