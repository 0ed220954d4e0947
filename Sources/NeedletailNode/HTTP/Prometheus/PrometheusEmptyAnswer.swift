import HummingbirdCore
import NeedletailQueryEngine

/// What Prometheus' clients ask for and this server has nothing of: rules, alerts, scraping.
///
/// The answers are well-formed and empty, so that Grafana's pages and promtool go on, and claim nothing. What would be
/// wrong to ask of Prometheus is wrong here.
enum PrometheusEmptyAnswer: String, CaseIterable, Sendable {
  case rules
  case alerts
  case targets
  case targetMetadata = "targets/metadata"
  case scrapePools = "scrape_pools"
  case alertmanagers
  case notifications

  /// Throws `QueryError` of kind `.badData` where a parameter is not what it may be.
  func response(_ parameters: FormParameters) throws -> Response {
    switch self {
    case .rules: try Self.checkRules(parameters)
    case .targetMetadata: try Self.checkTargetMetadata(parameters)
    case .alerts, .targets, .scrapePools, .alertmanagers, .notifications: break
    }
    return PrometheusEnvelope.success { json in write(to: &json) }
  }

  private func write(to json: inout JSONWriter) {
    switch self {
    case .rules: Self.lists(["groups"], to: &json)
    case .alerts: Self.lists(["alerts"], to: &json)
    case .targets:
      json.object { json in
        Self.members(["activeTargets", "droppedTargets"], to: &json)
        json.key("droppedTargetCounts")
        json.object { _ in }
      }
    case .scrapePools: Self.lists(["scrapePools"], to: &json)
    case .alertmanagers: Self.lists(["activeAlertmanagers", "droppedAlertmanagers"], to: &json)
    case .targetMetadata, .notifications: json.array { _ in }
    }
  }

  private static func lists(_ names: [String], to json: inout JSONWriter) {
    json.object { json in members(names, to: &json) }
  }

  private static func members(_ names: [String], to json: inout JSONWriter) {
    for name in names {
      json.key(name)
      json.array { _ in }
    }
  }

  // MARK: Parameters

  private static func checkRules(_ parameters: FormParameters) throws {
    _ = try PrometheusAPI.selectors(parameters)
    if let type = parameters["type"]?.lowercased(), type != "alert", type != "record" {
      throw QueryError(.badData, "invalid parameter \"type\": not supported value \"\(type)\"")
    }
    _ = try parameters.truth("exclude_alerts")
    if let text = parameters["group_limit"] {
      guard let limit = Int32(text), limit > 0 else {
        throw QueryError(
          .badData, "invalid parameter \"group_limit\": group_limit needs to be a number greater than 0")
      }
    }
    guard let token = parameters["group_next_token"] else { return }
    guard parameters["group_limit"] != nil else {
      throw QueryError(
        .badData,
        "invalid parameter \"group_next_token\": group_limit needs to be present in order to paginate over the groups")
    }
    throw QueryError(
      .badData,
      "invalid parameter \"group_next_token\": invalid group_next_token '\(token)'. were rule groups changed?")
  }

  private static func checkTargetMetadata(_ parameters: FormParameters) throws {
    if let text = parameters["limit"], Int(text) == nil { throw QueryError(.badData, "limit must be a number") }
    if let text = parameters["match_target"] {
      _ = try PrometheusAPI.selector(text, parameter: "match_target")
    }
  }
}
