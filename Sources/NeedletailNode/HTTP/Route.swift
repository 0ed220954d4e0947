// Which resource a path names. One table, read top to bottom, instead of a tree of handlers: the prefixes under which
// clients expect the same resource are written down once.

import NeedletailOTLP

/// What a request's path asks for.
enum Route: Hashable, Sendable {
  case otlp(OTLPSignal)
  case remoteWrite
  case remoteRead
  case prometheus(PrometheusRoute)
  case loki(LokiRoute)
  case tempo(TempoRoute)
  case needletail(NeedletailRoute)
  case healthy
  case ready
  case ownMetrics

  /// Whether the resource takes data in.
  var isIngest: Bool {
    switch self {
    case .otlp, .remoteWrite: true
    default: false
    }
  }

  /// Whether the resource is open to everyone who reaches the port.
  var isOpen: Bool { self == .healthy || self == .ready }

  /// The methods that the resource knows.
  var methods: [String] {
    switch self {
    case .otlp, .remoteWrite, .remoteRead: ["POST"]
    case .healthy, .ready, .ownMetrics: ["GET", "HEAD"]
    case .prometheus(let route): route.takesForms ? ["GET", "POST"] : ["GET"]
    case .loki: ["GET", "POST"]
    case .tempo: ["GET"]
    case .needletail(let route): route.methods
    }
  }
}

enum PrometheusRoute: Hashable, Sendable {
  case query
  case queryRange
  case queryExemplars
  case series
  case labels
  /// nil of a name that is not UTF-8.
  case labelValues(String?)
  case metadata
  case formatQuery
  case parseQuery
  /// Not of Prometheus: how a query would be carried out.
  case explain
  case buildInformation
  /// What is to be told of the server itself.
  case status(PrometheusStatus.Question)
  /// What clients ask for and there is nothing of yet.
  case empty(PrometheusEmptyAnswer)

  var takesForms: Bool {
    switch self {
    case .query, .queryRange, .queryExemplars, .series, .labels, .formatQuery, .parseQuery, .explain: true
    case .labelValues, .metadata, .buildInformation, .status, .empty: false
    }
  }
}

enum LokiRoute: Hashable, Sendable {
  case query
  case queryRange
  case series
  case labels
  case labelValues(String)
  case buildInformation
}

enum TempoRoute: Hashable, Sendable {
  case trace(String)
  /// The same with what is to be told of it: Tempo's `TraceByIDResponse`.
  case toldTrace(String)
  case search
  case echo
}

/// What is our own.
enum NeedletailRoute: Hashable, Sendable {
  /// Prometheus' query and query_range, whose answers may also be log records and spans.
  case query
  case queryRange
  /// How either would be carried out.
  case explain
  /// Brings what is in memory into parts, and merges these.
  case flush
  /// A copy of all parts in the data folder; under the path of Prometheus' API.
  case snapshot
  /// Deletes what selectors name; under the path of Prometheus' API.
  case deleteSeries
  /// Rewrites the parts of which something is deleted; under the path of Prometheus' API.
  case cleanTombstones
  /// What became of all that came in, and how the nodes are.
  case ledger
  /// The cluster that the node belongs to.
  case cluster(ClusterRoute)

  var methods: [String] {
    switch self {
    case .query, .queryRange, .explain: ["GET", "POST"]
    case .ledger: ["GET"]
    case .flush: ["POST"]
    case .snapshot, .deleteSeries, .cleanTombstones: ["POST", "PUT"]
    case .cluster(let route): route.methods
    }
  }
}

/// What is told of a cluster, and how it is steered.
enum ClusterRoute: String, Sendable {
  case status
  case ring
  case add
  case drain
  case remove
  case set
  case cancel
  case repair

  var methods: [String] {
    switch self {
    case .status, .ring: ["GET"]
    case .add, .drain, .remove, .set, .cancel, .repair: ["POST"]
    }
  }
}

extension Route {
  private static let otlpPrefixes: [[Substring]] = [
    [], ["api", "v1", "otlp"], ["otlp"], ["opentelemetry"], ["insert", "opentelemetry"], ["_otlp"],
  ]

  /// Paths that stand for themselves, also behind Prometheus' prefix.
  ///
  /// Looked up at once: comparing with one after the other costs more than some questions.
  private static let fixed: [[Substring]: Route] = [
    ["api", "v1", "write"]: .remoteWrite, ["api", "v1", "push"]: .remoteWrite,
    ["api", "v1", "read"]: .remoteRead, ["-", "healthy"]: .healthy,
    ["-", "ready"]: .ready, ["ready"]: .ready, ["tempo", "ready"]: .ready, ["metrics"]: .ownMetrics,
    ["api", "v1", "admin", "tsdb", "snapshot"]: .needletail(.snapshot),
    ["api", "v1", "admin", "tsdb", "delete_series"]: .needletail(.deleteSeries),
    ["api", "v1", "admin", "tsdb", "clean_tombstones"]: .needletail(.cleanTombstones),
    ["api", "v1", "query"]: .prometheus(.query), ["api", "v1", "query_range"]: .prometheus(.queryRange),
    ["api", "v1", "query_exemplars"]: .prometheus(.queryExemplars), ["api", "v1", "series"]: .prometheus(.series),
    ["api", "v1", "labels"]: .prometheus(.labels), ["api", "v1", "metadata"]: .prometheus(.metadata),
    ["api", "v1", "format_query"]: .prometheus(.formatQuery),
    ["api", "v1", "parse_query"]: .prometheus(.parseQuery),
    ["api", "v1", "status", "buildinfo"]: .prometheus(.buildInformation),
  ]

  /// The fixed paths as most clients write them, which are found without being taken apart.
  private static let common: [String: Route] = Dictionary(
    uniqueKeysWithValues: fixed.map { ("/" + $0.key.joined(separator: "/"), $0.value) })

  /// The route of a path, still percent-encoded; nil where there is none.
  ///
  /// A slash at the end makes no difference.
  init?(path: some StringProtocol) {
    if let route = Self.common[String(path)] {
      self = route
      return
    }
    let parts = Substring(path).split(separator: "/")
    guard parts.count <= 12 else { return nil }
    if let signal = Self.otlpSignal(parts) {
      self = .otlp(signal)
      return
    }
    let rest = parts.first == "prometheus" ? Array(parts.dropFirst()) : parts
    if let route = Self.fixed[rest] {
      self = route
    } else if rest.starts(with: ["api", "v1"]), let route = PrometheusRoute(rest.dropFirst(2)) {
      self = .prometheus(route)
    } else if parts.starts(with: ["loki", "api", "v1"]), let route = LokiRoute(parts.dropFirst(3)) {
      self = .loki(route)
    } else if parts.starts(with: ["tempo", "api"]), let route = TempoRoute(parts.dropFirst(2)) {
      self = .tempo(route)
    } else if parts.starts(with: ["needletail", "v1"]), let route = NeedletailRoute(parts.dropFirst(2)) {
      self = .needletail(route)
    } else {
      return nil
    }
  }

  private static func otlpSignal(_ parts: [Substring]) -> OTLPSignal? {
    guard parts.count >= 2, parts[parts.count - 2] == "v1", let last = parts.last,
      let signal = OTLPSignal.allCases.first(where: { $0.name == last })
    else { return nil }
    return otlpPrefixes.contains(Array(parts.dropLast(2))) ? signal : nil
  }
}

extension PrometheusRoute {
  /// Of what is behind `/api/v1`, and no fixed path.
  fileprivate init?(_ parts: ArraySlice<Substring>) {
    switch Array(parts) {
    case let parts where parts.count == 3 && parts[0] == "label" && parts[2] == "values":
      self = .labelValues(FormParameters.validated(parts[1].utf8).map { LabelNameEscape.decoded($0) })
    case let parts:
      let path = parts.joined(separator: "/")
      if let question = PrometheusStatus.Question(rawValue: path) {
        self = .status(question)
      } else if let answer = PrometheusEmptyAnswer(rawValue: path) {
        self = .empty(answer)
      } else {
        return nil
      }
    }
  }
}

extension LokiRoute {
  init?(_ parts: ArraySlice<Substring>) {
    switch Array(parts) {
    case ["query"]: self = .query
    case ["query_range"]: self = .queryRange
    case ["series"]: self = .series
    case ["labels"], ["label"]: self = .labels
    case ["status", "buildinfo"]: self = .buildInformation
    case let parts where parts.count == 3 && parts[0] == "label" && parts[2] == "values":
      self = .labelValues(FormParameters.decoded(parts[1].utf8, plusIsSpace: false))
    default: return nil
    }
  }
}

extension TempoRoute {
  init?(_ parts: ArraySlice<Substring>) {
    switch Array(parts) {
    case ["search"]: self = .search
    case ["echo"]: self = .echo
    case let parts where parts.count == 2 && parts[0] == "traces":
      self = .trace(FormParameters.decoded(parts[1].utf8, plusIsSpace: false))
    case let parts where parts.count == 3 && parts[0] == "v2" && parts[1] == "traces":
      self = .toldTrace(FormParameters.decoded(parts[2].utf8, plusIsSpace: false))
    default: return nil
    }
  }
}

extension NeedletailRoute {
  init?(_ parts: ArraySlice<Substring>) {
    switch Array(parts) {
    case ["query"]: self = .query
    case ["query_range"]: self = .queryRange
    case ["explain"]: self = .explain
    case ["admin", "flush"]: self = .flush
    case ["ledger"]: self = .ledger
    case let parts where parts.count == 2 && parts[0] == "cluster":
      guard let route = ClusterRoute(rawValue: String(parts[1])) else { return nil }
      self = .cluster(route)
    default: return nil
    }
  }
}

/// How a label's name that is not `[a-zA-Z_][a-zA-Z0-9_]*` stands in a path: `U__`, then `_` as `__` and every other
/// character that does not fit as `_HEX_`.
enum LabelNameEscape {
  static func decoded(_ name: String) -> String {
    guard name.hasPrefix("U__") else { return name }
    var result = String.UnicodeScalarView()
    var rest = name.unicodeScalars.dropFirst(3)
    while let scalar = rest.popFirst() {
      guard scalar == "_" else {
        result.append(scalar)
        continue
      }
      if rest.first == "_" {
        result.append("_")
        rest.removeFirst()
        continue
      }
      guard let end = rest.firstIndex(of: "_"), let code = UInt32(String(rest[..<end]), radix: 16),
        let character = Unicode.Scalar(code)
      else { return name }
      result.append(character)
      rest = rest[rest.index(after: end)...]
    }
    return String(result)
  }
}
