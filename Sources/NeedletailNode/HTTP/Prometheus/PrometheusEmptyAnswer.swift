import HummingbirdCore

/// What Prometheus' clients ask for and this server has nothing of: rules, alerts, scraping, and the settings of a
/// process that it is not.
///
/// The answers are well-formed and empty, so that Grafana's pages and promtool go on, and claim nothing.
enum PrometheusEmptyAnswer: String, CaseIterable, Sendable {
  case rules
  case alerts
  case targets
  case alertmanagers
  case runtimeInformation = "status/runtimeinfo"
  case configuration = "status/config"
  case flags = "status/flags"

  var response: Response {
    PrometheusEnvelope.success { json in json.object { json in write(to: &json) } }
  }

  private func write(to json: inout JSONWriter) {
    switch self {
    case .rules: Self.lists(["groups"], to: &json)
    case .alerts: Self.lists(["alerts"], to: &json)
    case .targets: Self.lists(["activeTargets", "droppedTargets"], to: &json)
    case .alertmanagers: Self.lists(["activeAlertmanagers", "droppedAlertmanagers"], to: &json)
    case .runtimeInformation: Self.runtimeInformation(to: &json)
    case .configuration:
      json.key("yaml")
      json.string("")
    case .flags: break
    }
  }

  private static func lists(_ names: [String], to json: inout JSONWriter) {
    for name in names {
      json.key(name)
      json.array { _ in }
    }
  }

  /// Times that are unknown are the first of year 1, as Prometheus' own clients write a time that is not set.
  private static func runtimeInformation(to json: inout JSONWriter) {
    for key in ["startTime", "lastConfigTime"] {
      json.key(key)
      json.string("0001-01-01T00:00:00Z")
    }
    for key in ["CWD", "GOGC", "GODEBUG", "storageRetention"] {
      json.key(key)
      json.string("")
    }
    for key in ["corruptionCount", "goroutineCount", "GOMAXPROCS", "GOMEMLIMIT"] {
      json.key(key)
      json.integer(0)
    }
    json.key("reloadConfigSuccess")
    json.bool(true)
  }
}
