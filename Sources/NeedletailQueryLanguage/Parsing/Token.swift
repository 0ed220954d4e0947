/// The kinds of token.
///
/// Keywords are identifiers: whether `by` is a keyword or a label depends on where it stands, which the parser knows
/// and the lexer does not.
package enum TokenKind: Sendable, Hashable {
  case identifier
  case number
  case duration
  /// A duration with a fraction or finer units, or a size in bytes; only conditions on fields take one.
  case quantity
  case string
  case leftParenthesis, rightParenthesis
  case leftBrace, rightBrace
  case leftBracket, rightBracket
  case comma, colon, at
  case plus, minus, star, slash, percent, caret
  case assign, equal, notEqual, matches, notMatches
  case less, lessOrEqual, greater, greaterOrEqual
  case trimUpper, trimLower
  case pipe, pipeEqual, pipeMatches
  case end

  /// How an error names the kind.
  package var name: String {
    switch self {
    case .identifier: "identifier"
    case .number: "number"
    case .duration: "duration"
    case .quantity: "quantity"
    case .string: "string"
    case .end: "end of query"
    default: "\"\(symbol)\""
    }
  }

  /// The spelling of the kinds that have just one.
  package var symbol: String {
    switch self {
    case .identifier, .number, .duration, .quantity, .string, .end: ""
    case .leftParenthesis: "("
    case .rightParenthesis: ")"
    case .leftBrace: "{"
    case .rightBrace: "}"
    case .leftBracket: "["
    case .rightBracket: "]"
    case .comma: ","
    case .colon: ":"
    case .at: "@"
    case .plus: "+"
    case .minus: "-"
    case .star: "*"
    case .slash: "/"
    case .percent: "%"
    case .caret: "^"
    case .assign: "="
    case .equal: "=="
    case .notEqual: "!="
    case .matches: "=~"
    case .notMatches: "!~"
    case .less: "<"
    case .lessOrEqual: "<="
    case .greater: ">"
    case .greaterOrEqual: ">="
    case .trimUpper: "</"
    case .trimLower: ">/"
    case .pipe: "|"
    case .pipeEqual: "|="
    case .pipeMatches: "|~"
    }
  }
}

/// A token: its kind, its place, and its meaning where the spelling alone is not it.
package struct Token: Sendable, Hashable {
  /// What it is.
  package var kind: TokenKind
  /// Where it stands.
  package var span: SourceSpan
  /// The spelling of identifiers, the decoded content of strings; empty for the rest.
  package var text: String = ""
  /// The value of numbers; of durations, the milliseconds; of quantities, the seconds or bytes.
  package var value: Double = 0
}
