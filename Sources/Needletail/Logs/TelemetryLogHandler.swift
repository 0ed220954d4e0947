import Logging
import NeedletailOTLP
import Tracing

/// The handler that swift-log is given.
struct TelemetryLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  var logLevel: Logger.Level

  private let label: String
  private let queue: RecordQueue
  private let limits: Needletail.Configuration.Limits

  init(label: String, queue: RecordQueue, configuration: Needletail.Configuration) {
    self.label = label
    self.queue = queue
    limits = configuration.limits
    logLevel = configuration.logLevel
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var writer = ProtobufWriter(capacity: 256)
    writer.logRecord(
      nanoseconds: WallClock.nanoseconds, severityNumber: event.level.severityNumber,
      severityText: event.level.severityText, body: event.message.description.truncated(toBytes: limits.textBytes))
    writer.attribute(LogRecordField.attributes, "logger.name", label)
    if let error = event.error {
      writer.attribute(LogRecordField.attributes, "exception.type", String(reflecting: type(of: error)))
      writer.attribute(
        LogRecordField.attributes, "exception.message", String(describing: error).truncated(toBytes: limits.textBytes))
    }
    writeMetadata(of: event, to: &writer)
    if let span = ServiceContext.current?.needletailSpanContext {
      writer.logTrace(
        traceIDHigh: span.traceIDHigh, traceIDLow: span.traceIDLow, spanID: span.spanID, flags: UInt32(span.flags))
    }
    queue.append(writer.bytes)
  }

  /// Writes the metadata of the call, then the provider's, then the logger's: what was said nearest stands, and
  /// no dictionary is merged for it.
  private func writeMetadata(of event: LogEvent, to writer: inout ProtobufWriter) {
    let called = event.metadata ?? [:]
    let provided = metadataProvider?.get() ?? [:]
    var left = limits.attributes
    for (name, value) in called where left > 0 {
      left -= 1
      write(name, value, to: &writer)
    }
    for (name, value) in provided where left > 0 && called[name] == nil {
      left -= 1
      write(name, value, to: &writer)
    }
    for (name, value) in metadata where left > 0 && called[name] == nil && provided[name] == nil {
      left -= 1
      write(name, value, to: &writer)
    }
    let total = Set(called.keys).union(provided.keys).union(metadata.keys)
    if left == 0, total.count > limits.attributes {
      writer.field(7, varint: UInt64(total.count - limits.attributes))
    }
  }

  private func write(_ name: String, _ value: Logger.Metadata.Value, to writer: inout ProtobufWriter) {
    writer.attribute(LogRecordField.attributes, name) {
      $0.anyValue(value, textBytes: limits.textBytes, depth: 0)
    }
  }
}

extension ProtobufWriter {
  /// The depth below which nested metadata is written as its description.
  private static let metadataDepthLimit = 8

  /// Writes the content of an `AnyValue`.
  fileprivate mutating func anyValue(_ value: Logger.Metadata.Value, textBytes: Int, depth: Int) {
    if depth >= Self.metadataDepthLimit {
      anyValue("…")
      return
    }
    switch value {
    case .string(let text): anyValue(text.truncated(toBytes: textBytes))
    case .stringConvertible(let value as Int): anyValue(Int64(value))
    case .stringConvertible(let value as Double): anyValue(value)
    case .stringConvertible(let value as Bool): anyValue(value)
    case .stringConvertible(let value): anyValue(value.description.truncated(toBytes: textBytes))
    case .array(let values):
      anyValue(array: values) { $0.anyValue($1, textBytes: textBytes, depth: depth + 1) }
    case .dictionary(let pairs):
      anyValue(map: { writer in
        for (name, value) in pairs {
          writer.attribute(1, name) { $0.anyValue(value, textBytes: textBytes, depth: depth + 1) }
        }
      })
    }
  }
}

extension Logger.Level {
  /// `SeverityNumber` of OTLP (logs data model, "Mapping of SeverityNumber").
  fileprivate var severityNumber: UInt8 {
    switch self {
    case .trace: 1
    case .debug: 5
    case .info: 9
    case .notice: 10
    case .warning: 13
    case .error: 17
    case .critical: 21
    }
  }

  /// The level's name in swift-log.
  fileprivate var severityText: String { rawValue }
}
