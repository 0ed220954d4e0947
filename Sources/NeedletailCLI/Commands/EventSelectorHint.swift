/// What to say to who asked for log records or spans in the way of a metric, and got nothing.
enum EventSelectorHint {
  /// A hint where `logs` or `spans` stands in an expression without braces after it, which PromQL takes for the name of
  /// a metric; nil where neither does.
  static func text(for expression: String) -> String? {
    guard let word = bareWords(expression).first(where: { $0 == "logs" || $0 == "spans" }) else { return nil }
    return "`\(word)` without braces is the name of a metric: write \(word){}, or \(word){service_name=\"...\"}"
  }

  /// The names outside of quotes and braces that no brace follows.
  private static func bareWords(_ expression: String) -> [Substring] {
    var words: [Substring] = []
    var rest = expression[...]
    var depth = 0
    while let first = rest.first {
      if first == "\"" || first == "'" || first == "`" {
        skipText(&rest, quote: first)
      } else if isPartOfName(first) {
        let word = rest.prefix(while: isPartOfName)
        rest = rest.dropFirst(word.count)
        if depth == 0, rest.first(where: { !$0.isWhitespace }) != "{" { words.append(word) }
      } else {
        if first == "{" { depth += 1 } else if first == "}" { depth -= 1 }
        rest.removeFirst()
      }
    }
    return words
  }

  private static func isPartOfName(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_" || character == ":"
  }

  private static func skipText(_ rest: inout Substring, quote: Character) {
    rest.removeFirst()
    while let next = rest.popFirst(), next != quote {
      if next == "\\" && quote != "`" { _ = rest.popFirst() }
    }
  }
}
