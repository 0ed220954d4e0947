import CoreMetrics
import Logging
import NeedletailTestSupport
import ServiceLifecycle
import Synchronization
import Testing
import Tracing

@testable import Needletail

@Suite("Export over OTLP/HTTP", .timeLimit(.minutes(5)))
struct ExportTests {
  @Test("All three signals arrive as protobuf, with the resource and the configured headers")
  func allSignalsArrive() async throws {
    let receiver = try await OTLPReceiver()
    var configuration = testConfiguration(receiver.url)
    configuration.headers = [.init(name: "authorization", value: "Bearer secret")]
    configuration.resourceAttributes = ["service.version": "7"]
    let telemetry = Needletail.Telemetry(configuration)
    try await withRunning(telemetry) {
      telemetry.tracer.startSpan("work", context: .topLevel).end()
      Logger(label: "l", factory: telemetry.makeLogHandler).info("hello")
      Counter(label: "c", factory: telemetry.metricsFactory).increment(by: 3)
      await receiver.waitFor("/v1/traces")
      await receiver.waitFor("/v1/logs")
      await receiver.waitFor { requests in
        requests.contains {
          $0.path == "/v1/metrics" && (try? WireTree.sums("c", by: "", in: $0.body)) == ["": 3]
        }
      }
    }
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
      let request = try #require(receiver.requests(path).first)
      #expect(request.headers["content-type"] == "application/x-protobuf")
      #expect(request.headers["authorization"] == "Bearer secret")
      let resource = try WireTree(request.body).messages(1)[0].messages(1)[0].attributes(1)
      #expect(resource["service.name"] == "test" && resource["service.version"] == "7")
      #expect(resource["telemetry.sdk.language"] == "swift" && resource["service.instance.id"]?.count == 36)
    }
    #expect(try WireTree.records(receiver.requests("/v1/traces")[0].body)[0].texts(5) == ["work"])
    #expect(try WireTree.records(receiver.requests("/v1/logs")[0].body)[0].messages(5)[0].texts(1) == ["hello"])
  }

  @Test("A batch that the receiver cannot take now is sent again, the same", arguments: [429, 502, 503, 504])
  func retries(status: Int) async throws {
    let receiver = try await OTLPReceiver { path, earlier in
      .status(path == "/v1/traces" && earlier < 2 ? status : 200)
    }
    let telemetry = Needletail.Telemetry(testConfiguration(receiver.url))
    try await withRunning(telemetry) {
      telemetry.tracer.startSpan("once", context: .topLevel).end()
      let attempts = await receiver.waitFor("/v1/traces", count: 3)
      #expect(attempts[0].body == attempts[1].body && attempts[1].body == attempts[2].body)
    }
    let metrics = try #require(receiver.requests("/v1/metrics").last)
    let exported = try WireTree.sums("otel.sdk.exporter.span.exported", by: "error.type", in: metrics.body)
    #expect(exported == ["": 1, "refused": 0, "undeliverable": 0])
    #expect(receiver.requests("/v1/traces").count == 3)
  }

  @Test("A batch that the receiver refuses is not sent again, and is counted", arguments: [301, 400, 401, 413, 500])
  func refusals(status: Int) async throws {
    let receiver = try await OTLPReceiver { path, _ in
      path == "/v1/traces" ? .status(status, headers: ["Location": "/v1/elsewhere"]) : .status(200)
    }
    let telemetry = Needletail.Telemetry(testConfiguration(receiver.url))
    try await withRunning(telemetry) {
      telemetry.tracer.startSpan("refused", context: .topLevel).end()
      await receiver.waitFor("/v1/traces")
    }
    let metrics = try #require(receiver.requests("/v1/metrics").last)
    let exported = try WireTree.sums("otel.sdk.exporter.span.exported", by: "error.type", in: metrics.body)
    #expect(exported == ["": 0, "refused": 1, "undeliverable": 0])
    #expect(receiver.requests("/v1/traces").count == 1)
    #expect(receiver.requests("/v1/elsewhere").isEmpty)
  }

  @Test("Records that a successful answer refuses are counted")
  func partialSuccess() async throws {
    // partial_success { rejected_spans: 2, error_message: "no" }
    let answer: [UInt8] = [0x0a, 6, 0x08, 2, 0x12, 2, 0x6e, 0x6f]
    let receiver = try await OTLPReceiver { path, _ in .status(200, body: path == "/v1/traces" ? answer : []) }
    let telemetry = Needletail.Telemetry(testConfiguration(receiver.url))
    for _ in 0..<5 { telemetry.tracer.startSpan("s", context: .topLevel).end() }
    try await withRunning(telemetry) { _ = await receiver.waitFor("/v1/traces") }
    let metrics = try #require(receiver.requests("/v1/metrics").last)
    let exported = try WireTree.sums("otel.sdk.exporter.span.exported", by: "error.type", in: metrics.body)
    #expect(exported == ["": 3, "refused": 2, "undeliverable": 0])
  }

  @Test("A full queue drops what is new, and the export tells how much")
  func fullQueue() async throws {
    let receiver = try await OTLPReceiver()
    var configuration = testConfiguration(receiver.url)
    configuration.traces.queueLimit = 10
    configuration.traces.batchLimit = 4
    let telemetry = Needletail.Telemetry(configuration)
    for index in 0..<25 { telemetry.tracer.startSpan("span \(index)", context: .topLevel).end() }
    try await withRunning(telemetry) { _ = await receiver.waitFor("/v1/traces", count: 3) }
    let names = try receiver.requests("/v1/traces").flatMap { try WireTree.records($0.body) }.flatMap { $0.texts(5) }
    #expect(names == (0..<10).map { "span \($0)" })
    let metrics = try #require(receiver.requests("/v1/metrics").last)
    let processed = try WireTree.sums("otel.sdk.processor.span.processed", by: "error.type", in: metrics.body)
    #expect(processed == ["": 10, "queue_full": 15])
  }

  @Test("What waits is sent when the task is cancelled")
  func flushOnCancellation() async throws {
    let receiver = try await OTLPReceiver()
    let telemetry = Needletail.Telemetry(patient(receiver.url))
    telemetry.tracer.startSpan("last words", context: .topLevel).end()
    Logger(label: "l", factory: telemetry.makeLogHandler).info("last words")
    try await withRunning(telemetry) {}
    #expect(receiver.requests("/v1/traces").count == 1)
    #expect(receiver.requests("/v1/logs").count == 1)
    #expect(receiver.requests("/v1/metrics").count == 1)
  }

  @Test("What waits is sent when the service group shuts down")
  func flushOnGracefulShutdown() async throws {
    let receiver = try await OTLPReceiver()
    let telemetry = Needletail.Telemetry(patient(receiver.url))
    telemetry.tracer.startSpan("last words", context: .topLevel).end()
    let group = ServiceGroup(services: [telemetry], logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { try await group.run() }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
    #expect(receiver.requests("/v1/traces").count == 1)
  }

  @Test("A batch that could not be delivered before the shutdown is delivered by it")
  func interruptedBatch() async throws {
    let receiver = try await OTLPReceiver { path, earlier in
      .status(path == "/v1/traces" && earlier == 0 ? 503 : 200, headers: ["Retry-After": earlier == 0 ? "50" : "0"])
    }
    let telemetry = Needletail.Telemetry(testConfiguration(receiver.url))
    telemetry.tracer.startSpan("interrupted", context: .topLevel).end()
    try await withRunning(telemetry) { _ = await receiver.waitFor("/v1/traces") }
    #expect(receiver.requests("/v1/traces").count == 2)
  }

  @Test("A receiver that never answers, or is not there, does not hold up the end", arguments: [true, false])
  func endsWithoutReceiver(listens: Bool) async throws {
    let receiver = try await OTLPReceiver { _, _ in .silence }
    var configuration = patient(receiver.url)
    configuration.shutdownTimeout = .milliseconds(200)
    if !listens { try await receiver.close() }
    let told = Mutex<[String]>([])
    configuration.diagnostics = { message in told.withLock { $0.append(message) } }
    let telemetry = Needletail.Telemetry(configuration)
    telemetry.tracer.startSpan("lost", context: .topLevel).end()
    try await withRunning(telemetry) {}
    #expect(told.withLock { $0 }.contains { $0.hasPrefix("traces: ") })
  }

  @Test(
    "An endpoint that is no URL is reported, and costs the host nothing",
    arguments: ["", "nowhere", "ftp://h/x", "http://"])
  func hopelessEndpoint(url: String) async throws {
    var configuration = patient("http://127.0.0.1:1")
    configuration.traces.endpoint = url
    configuration.logs.isEnabled = false
    configuration.metrics.isEnabled = false
    configuration.shutdownTimeout = .milliseconds(500)
    let told = Mutex<[String]>([])
    configuration.diagnostics = { message in told.withLock { $0.append(message) } }
    let telemetry = Needletail.Telemetry(configuration)
    telemetry.tracer.startSpan("lost", context: .topLevel).end()
    try await withRunning(telemetry) {}
    #expect(told.withLock { $0.count } == 1)
  }

  @Test("A disabled instance runs until it is stopped, and sends nothing")
  func disabled() async throws {
    let receiver = try await OTLPReceiver()
    var configuration = patient(receiver.url)
    configuration.isDisabled = true
    let telemetry = Needletail.Telemetry(configuration)
    telemetry.tracer.startSpan("unheard", context: .topLevel).end()
    try await withRunning(telemetry) {}
    #expect(receiver.requests("/v1/traces").isEmpty && receiver.requests("/v1/metrics").isEmpty)
  }

  @Test("A second bootstrap throws instead of trapping")
  func secondBootstrap() throws {
    var configuration = Needletail.Configuration(serviceName: "test")
    configuration.isDisabled = true
    _ = try Needletail.bootstrap(configuration)
    #expect(throws: Needletail.BootstrapError.self) { try Needletail.bootstrap(configuration) }
  }

  /// Sends only when it ends.
  private func patient(_ url: String) -> Needletail.Configuration {
    var configuration = testConfiguration(url)
    configuration.traces.interval = .seconds(3_600)
    configuration.logs.interval = .seconds(3_600)
    configuration.metrics.interval = .seconds(3_600)
    return configuration
  }
}
