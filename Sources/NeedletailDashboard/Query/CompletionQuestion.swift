import NeedletailQueryLanguage

/// What a list of completions needs to know of the data.
package enum CompletionQuestion: Hashable, Sendable {
  /// Names of metrics that begin so.
  case metrics(beginning: String)
  /// Names of labels of what is selected; of everything without a selector.
  case labelNames(selector: String?, kind: CompletionSelection.Kind)
  /// Values of a label that begin so, of what is selected.
  case labelValues(of: String, selector: String?, beginning: String, kind: CompletionSelection.Kind)

  /// The most answers that are of use.
  package static let answersMax = 500
}

/// Who answers what completions ask.
package protocol CompletionSource: Sendable {
  /// At most ``CompletionQuestion/answersMax`` texts, sorted.
  func answers(to question: CompletionQuestion) async throws -> [String]
}
