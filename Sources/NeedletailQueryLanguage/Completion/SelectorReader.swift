/// Reads the conditions of a selector that is still open.
struct SelectorReader {
  /// What is due.
  private enum Due {
    case name
    case operation(of: String, isString: Bool)
    case value(of: String, operation: String)
    case comma
  }

  private(set) var selection: CompletionSelection
  private var due = Due.name

  /// The selector behind this word, if any.
  init(_ word: String?) {
    switch word?.lowercased() {
    case "logs": selection = CompletionSelection(kind: .logs)
    case "spans": selection = CompletionSelection(kind: .spans)
    default: selection = CompletionSelection(metric: word)
    }
  }

  mutating func take(_ token: Token) {
    switch (due, token.kind) {
    case (.name, .identifier): due = .operation(of: token.text, isString: false)
    case (.name, .string): due = .operation(of: token.text, isString: true)
    case (.operation(let name, _), .assign), (.operation(let name, _), .notEqual), (.operation(let name, _), .matches),
      (.operation(let name, _), .notMatches):
      due = .value(of: name, operation: token.kind.symbol)
    case (.operation, .comma):
      end()
      due = .name
    case (.value(let name, let operation), .string):
      selection.matchers.append(.init(name: name, operation: operation, value: token.text))
      due = .comma
    case (.comma, .comma): due = .name
    case (.comma, .identifier) where token.text.lowercased() == "or": due = .name
    default: break
    }
  }

  /// Takes the end of the selector, or of a condition: a quoted name without a condition is the metric's.
  mutating func end() {
    if case .operation(let name, isString: true) = due, selection.metric == nil { selection.metric = name }
  }

  /// What may stand behind what was taken.
  var wants: [Completion.Want] {
    switch due {
    // A metric's name stands there in quotes.
    case .name: [.labelName(selection)] + (selection.metric == nil && selection.kind == .series ? [.metric] : [])
    case .value(let name, _): [.labelValue(name, of: selection)]
    case .operation, .comma: []
    }
  }
}
