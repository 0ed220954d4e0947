// One instance of the SDK: the queues that the three façades record into, and the tasks that send. Tests make as many as they
// like; `Needletail.bootstrap` makes one and gives it to the process.

import AsyncHTTPClient
import CoreMetrics
import Logging
import NeedletailOTLP
import ServiceLifecycle
import Synchronization
import Tracing

extension Needletail {
  /// The service that sends telemetry while it runs.
  ///
  /// Until it runs, records wait in their bounded queues. When it is shut down gracefully, or its task is cancelled, it
  /// sends what waits, for at most ``Configuration/shutdownTimeout``, and returns.
  public final class Telemetry: Service {
    private let configuration: Configuration
    private let spans: RecordQueue
    private let logs: RecordQueue
    private let registry: MetricRegistry
    private let recorder: SpanRecorder
    private let spanExporter: SignalExporter
    private let logExporter: SignalExporter
    private let metricExporter: SignalExporter
    private let selfMetrics: SelfMetrics
    private let processMetrics: ProcessMetrics
    private let isRunning = Atomic<Bool>(false)

    init(_ configuration: Configuration) {
      self.configuration = configuration
      let start = WallClock.nanoseconds
      let identifiers = IdentifierGenerator()
      let frame = ExportRequestFrame(
        scopeName: "needletail", scopeVersion: Needletail.version,
        resource: Resource.attributes(configuration, identifiers))
      let exporter = { name in
        SignalExporter(name: name, frame: frame, configuration: configuration, identifiers: identifiers)
      }
      spans = RecordQueue(configuration.traces)
      logs = RecordQueue(configuration.logs)
      registry = MetricRegistry(configuration: configuration)
      recorder = SpanRecorder(configuration: configuration, queue: spans, identifiers: identifiers)
      spanExporter = exporter("traces")
      logExporter = exporter("logs")
      metricExporter = exporter("metrics")
      selfMetrics = SelfMetrics(
        sources: [
          .init(noun: "span", queue: spans, exporter: spanExporter),
          .init(noun: "log", queue: logs, exporter: logExporter),
          .init(noun: "metric_data_point", queue: nil, exporter: metricExporter),
        ], registry: registry, start: start)
      processMetrics = ProcessMetrics(start: start)
    }

    /// Sends batches until the service is shut down or its task is cancelled, then sends what is left.
    ///
    /// A second call while one runs returns when it is shut down, and sends nothing.
    public func run() async throws {
      guard !configuration.isDisabled, !isRunning.exchange(true, ordering: .sequentiallyConsistent) else {
        try? await gracefulShutdown()
        return
      }
      defer { isRunning.store(false, ordering: .sequentiallyConsistent) }
      let http = makeClient()
      await cancelWhenGracefulShutdown { await self.exportUntilCancelled(http) }
      // In a task of its own: this one may be cancelled, and what is left is to be sent all the same.
      await Task {
        // A quarter of the time was for the attempts that were under way.
        let deadline = ContinuousClock.now.advanced(by: self.configuration.shutdownTimeout * 3 / 4)
        await self.flush(http, deadline: deadline)
        try? await http.shutdown()
      }.value
    }

    /// The tracer of this instance.
    var tracer: TelemetryTracer { TelemetryTracer(recorder: recorder) }

    /// The metrics factory of this instance.
    var metricsFactory: TelemetryMetricsFactory { TelemetryMetricsFactory(registry: registry) }

    /// A log handler of this instance.
    func makeLogHandler(label: String) -> any LogHandler {
      let handler = TelemetryLogHandler(label: label, queue: logs, configuration: configuration)
      guard configuration.console == .standardError else { return handler }
      var console = StreamLogHandler.standardError(label: label)
      console.logLevel = configuration.logLevel
      return MultiplexLogHandler([handler, console])
    }

    // MARK: Sending

    private func makeClient() -> HTTPClient {
      var client = HTTPClient.Configuration()
      client.timeout.connect = .init(min(configuration.timeout, .seconds(5)))
      client.redirectConfiguration = .disallow
      // The retry policy decides when to try again, and a flush must not wait for a receiver that is gone.
      client.connectionPool.retryConnectionEstablishment = false
      // The SDK's own requests are nobody's trace.
      client.tracing.tracer = nil
      return HTTPClient(configuration: client)
    }

    private func client(_ http: HTTPClient, _ signal: Configuration.Signal) -> OTLPClient {
      OTLPClient(http: http, url: signal.endpoint, headers: configuration.headers + signal.headers)
    }

    private func exportUntilCancelled(_ http: HTTPClient) async {
      await withTaskGroup { group in
        for (queue, exporter, signal) in [
          (spans, spanExporter, configuration.traces), (logs, logExporter, configuration.logs),
        ] where signal.isEnabled {
          let client = client(http, signal)
          group.addTask { await Self.tick(queue, every: signal.interval) }
          group.addTask {
            for await _ in queue.wakeups { await Self.drain(queue, exporter, client, deadline: nil) }
          }
        }
        if configuration.metrics.isEnabled {
          let client = client(http, configuration.metrics)
          let interval = configuration.metrics.interval
          group.addTask {
            while (try? await Task.sleep(for: interval)) != nil { await self.exportMetrics(client, deadline: nil) }
          }
        }
      }
    }

    /// Wakes a queue's sender at an interval.
    private static func tick(_ queue: RecordQueue, every interval: Duration) async {
      while (try? await Task.sleep(for: interval)) != nil { queue.requestFlush() }
    }

    /// Sends what waits in a queue, until it is empty or the task is cancelled.
    private static func drain(
      _ queue: RecordQueue, _ exporter: SignalExporter, _ client: OTLPClient, deadline: ContinuousClock.Instant?
    ) async {
      while !Task.isCancelled, let batch = queue.take() {
        switch await exporter.export(batch, through: client, deadline: deadline) {
        case .settled: queue.finish(batch)
        case .interrupted: queue.restore(batch)
        }
      }
    }

    private func exportMetrics(_ client: OTLPClient, deadline: ContinuousClock.Instant?) async {
      var batch = RecordBatch(capacity: 4_096)
      let time = WallClock.nanoseconds
      var count = registry.collect(into: &batch)
      count += selfMetrics.collect(into: &batch, time: time)
      if configuration.recordsProcessMetrics { count += processMetrics.collect(into: &batch, time: time) }
      // Sums are cumulative: one that is not delivered is made up for by the next.
      _ = await metricExporter.export(batch, points: count, through: client, deadline: deadline)
    }

    /// Sends all that waits; metrics last, so that they tell what became of the rest.
    private func flush(_ http: HTTPClient, deadline: ContinuousClock.Instant) async {
      let now = ContinuousClock.now
      // A receiver that does not answer must not eat the metrics' share of the time.
      let recordsDeadline = now.advanced(by: now.duration(to: deadline) * 7 / 10)
      await withTaskGroup { group in
        for (queue, exporter, signal) in [
          (spans, spanExporter, configuration.traces), (logs, logExporter, configuration.logs),
        ] where signal.isEnabled {
          let client = client(http, signal)
          group.addTask { await Self.drain(queue, exporter, client, deadline: recordsDeadline) }
        }
      }
      if configuration.metrics.isEnabled {
        await exportMetrics(client(http, configuration.metrics), deadline: deadline)
      }
    }
  }
}
