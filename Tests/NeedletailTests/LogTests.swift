import Logging
import NeedletailTestSupport
import Testing
import Tracing

@testable import Needletail

@Suite("Logs")
struct LogTests {
  private struct Broken: Error {}

  private func recorded(
    limits: Needletail.Configuration.Limits = .init(), provider: Logger.MetadataProvider? = nil,
    _ body: (inout Logger) throws -> Void
  ) throws -> [WireTree] {
    var configuration = Needletail.Configuration(serviceName: "test")
    configuration.logLevel = .trace
    configuration.limits = limits
    let queue = RecordQueue(configuration.logs)
    var logger = Logger(label: "label") { label in
      var handler = TelemetryLogHandler(label: label, queue: queue, configuration: configuration)
      handler.metadataProvider = provider
      return handler
    }
    try body(&logger)
    return try queue.take().map { try WireTree($0.bytes).messages(2) } ?? []
  }

  @Test("Each level has its severity number")
  func severities() throws {
    let records = try recorded { logger in
      for level in Logger.Level.allCases { logger.log(level: level, "m") }
    }
    #expect(records.map { $0[2] } == [1, 5, 9, 10, 13, 17, 21].map { [.varint($0)] })
    #expect(records.flatMap { $0.texts(3) } == ["trace", "debug", "info", "notice", "warning", "error", "critical"])
  }

  @Test("Metadata becomes typed attributes; what is said nearest stands")
  func metadata() throws {
    let provider = Logger.MetadataProvider { ["a": "provider", "b": "provider"] }
    let records = try recorded(provider: provider) { logger in
      logger[metadataKey: "a"] = "logger"
      logger[metadataKey: "b"] = "logger"
      logger[metadataKey: "c"] = "logger"
      logger.info(
        "m",
        metadata: [
          "a": "call", "n": .stringConvertible(7), "d": .stringConvertible(1.5), "t": .stringConvertible(true),
          "list": ["x", ["y"]], "map": ["k": ["deep": "v"]],
        ])
    }
    #expect(
      try records[0].attributes(6) == [
        "logger.name": "label", "a": "call", "b": "provider", "c": "logger", "n": "7", "d": "1.5", "t": "true",
        "list": "[x,[y]]", "map": "{k:{deep:v}}",
      ])
  }

  @Test("Records also go to standard error unless that is off, and then nothing is made for it")
  func console() {
    var configuration = Needletail.Configuration(serviceName: "test")
    #expect(Needletail.Telemetry(configuration).makeLogHandler(label: "l") is MultiplexLogHandler)
    configuration.console = .off
    #expect(Needletail.Telemetry(configuration).makeLogHandler(label: "l") is TelemetryLogHandler)
  }

  @Test("A record carries the span that it was said in, and none outside")
  func trace() throws {
    let configuration = Needletail.Configuration(serviceName: "test")
    let tracer = TelemetryTracer(
      recorder: SpanRecorder(
        configuration: configuration, queue: RecordQueue(configuration.traces), identifiers: IdentifierGenerator()))
    let span = tracer.startSpan("s", context: .topLevel)
    let records = try recorded { logger in
      ServiceContext.withValue(span.context) { logger.info("inside") }
      logger.info("outside")
    }
    let context = try #require(span.context.needletailSpanContext)
    let spanID = (0..<8).map { UInt8(truncatingIfNeeded: context.spanID >> UInt64(56 - 8 * $0)) }
    #expect(records[0][10] == [.bytes(spanID)] && records[0][9].count == 1)
    #expect(records[1][10].isEmpty && records[1][9].isEmpty)
  }

  @Test("An error becomes exception attributes")
  func error() throws {
    let records = try recorded { $0.error("failed", error: Broken()) }
    #expect(try records[0].attributes(6)["exception.type"]?.hasSuffix("Broken") == true)
  }

  @Test("Limits bound a record: its texts, its attributes and their depth")
  func limits() throws {
    var limits = Needletail.Configuration.Limits()
    limits.attributes = 3
    limits.textBytes = 4
    var deep: Logger.MetadataValue = "bottom"
    for _ in 0..<1_000 { deep = ["d": deep] }
    let records = try recorded(limits: limits) { logger in
      logger.info("1234567", metadata: ["deep": deep])
      logger.info("m", metadata: ["a": "1", "b": "2", "c": "3", "d": "4", "e": "5"])
    }
    #expect(try records[0].messages(5)[0].texts(1) == ["1234"])
    #expect(try records[0].attributes(6)["deep"]?.contains("…") == true)
    #expect(try records[1].attributes(6).count == 4 && records[1][7] == [.varint(2)])
  }
}
