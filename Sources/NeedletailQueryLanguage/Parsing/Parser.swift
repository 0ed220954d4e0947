import NeedletailTelemetry

// A parser by precedence climbing over the token list. Types are checked as nodes are made, so that an error points at
// the part that is wrong. Two depths are bounded: how far the parser itself recurses, and how high the tree grows (a
// chain of operators grows it without recursion), because everything that later walks the tree recurses.

/// Parses queries.
package struct Parser {
  /// The longest text, in bytes.
  package static let textLengthMax = 131_072
  /// The deepest nesting of parentheses, calls and signs.
  package static let nestingMax = 100
  /// The most operators of one duration.
  package static let durationOperatorsMax = 100
  /// The highest syntax tree.
  package static let heightMax = 400

  /// The language of the text: they share all but what braces without a name select.
  package enum Dialect: Sendable, Hashable {
    /// PromQL with `logs{...}` and `spans{...}`; bare braces select series.
    case promQL
    /// LogQL: bare braces select logs, and there are no metrics.
    case logQL
  }

  let text: String
  let dialect: Dialect
  let tokens: [Token]
  var index = 0
  var nesting = 0
  /// How many operators the duration has so far that is being read: they are as high as a chain of them.
  var durationOperators = 0
  /// The templates of `WITH`, and the newest one that can be seen from here.
  var templates: [Template] = []
  var scope: Int?
  /// What templates came to so far.
  var expanded = 0

  private init(_ text: String, dialect: Dialect) throws(SyntaxError) {
    guard text.utf8.count <= Self.textLengthMax else {
      let message = "query is \(text.utf8.count) bytes long, more than \(Self.textLengthMax)"
      throw SyntaxError(message, span: SourceSpan(start: 0, end: 0), text: "")
    }
    self.text = text
    self.dialect = dialect
    var lexer = Lexer(text)
    tokens = try lexer.tokens()
  }

  /// Parses a whole text as one expression.
  package static func parse(_ text: String, dialect: Dialect = .promQL) throws(SyntaxError) -> Expression {
    var parser = try Parser(text, dialect: dialect)
    guard parser.current.kind != .end else {
      throw parser.failure("no expression found in query", at: parser.current.span)
    }
    let expression = try parser.expression(above: 0)
    try parser.expectEnd()
    return expression
  }

  /// Parses a text that must be a plain series selector, as `match[]` takes it, into its conditions: a list for each of
  /// its alternatives (`or`), of which any may hold as a whole.
  package static func parseSelectors(_ text: String) throws(SyntaxError) -> [[MatcherSyntax]] {
    let expression = try parse(text)
    guard case .selector(let selector) = expression.node, selector.range == nil, selector.edges == nil,
      selector.shift == TimeShift()
    else {
      throw SyntaxError("expected a series selector", span: expression.span, text: text)
    }
    return selector.allAlternatives(span: expression.span)
  }

  // MARK: Tokens

  var current: Token { tokens[index] }

  /// The token `distance` ahead; the end of the query past it.
  func ahead(_ distance: Int) -> Token { tokens[min(index + distance, tokens.count - 1)] }

  @discardableResult
  mutating func advance() -> Token {
    let token = tokens[index]
    if index < tokens.count - 1 { index += 1 }
    return token
  }

  /// Steps over a token of this kind if it stands here.
  mutating func accept(_ kind: TokenKind) -> Bool {
    guard current.kind == kind else { return false }
    advance()
    return true
  }

  @discardableResult
  mutating func expect(_ kind: TokenKind, in context: String) throws(SyntaxError) -> Token {
    guard current.kind == kind else { throw unexpected(in: context, expected: kind.name) }
    return advance()
  }

  /// Whether this word stands here; keywords have no case.
  func isKeyword(_ word: String, ahead distance: Int = 0) -> Bool {
    let token = ahead(distance)
    return token.kind == .identifier && token.text.lowercased() == word
  }

  mutating func acceptKeyword(_ word: String) -> Bool {
    guard isKeyword(word) else { return false }
    advance()
    return true
  }

  private func expectEnd() throws(SyntaxError) {
    guard current.kind != .end else { return }
    throw unexpected(in: "query", expected: "an operator or the end")
  }

  // MARK: Errors

  func failure(_ message: String, at span: SourceSpan) -> SyntaxError { SyntaxError(message, span: span, text: text) }

  func describe(_ token: Token) -> String {
    switch token.kind {
    case .end: "end of query"
    case .identifier: "identifier \"\(token.text)\""
    case .string: "string \"\(token.text)\""
    case .number, .duration, .quantity: "\(token.kind.name) \"\(spelling(token.span))\""
    default: token.kind.name
    }
  }

  func unexpected(in context: String, expected: String) -> SyntaxError {
    failure("unexpected \(describe(current)) in \(context), expected \(expected)", at: current.span)
  }

  func spelling(_ span: SourceSpan) -> String {
    String(decoding: Array(text.utf8)[span.start..<span.end], as: UTF8.self)
  }

  // MARK: Nodes

  /// A node from `start` to the last token read; fails where the tree grows too high.
  func make(_ node: Expression.Node, from start: Int) throws(SyntaxError) -> Expression {
    let span = SourceSpan(start: start, end: index > 0 ? tokens[index - 1].span.end : start)
    let expression = Expression(node, span: span)
    guard expression.height <= Self.heightMax else {
      throw failure("expression is nested more than \(Self.heightMax) levels deep", at: span)
    }
    return expression
  }

  /// Reads an expression whose operators bind more strongly than `minimum`.
  mutating func expression(above minimum: Int) throws(SyntaxError) -> Expression {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingMax else {
      throw failure("expression is nested more than \(Self.nestingMax) levels deep", at: current.span)
    }
    // Whatever follows a template's definitions is part of what they are for.
    if minimum == 0, isWith { return try with() }
    var left = try signed()
    while let operation = binaryOperator(), operation.precedence > minimum {
      left = try binary(left, operation)
    }
    return left
  }

  func binaryOperator() -> BinaryOperator? {
    if current.kind == .identifier {
      guard let operation = BinaryOperator(rawValue: current.text.lowercased()) else { return nil }
      return operation
    }
    return BinaryOperator(rawValue: current.kind.symbol)
  }

  /// A sign binds like a product: `-a ^ b` is `-(a ^ b)`, `-a * b` is `(-a) * b`.
  private mutating func signed() throws(SyntaxError) -> Expression {
    let start = current.span.start
    guard current.kind == .minus || current.kind == .plus else { return try postfix() }
    let isMinus = advance().kind == .minus
    let operand = try expression(above: BinaryOperator.multiply.precedence)
    guard operand.type == .scalar || operand.type == .vector else {
      throw failure(
        "unary expression only allowed on expressions of type scalar or instant vector, found \(operand.type.rawValue)",
        at: operand.span)
    }
    if case .number(var literal) = operand.node {
      if isMinus { literal.value = -literal.value }
      return try make(.number(literal), from: start)
    }
    return try make(isMinus ? .negation(operand) : .positive(operand), from: start)
  }
}

/// LogQL, as Loki's API takes it: another spelling of the same tree.
package enum LogQLParser {
  /// Parses a log query (`{app="shop"} |= "x"`) or a metric query over logs.
  package static func parse(_ text: String) throws(SyntaxError) -> Expression {
    try Parser.parse(text, dialect: .logQL)
  }

  /// Parses a plain stream selector into its conditions.
  package static func parseSelector(_ text: String) throws(SyntaxError) -> [MatcherSyntax] {
    let expression = try parse(text)
    guard case .events(let selector) = expression.node, selector.pipeline.isEmpty, selector.range == nil else {
      throw SyntaxError("expected a stream selector", span: expression.span, text: text)
    }
    return selector.matchers
  }
}
