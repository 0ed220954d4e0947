import Logging

extension Needletail {
  /// Where telemetry goes, what is sampled and how much is held.
  ///
  /// Durations and limits are those of the OpenTelemetry SDK specification unless said otherwise.
  public struct Configuration: Sendable {
    /// The `service.name` of the resource.
    public var serviceName: String
    /// Further resource attributes (`service.version`, `deployment.environment.name` and so on).
    public var resourceAttributes: [String: String] = [:]
    /// Where spans go and how they are batched.
    public var traces: Signal
    /// Where log records go and how they are batched.
    public var logs: Signal
    /// Where metrics go; ``Signal/interval`` is how often they are collected.
    public var metrics: Signal
    /// Headers of every export request, for credentials.
    public var headers: [Header] = []
    /// The time that one export request may take.
    ///
    /// 10 seconds.
    public var timeout: Duration = .seconds(10)
    /// How requests that failed are repeated.
    public var retry = Retry()
    /// The time that the last export may take when the service stops.
    ///
    /// 5 seconds.
    public var shutdownTimeout: Duration = .seconds(5)
    /// Which traces are recorded.
    ///
    /// Parent-based, always on for roots.
    public var sampler: Sampler = .parentBased(root: .alwaysOn)
    /// What one span or log record may hold.
    public var limits = Limits()
    /// The bounds of histograms by metric name, where the standard ones do not fit: seconds for a `Timer`.
    public var histogramBounds: [String: [Double]] = [:]
    /// The series that one metric may have; further ones are recorded under `otel.metric.overflow`.
    ///
    /// 2,000.
    public var metricCardinalityLimit: Int = 2_000
    /// Whether the process's own processor time and memory are sent.
    public var recordsProcessMetrics: Bool = true
    /// The level of loggers that are made.
    public var logLevel: Logger.Level = .info
    /// Where log records go besides OTLP.
    ///
    /// Standard error, as without the SDK. Nothing is formatted for it when it is ``Console/off``.
    public var console: Console = .standardError
    /// Whether the SDK does nothing at all.
    public var isDisabled: Bool = false
    /// What is told about the SDK's own trouble (a refused request, an unknown setting).
    ///
    /// At most one message a minute and signal; standard error unless set.
    public var diagnostics: @Sendable (String) -> Void = { StandardError.write($0) }

    /// The defaults: everything goes to `http://localhost:4318`.
    ///
    /// - Parameter serviceName: the `service.name`.
    public init(serviceName: String) {
      self.serviceName = serviceName
      traces = Signal(endpoint: "http://localhost:4318/v1/traces", interval: .seconds(5))
      logs = Signal(endpoint: "http://localhost:4318/v1/logs", interval: .seconds(1))
      metrics = Signal(endpoint: "http://localhost:4318/v1/metrics", interval: .seconds(60))
    }

    /// Sends all signals to one OTLP/HTTP endpoint.
    ///
    /// - Parameter url: scheme, host and port, such as `http://127.0.0.1:4318`; `/v1/traces` and so on are appended.
    public mutating func setEndpoint(_ url: String) {
      let base = url.hasSuffix("/") && !url.hasSuffix("://") ? String(url.dropLast()) : url
      traces.endpoint = base + "/v1/traces"
      logs.endpoint = base + "/v1/logs"
      metrics.endpoint = base + "/v1/metrics"
      traces.endpointVariable = nil
      logs.endpointVariable = nil
      metrics.endpointVariable = nil
    }

    /// What keeps a signal that is on from being sent at all, and what to write instead; nil where all is well.
    ///
    /// The value may hold a password and is not repeated.
    var endpointProblem: String? {
      let signals = [("traces", traces), ("logs", logs), ("metrics", metrics)]
      guard !isDisabled,
        let (name, signal) = signals.first(where: { $1.isEnabled && !Self.isSendable($1.endpoint) })
      else { return nil }
      let place = signal.endpointVariable ?? "the endpoint of \(name)"
      return "\(place) is not a URL of scheme and host: write it as http://localhost:4318"
    }

    private static func isSendable(_ url: String) -> Bool {
      guard let scheme = ["http://", "https://"].first(where: { url.lowercased().hasPrefix($0) }) else { return false }
      let authority = url.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
      let place = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
      // An address of IPv6 has colons of its own, and brackets around them.
      let end =
        place.first == "[" ? place.firstIndex(of: "]").map { place.index(after: $0) } : place.firstIndex(of: ":")
      guard let host = end.map({ place[..<$0] }) ?? (place.first == "[" ? nil : place), !host.isEmpty else {
        return false
      }
      return isPort(place[host.endIndex...]) && url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// Whether nothing, or a colon and a port, stands behind a host: with a port that there is none of the HTTP client ends
    /// the process.
    private static func isPort(_ text: Substring) -> Bool {
      guard !text.isEmpty else { return true }
      let digits = text.dropFirst()
      guard text.first == ":", digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
      return Int(digits).map { (1...65_535).contains($0) } ?? false
    }
  }
}

extension Needletail.Configuration {
  /// Where log records can be read without a server.
  public enum Console: Sendable {
    /// On standard error, a line a record, written by swift-log's own handler (which may block on it).
    case standardError
    /// Nowhere: records go out over OTLP alone.
    case off
  }

  /// One signal's way out.
  public struct Signal: Sendable {
    /// The URL that requests are posted to.
    ///
    /// `Needletail.bootstrap` refuses one that is neither http nor https, or names no host.
    public var endpoint: String
    /// The environment variable that ``endpoint`` is from, if it is from one.
    var endpointVariable: String?
    /// The longest time that a record waits for its batch to fill.
    public var interval: Duration
    /// The records that may wait and be on their way; more are dropped and counted.
    ///
    /// 2,048.
    public var queueLimit: Int = 2_048
    /// The bytes that may wait and be on their way; more are dropped and counted.
    ///
    /// 8 MiB.
    public var queueByteLimit: Int = 8 << 20
    /// The records of one request.
    ///
    /// 512.
    public var batchLimit: Int = 512
    /// Headers of this signal's requests, besides those of all.
    public var headers: [Header] = []
    /// Whether the signal is recorded at all.
    public var isEnabled: Bool = true

    /// A signal with the standard limits.
    public init(endpoint: String, interval: Duration) {
      self.endpoint = endpoint
      self.interval = interval
    }
  }

  /// A header of export requests.
  ///
  /// Its value is a secret: it describes itself without it.
  public struct Header: Sendable, CustomStringConvertible, CustomReflectable {
    /// The header's name.
    public var name: String
    /// The header's value.
    public var value: String

    /// A header.
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }

    /// The name alone.
    public var description: String { "\(name): <redacted>" }

    /// The name alone.
    public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
  }

  /// How a failed request (429, 502, 503, 504, or no answer) is repeated.
  ///
  /// The wait before the n-th repetition is random between half and all of `min(first * 2^(n-1), longest)`; a
  /// `Retry-After` makes it longer where it asks for more.
  public struct Retry: Sendable {
    /// The base of the first wait.
    ///
    /// 1 second.
    public var first: Duration = .seconds(1)
    /// The longest wait that the backoff grows to.
    ///
    /// 30 seconds.
    public var longest: Duration = .seconds(30)
    /// A batch is given up, and counted as lost, when it could not be delivered for this long.
    ///
    /// 2 minutes.
    public var total: Duration = .seconds(120)

    /// The standard waits.
    public init() {}
  }

  /// What one span or log record may hold; the rest is dropped and the span says how much.
  public struct Limits: Sendable {
    /// Attributes of a span, an event, a link or a log record.
    ///
    /// 128.
    public var attributes: Int = 128
    /// Events of a span.
    ///
    /// 128.
    public var events: Int = 128
    /// Links of a span.
    ///
    /// 128.
    public var links: Int = 128
    /// UTF-8 bytes of a text: an attribute's value, a name, a log message.
    ///
    /// 16,384; the specification has no limit, but memory does.
    public var textBytes: Int = 16_384

    /// The standard limits.
    public init() {}
  }
}
