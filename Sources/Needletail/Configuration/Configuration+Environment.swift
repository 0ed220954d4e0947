import Logging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Needletail.Configuration {
  /// The configuration that the OpenTelemetry environment variables describe.
  ///
  /// Read are `OTEL_SDK_DISABLED`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_ENDPOINT`,
  /// `_HEADERS` and `_TIMEOUT` (milliseconds) with the endpoint and the headers also per signal
  /// (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and so on), `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` and
  /// `OTEL_LOGS_EXPORTER` (`otlp` or `none`), `OTEL_TRACES_SAMPLER` and `_ARG`, `OTEL_BSP_SCHEDULE_DELAY`,
  /// `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, the same with `OTEL_BLRP_` for logs,
  /// `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SPAN_EVENT_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT`,
  /// `OTEL_ATTRIBUTE_COUNT_LIMIT`, `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` (bytes here), and `LOG_LEVEL`. A value that makes no sense is
  /// reported through ``diagnostics`` and the default stays, as the specification wants; but with an endpoint that is no
  /// URL nothing could be sent, and `Needletail.bootstrap` refuses it.
  ///
  /// - Parameters:
  ///   - serviceName: the `service.name` where the environment names none.
  ///   - environment: names and values.
  public init(serviceName: String, environment: [String: String]) {
    self.init(serviceName: serviceName)
    let reader = EnvironmentReader(values: environment)
    isDisabled = reader.text("OTEL_SDK_DISABLED")?.lowercased() == "true"
    for pair in reader.pairs("OTEL_RESOURCE_ATTRIBUTES") {
      if pair.name == "service.name" {
        self.serviceName = pair.value
      } else {
        resourceAttributes[pair.name] = pair.value
      }
    }
    if let name = reader.text("OTEL_SERVICE_NAME") { self.serviceName = name }
    let endpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"
    if let endpoint = reader.text(endpointVariable) {
      setEndpoint(endpoint)
      traces.endpointVariable = endpointVariable
      logs.endpointVariable = endpointVariable
      metrics.endpointVariable = endpointVariable
    }
    headers = reader.pairs("OTEL_EXPORTER_OTLP_HEADERS").map { Header(name: $0.name, value: $0.value) }
    if let timeout = reader.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT") { self.timeout = timeout }
    reader.apply(to: &traces, signal: "TRACES", batch: "OTEL_BSP")
    reader.apply(to: &logs, signal: "LOGS", batch: "OTEL_BLRP")
    reader.apply(to: &metrics, signal: "METRICS", batch: nil)
    if let interval = reader.milliseconds("OTEL_METRIC_EXPORT_INTERVAL") { metrics.interval = interval }
    if let sampler = reader.sampler() { self.sampler = sampler }
    if let limit = reader.count("OTEL_ATTRIBUTE_COUNT_LIMIT") { limits.attributes = limit }
    if let limit = reader.count("OTEL_SPAN_EVENT_COUNT_LIMIT") { limits.events = limit }
    if let limit = reader.count("OTEL_SPAN_LINK_COUNT_LIMIT") { limits.links = limit }
    if let limit = reader.count("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT") { limits.textBytes = limit }
    if let text = reader.text("LOG_LEVEL") {
      if let level = Logger.Level(rawValue: text.lowercased()) { logLevel = level } else { reader.refuse("LOG_LEVEL") }
    }
    if let encoding = reader.text("OTEL_EXPORTER_OTLP_PROTOCOL"), encoding != "http/protobuf" {
      reader.refuse("OTEL_EXPORTER_OTLP_PROTOCOL")
    }
    for message in reader.problems { diagnostics(message) }
  }

  /// The environment of this process.
  static func processEnvironment() -> [String: String] {
    var values: [String: String] = [:]
    for name in EnvironmentReader.names {
      if let value = getenv(name) { values[name] = String(cString: value) }
    }
    return values
  }
}

/// Reads settings out of environment variables and collects what it could not read.
final class EnvironmentReader {
  /// Every variable that is read.
  static let names: [String] =
    ["SERVICE_NAME", "SDK_DISABLED", "RESOURCE_ATTRIBUTES", "TRACES_SAMPLER", "TRACES_SAMPLER_ARG"].map { "OTEL_" + $0 }
    + ["OTEL_METRIC_EXPORT_INTERVAL", "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "LOG_LEVEL"]
    + ["OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_EXPORTER_OTLP_TIMEOUT"]
    + ["OTEL_EXPORTER_OTLP_PROTOCOL"]
    + ["", "TRACES_", "LOGS_", "METRICS_"].flatMap { signal in
      ["ENDPOINT", "HEADERS"].map { "OTEL_EXPORTER_OTLP_" + signal + $0 }
    }
    + ["TRACES", "LOGS", "METRICS"].map { "OTEL_\($0)_EXPORTER" }
    + ["BSP", "BLRP"].flatMap { processor in
      ["SCHEDULE_DELAY", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"].map { "OTEL_\(processor)_\($0)" }
    }

  private let values: [String: String]
  private(set) var problems: [String] = []

  init(values: [String: String]) { self.values = values }

  /// The value of a variable; an empty one counts as unset.
  func text(_ name: String) -> String? {
    guard let value = values[name]?.trimmingSpaces, !value.isEmpty else { return nil }
    return value
  }

  /// A count: 1 to 2^31 - 1.
  func count(_ name: String) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = Int32(text), value > 0 else {
      refuse(name)
      return nil
    }
    return Int(value)
  }

  /// A time in milliseconds.
  func milliseconds(_ name: String) -> Duration? { count(name).map { .milliseconds($0) } }

  /// `name=value` pairs separated by commas, percent-decoded.
  func pairs(_ name: String) -> [(name: String, value: String)] {
    guard let text = text(name) else { return [] }
    var pairs: [(name: String, value: String)] = []
    for item in text.split(separator: ",") {
      guard let equals = item.firstIndex(of: "="),
        let key = PercentEncoding.decode(String(item[..<equals]).trimmingSpaces), !key.isEmpty,
        let value = PercentEncoding.decode(String(item[item.index(after: equals)...]).trimmingSpaces)
      else {
        refuse(name)
        continue
      }
      pairs.append((key, value))
    }
    return pairs
  }

  /// `OTEL_TRACES_SAMPLER` with its argument.
  func sampler() -> Needletail.Sampler? {
    guard let name = text("OTEL_TRACES_SAMPLER") else { return nil }
    var ratio = 1.0
    if let argument = text("OTEL_TRACES_SAMPLER_ARG"), name.hasSuffix("traceidratio") {
      if let value = Double(argument), (0...1).contains(value) {
        ratio = value
      } else {
        refuse("OTEL_TRACES_SAMPLER_ARG")
      }
    }
    let samplers: KeyValuePairs<String, Needletail.Sampler> = [
      "always_on": .alwaysOn, "always_off": .alwaysOff, "traceidratio": .traceIDRatio(ratio),
      "parentbased_always_on": .parentBased(root: .alwaysOn), "parentbased_always_off": .parentBased(root: .alwaysOff),
      "parentbased_traceidratio": .parentBased(root: .traceIDRatio(ratio)),
    ]
    if let sampler = samplers.first(where: { $0.key == name })?.value { return sampler }
    // No secret, unlike other variables' values.
    problems.append(
      "OTEL_TRACES_SAMPLER is \(String(name.prefix(64)).debugDescription), which is none of "
        + samplers.map(\.key).joined(separator: ", ") + "; the default stays")
    return nil
  }

  /// What concerns one signal.
  func apply(to signal: inout Needletail.Configuration.Signal, signal name: String, batch: String?) {
    // A signal's own endpoint is the whole URL; only the common one gets a path appended.
    let endpointVariable = "OTEL_EXPORTER_OTLP_\(name)_ENDPOINT"
    if let endpoint = text(endpointVariable) {
      signal.endpoint = endpoint
      signal.endpointVariable = endpointVariable
    }
    signal.headers = pairs("OTEL_EXPORTER_OTLP_\(name)_HEADERS").map { .init(name: $0.name, value: $0.value) }
    switch text("OTEL_\(name)_EXPORTER") {
    case nil, "otlp": break
    case "none": signal.isEnabled = false
    default: refuse("OTEL_\(name)_EXPORTER")
    }
    guard let batch else { return }
    if let delay = milliseconds("\(batch)_SCHEDULE_DELAY") { signal.interval = delay }
    if let limit = count("\(batch)_MAX_QUEUE_SIZE") { signal.queueLimit = limit }
    if let limit = count("\(batch)_MAX_EXPORT_BATCH_SIZE") { signal.batchLimit = limit }
  }

  /// Notes that a variable has a value that cannot be used.
  ///
  /// The value itself may be a secret and is not repeated.
  func refuse(_ name: String) {
    problems.append("\(name) has a value that is not supported; the default stays")
  }
}
