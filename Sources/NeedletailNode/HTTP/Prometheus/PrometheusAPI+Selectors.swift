import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry
import NeedletailWire

// Which series a request is about.

extension PrometheusAPI {
  /// Selectors of one request; each may ask for every series.
  private static let selectorsMax = 64

  /// The selectors and the range of a request, all times where it names none.
  static func scope(_ parameters: FormParameters, _ tenant: TenantID) throws -> MetadataScope {
    let start = try parameters.time("start") ?? .min
    let end = try parameters.time("end") ?? .max
    guard let range = TimeRange(startMilliseconds: start, endMilliseconds: end) else {
      throw QueryError(.badData, "end timestamp must not be before start time")
    }
    return MetadataScope(tenant: tenant, selectors: try selectors(parameters), range: range)
  }

  /// What each `match[]` selects, of one with alternatives each of these.
  static func selectors(_ parameters: FormParameters) throws -> [[LabelMatcher]] {
    let texts = parameters.all("match[]")
    guard texts.count <= selectorsMax else {
      throw QueryError(.badData, "more than \(selectorsMax) match[] parameters")
    }
    let all = try texts.flatMap { try conditions($0, parameter: "match[]") }
    guard all.count <= selectorsMax else {
      throw QueryError(.badData, "more than \(selectorsMax) alternatives in match[] parameters")
    }
    let patterns = all.joined().filter { $0.operation == .matches || $0.operation == .notMatches }
    // Each is compiled, on the connection's thread.
    let (patternsMax, patternBytesMax) = (RemoteReadRequest.patternsMax, RemoteReadRequest.patternBytesMax)
    guard patterns.count <= patternsMax, patterns.reduce(0, { $0 + $1.value.utf8.count }) <= patternBytesMax else {
      throw QueryError(
        .badData,
        "more than \(patternsMax) regular expressions in match[] parameters, or \(patternBytesMax) bytes of them")
    }
    return try all.map { conditions in
      let matchers = try matchers(conditions, parameter: "match[]")
      guard !matchers.allSatisfy(\.matchesEmpty) else {
        throw QueryError(
          .badData, "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher")
      }
      return matchers
    }
  }

  /// What a selector that is the value of a parameter selects: matchers for each of its alternatives.
  static func selector(_ text: String, parameter: String) throws -> [[LabelMatcher]] {
    try conditions(text, parameter: parameter).map { try matchers($0, parameter: parameter) }
  }

  private static func conditions(_ text: String, parameter: String) throws -> [[MatcherSyntax]] {
    do throws(SyntaxError) {
      return try Parser.parseSelectors(text)
    } catch {
      throw QueryError(.badData, "invalid parameter \"\(parameter)\": \(error)")
    }
  }

  static func matchers(_ conditions: [MatcherSyntax], parameter: String) throws -> [LabelMatcher] {
    try conditions.map { condition in
      let operation = LabelMatcher.Operation(rawValue: condition.operation.rawValue) ?? .equal
      do throws(RegularExpressionError) {
        return try LabelMatcher(condition.name, operation, condition.value)
      } catch {
        throw QueryError(.badData, "invalid parameter \"\(parameter)\": \(error)")
      }
    }
  }
}
