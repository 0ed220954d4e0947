import NeedletailQueryEngine

extension FormParameters {
  static func missing(_ name: String) -> QueryError {
    QueryError(.badData, "invalid parameter \"\(name)\": it is missing")
  }

  func required(_ name: String) throws(QueryError) -> String {
    guard let text = self[name] else { throw Self.missing(name) }
    return text
  }

  /// A time in milliseconds, nil where the parameter is missing.
  func time(_ name: String) throws(QueryError) -> Int64? {
    guard let text = self[name] else { return nil }
    guard let time = Timestamp.milliseconds(text) else {
      throw QueryError(
        .badData,
        "invalid parameter \"\(name)\": cannot parse \"\(text)\" to a valid timestamp; "
          + "write seconds since 1970 or RFC 3339")
    }
    return time
  }

  /// How long the client is willing to wait.
  func timeout() throws(QueryError) -> Duration? {
    guard let text = self["timeout"] else { return nil }
    guard let timeout = Timestamp.span(text), timeout > 0 else {
      throw QueryError(.badData, "invalid parameter \"timeout\": cannot parse \"\(text)\" to a valid duration")
    }
    return .milliseconds(timeout)
  }

  /// Whether a parameter says so, in one of the spellings that Go reads; nil where it is missing.
  func truth(_ name: String) throws(QueryError) -> Bool? {
    guard let text = self[name] else { return nil }
    switch text {
    case "1", "t", "T", "true", "True", "TRUE": return true
    case "0", "f", "F", "false", "False", "FALSE": return false
    default: throw QueryError(.badData, "invalid parameter \"\(name)\": \"\(text)\" is neither true nor false")
    }
  }

  /// How many results are wanted; nil for all, which a limit of 0 means too.
  func limit() throws(QueryError) -> Int? {
    guard let text = self["limit"] else { return nil }
    guard let limit = Int(text), limit >= 0 else {
      throw QueryError(.badData, "invalid parameter \"limit\": \"\(text)\" is no number of 0 or more")
    }
    return limit == 0 ? nil : min(limit, PrometheusAPI.listMax)
  }
}
