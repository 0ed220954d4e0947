/// A word of the language, as a list of completions shows it.
package struct CompletionWord: Sendable, Hashable {
  /// Where it may stand.
  package enum Kind: Sendable, Hashable {
    case function, aggregation
    /// Behind an operator of two operands.
    case matching
    /// Behind an aggregation.
    case grouping
    /// Operators that are words.
    case operation
    /// Behind a selector or a subquery.
    case modifier
    /// Behind `@`.
    case moment
    case duration
    /// Behind `|`, of logs and spans.
    case stage
  }

  /// What is typed to find it.
  package var text: String
  /// What is written where it is chosen: a bracket is opened where one has to follow.
  package var insertion: String
  /// What it is or takes, in a few words.
  package var detail: String
  /// What it does, in one line.
  package var summary: String

  /// All words of a kind; functions and aggregations by their names, PromQL's own first.
  package static func all(_ kind: Kind) -> [CompletionWord] {
    switch kind {
    case .function: functions
    case .aggregation: aggregations
    case .matching: matching
    case .grouping: grouping
    case .operation: operations
    case .modifier: modifiers
    case .moment: moments
    case .duration: durations
    case .stage: stages
    }
  }

  /// Whether a word, in lower case, is an operator of two operands.
  static func isOperator(_ word: String) -> Bool { operations.contains { $0.text == word } }

  private static let functions = Function.allCases.map { function in
    CompletionWord(
      text: function.rawValue, insertion: function.rawValue + (function.signature.parameters.isEmpty ? "()" : "("),
      detail: function.usage, summary: function.promQLSummary ?? function.summary ?? "")
  }.sortedByOrigin { Function(rawValue: $0.text)?.promQLSummary != nil }

  private static let aggregations = AggregationOperation.allCases.map { operation in
    CompletionWord(
      text: operation.rawValue, insertion: operation.rawValue + "(",
      detail: operation.parameter.map { "(\($0.short), vector)" } ?? "(vector)",
      summary: operation.promQLSummary ?? operation.summary ?? "")
  }.sortedByOrigin { !(AggregationOperation(rawValue: $0.text)?.isMetricsQL ?? false) }

  private static let matching = [
    word("bool", "0 or 1 instead of a filter"),
    word("on", "match by these labels alone", opens: true),
    word("ignoring", "match by all labels but these", opens: true),
    word("group_left", "many on the left to one on the right", opens: true),
    word("group_right", "one on the left to many on the right", opens: true),
  ]
  private static let grouping = [
    word("by", "one result for each value of these labels", opens: true),
    word("without", "one result for each value of all labels but these", opens: true),
  ]
  private static let operations = [
    word("and", "what is on both sides"), word("or", "the left side, and what only the right one has"),
    word("unless", "what only the left side has"), word("atan2", "the angle of two lengths"),
    word("default", "the right side where the left one has no value"),
    word("if", "the left side where the right one has a value"),
    word("ifnot", "the left side where the right one has no value"),
  ]
  private static let modifiers = [
    word("offset", "as of so long before"), word("anchored", "with samples at both ends of the range"),
    word("smoothed", "interpolated at both ends of the range"),
    word("keep_metric_names", "with the names that the operation would take away"),
  ]
  private static let moments = [
    CompletionWord(text: "start", insertion: "start()", detail: "moment", summary: "the first step of the query"),
    CompletionWord(text: "end", insertion: "end()", detail: "moment", summary: "the last step of the query"),
  ]
  private static let durations = ["1m", "5m", "10m", "15m", "30m", "1h", "6h", "12h", "1d", "7d", "30d"].map {
    CompletionWord(text: $0, insertion: $0, detail: "duration", summary: "")
  }
  private static let stages = [
    word("json", "takes fields from JSON", detail: "parser"),
    word("logfmt", "takes fields from key=value pairs", detail: "parser"),
    word("regexp", "takes fields from named groups", detail: "parser"),
    word("pattern", "takes fields from a pattern of <names>", detail: "parser"),
    word("line_format", "writes the line anew from a template", detail: "stage"),
    word("label_format", "renames labels, or writes them anew", detail: "stage"),
    word("unwrap", "takes the value of a sample from a field", detail: "stage"),
  ]

  private static func word(
    _ text: String, _ summary: String, opens: Bool = false, detail: String = "keyword"
  ) -> CompletionWord {
    CompletionWord(text: text, insertion: opens ? text + " (" : text, detail: detail, summary: summary)
  }
}

extension [CompletionWord] {
  /// By names, those first of which it is true.
  fileprivate func sortedByOrigin(_ isFirst: (CompletionWord) -> Bool) -> [CompletionWord] {
    let sorted = sorted { $0.text < $1.text }
    return sorted.filter(isFirst) + sorted.filter { !isFirst($0) }
  }
}

extension Function {
  /// What it takes and yields: `(range) -> vector`.
  fileprivate var usage: String {
    let signature = signature
    let required = signature.parameters.count - signature.optional
    var parts = signature.parameters.enumerated().map { index, type in
      index < required ? type.short : "[\(type.short)]"
    }
    if signature.isVariadic || signature.repeated != nil { parts.append("...") }
    return "(\(parts.joined(separator: ", "))) -> \(result.short)"
  }
}

extension ValueType {
  /// The type's name in one word.
  fileprivate var short: String {
    switch self {
    case .scalar: "scalar"
    case .string: "string"
    case .vector: "vector"
    case .range: "range"
    case .events: "events"
    }
  }
}
