import NeedletailTelemetry

// Selectors of series and of events, and what may follow them: ranges, resolutions, `offset`, `@`, and how edges are found.

extension Parser {
  /// The largest time, either side of 1970, in milliseconds.
  private static let timeMax = 9e15

  mutating func selector() throws(SyntaxError) -> Expression {
    let start = current.span.start
    var name: String?
    let nameToken = current
    if current.kind == .identifier { name = advance().text }
    if current.kind == .leftBrace {
      if dialect == .logQL, name == nil { return try events(.logs, from: start) }
      if let word = name, let signal = EventSelector.Signal(rawValue: word) { return try events(signal, from: start) }
    }
    if dialect == .logQL {
      throw failure("metric \"\(name ?? "")\" in a log query, expected a stream selector \"{...}\"", at: nameToken.span)
    }
    var selector = VectorSelector(name: name, matchers: [])
    if current.kind == .leftBrace { try conditions(of: &selector) }
    let expression = try make(.selector(selector), from: start)
    try checkSelects(selector, at: expression.span)
    return expression
  }

  /// Fails where a selector, or one of its alternatives, would select every series.
  func checkSelects(_ selector: VectorSelector, at span: SourceSpan) throws(SyntaxError) {
    guard selector.name == nil else { return }
    for matchers in [selector.matchers] + selector.alternatives where !selectsSomething(matchers) {
      throw failure("vector selector must contain at least one non-empty matcher", at: span)
    }
  }

  /// Reads `{...}` where it is no selector of its own: conditions on labels, perhaps none, and no metric's name.
  mutating func labelSelector(in context: String) throws(SyntaxError) -> Expression {
    let start = current.span
    guard current.kind == .leftBrace else {
      throw unexpected(in: context, expected: "label matchers in braces")
    }
    var name: String?
    let matchers = try self.matchers(name: &name)
    if let name {
      throw failure(
        "expected label matchers only in \(context), found the metric name \"\(name)\"",
        at: SourceSpan(start: start.start, end: tokens[index - 1].span.end))
    }
    return try make(.selector(VectorSelector(name: nil, matchers: matchers)), from: start.start)
  }

  private func selectsSomething(_ matchers: [MatcherSyntax]) -> Bool {
    matchers.contains { matcher in
      guard let compiled = try? LabelMatcher(matcher) else { return true }
      return !compiled.matchesEmpty
    }
  }

  /// Reads `{...}` behind a metric's name or without one, alternatives (`or`) and all, into a selector.
  ///
  /// A bare string in it is the metric's name; in the first alternative that of all which say nothing of it.
  mutating func conditions(of selector: inout VectorSelector) throws(SyntaxError) {
    try expect(.leftBrace, in: "label matching")
    let start = current.span
    var names: [String?] = []
    var all: [[MatcherSyntax]] = []
    repeat {
      var name = selector.name
      let matchers = try matcherList(name: &name)
      guard all.isEmpty || !matchers.isEmpty || (name != nil && selector.name == nil) else {
        throw failure("an alternative without label matchers", at: current.span)
      }
      if name == nil, !matchers.contains(where: { $0.name == LabelSet.nameLabel }), let first = names.first {
        name = first
      }
      names.append(name)
      all.append(matchers)
    } while acceptKeyword("or")
    guard current.kind == .rightBrace else {
      throw unexpected(in: "label matching", expected: "\",\", \"or\" or \"}\"")
    }
    advance()
    if names.allSatisfy({ $0 == names[0] }) {
      selector.name = names[0]
    } else {
      for (index, name) in names.enumerated() {
        guard let name else { continue }
        let matcher = MatcherSyntax(name: LabelSet.nameLabel, operation: .equal, value: name, span: start)
        all[index].insert(matcher, at: 0)
      }
    }
    selector.matchers += all[0]
    selector.alternatives = Array(all[1...])
  }

  /// Reads `{...}` without alternatives.
  private mutating func matchers(name: inout String?) throws(SyntaxError) -> [MatcherSyntax] {
    try expect(.leftBrace, in: "label matching")
    let matchers = try matcherList(name: &name)
    guard current.kind == .rightBrace else { throw unexpected(in: "label matching", expected: "\",\" or \"}\"") }
    advance()
    return matchers
  }

  /// Reads conditions up to what is none of them.
  private mutating func matcherList(name: inout String?) throws(SyntaxError) -> [MatcherSyntax] {
    var matchers: [MatcherSyntax] = []
    while current.kind != .rightBrace {
      let start = current
      let endsHere = ahead(1).kind == .comma || ahead(1).kind == .rightBrace || isKeyword("or", ahead: 1)
      if start.kind == .string, endsHere {
        guard name == nil else { throw failure("metric name must not be set twice: \"\(start.text)\"", at: start.span) }
        guard !start.text.isEmpty else { throw failure("metric name must not be empty", at: start.span) }
        name = advance().text
      } else if start.kind == .identifier, endsHere, template(named: start.text) != nil {
        let expanded = try matcherTemplate()
        if name != nil, expanded.contains(where: { $0.name == LabelSet.nameLabel }) {
          throw failure("metric name must not be set twice", at: start.span)
        }
        matchers += expanded
      } else {
        let matcher = try self.matcher()
        if name != nil, matcher.name == LabelSet.nameLabel {
          throw failure("metric name must not be set twice", at: matcher.span)
        }
        matchers.append(matcher)
      }
      guard accept(.comma) else { break }
    }
    return matchers
  }

  /// Reads `label="value"`.
  private mutating func matcher() throws(SyntaxError) -> MatcherSyntax {
    let start = current.span
    guard current.kind == .identifier || current.kind == .string || current.kind == .number else {
      throw unexpected(in: "label matching", expected: "label matcher or \"}\"")
    }
    let name = try labelName(in: "label matching")
    guard let operation = MatcherSyntax.Operation(rawValue: current.kind.symbol) else {
      throw unexpected(in: "label matching", expected: "one of =, !=, =~, !~")
    }
    advance()
    let value = try text(in: "label matching")
    return try compiled(
      MatcherSyntax(name: name, operation: operation, value: value, span: start.union(tokens[index - 1].span)))
  }

  /// The matcher itself, once its regular expression is known to compile.
  func compiled(_ matcher: MatcherSyntax) throws(SyntaxError) -> MatcherSyntax {
    do {
      _ = try LabelMatcher(matcher)
    } catch {
      throw failure("error parsing regexp: \(error)", at: matcher.span)
    }
    return matcher
  }

  // MARK: Events

  private mutating func events(_ signal: EventSelector.Signal, from start: Int) throws(SyntaxError) -> Expression {
    var name: String?
    let matchers = try self.matchers(name: &name)
    guard name == nil else { throw failure("events have no metric name", at: current.span) }
    if dialect == .logQL, !selectsSomething(matchers) {
      throw failure(
        "queries require at least one regexp or equality matcher that does not have an empty-compatible value",
        at: SourceSpan(start: start, end: tokens[index - 1].span.end))
    }
    var selector = EventSelector(signal: signal, matchers: matchers, pipeline: [])
    try pipeline(into: &selector)
    return try make(.events(selector), from: start)
  }

  // MARK: What follows an expression

  mutating func postfix() throws(SyntaxError) -> Expression {
    var expression = try primary()
    while true {
      switch current.kind {
      case .leftBracket: expression = try range(of: expression)
      case .at: expression = try anchor(expression)
      case .identifier where isKeyword("offset"): expression = try offset(expression)
      case .identifier where isKeyword("keep_metric_names"):
        guard let kept = try keepingNames(expression) else { return expression }
        expression = kept
      case .identifier:
        guard let rule = EdgeRule(rawValue: current.text.lowercased()) else { return expression }
        expression = try edges(expression, rule)
      default: return expression
      }
    }
  }

  private mutating func range(of expression: Expression) throws(SyntaxError) -> Expression {
    let bracket = advance().span
    let range = try positiveDuration(in: "subquery or range")
    if accept(.colon) {
      var resolution: Duration?
      if current.kind != .rightBracket { resolution = try positiveDuration(in: "subquery or range") }
      try expect(.rightBracket, in: "subquery selector")
      guard expression.type == .vector || expression.type == .scalar else {
        throw failure(
          "subquery is only allowed on instant vector, found \(expression.type.rawValue)", at: expression.span)
      }
      let node = Subquery(
        expression: expression, range: range.milliseconds, rangeSyntax: range.syntax,
        resolution: resolution?.milliseconds, resolutionSyntax: resolution?.syntax)
      return try make(.subquery(node), from: expression.span.start)
    }
    guard current.kind == .rightBracket else { throw unexpected(in: "subquery or range", expected: "\":\" or \"]\"") }
    advance()
    switch expression.node {
    case .selector(var selector):
      guard selector.range == nil else { throw failure("a range must not be set twice", at: bracket) }
      guard selector.shift == TimeShift() else {
        throw failure("no offset or @ modifiers allowed before range", at: bracket)
      }
      (selector.range, selector.rangeSyntax) = (range.milliseconds, range.syntax)
      return try make(.selector(selector), from: expression.span.start)
    case .events(var selector):
      guard selector.range == nil else { throw failure("a range must not be set twice", at: bracket) }
      guard selector.shift == TimeShift() else {
        throw failure("no offset or @ modifiers allowed before range", at: bracket)
      }
      (selector.range, selector.rangeSyntax) = (range.milliseconds, range.syntax)
      try pipeline(into: &selector)
      return try make(.events(selector), from: expression.span.start)
    default: throw failure("ranges only allowed for selectors", at: bracket)
    }
  }

  private mutating func offset(_ expression: Expression) throws(SyntaxError) -> Expression {
    let keyword = advance().span
    let offset = try offsetDuration()
    return try shifted(expression, keyword: keyword, name: "offset") { shift in
      guard shift.offset == nil else { return false }
      (shift.offset, shift.offsetSyntax) = (offset.milliseconds, offset.syntax)
      return true
    }
  }

  private mutating func anchor(_ expression: Expression) throws(SyntaxError) -> Expression {
    let keyword = advance().span
    let anchor: TimeAnchor
    if isKeyword("start") || isKeyword("end"), ahead(1).kind == .leftParenthesis {
      anchor = advance().text.lowercased() == "start" ? .start : .end
      try expect(.leftParenthesis, in: "@")
      try expect(.rightParenthesis, in: "@")
    } else {
      let isNegative = current.kind == .minus
      if !accept(.minus) { _ = accept(.plus) }
      guard current.kind == .number || current.kind == .duration else {
        throw unexpected(in: "@", expected: "timestamp, start() or end()")
      }
      let token = advance()
      let seconds = token.kind == .duration ? token.value / 1000 : token.value
      let milliseconds = ((isNegative ? -seconds : seconds) * 1000).rounded(.toNearestOrAwayFromZero)
      guard milliseconds.magnitude <= Self.timeMax, let time = Int64(exactly: milliseconds) else {
        throw failure("timestamp out of bounds for @ modifier: \(seconds)", at: token.span)
      }
      anchor = .time(time)
    }
    return try shifted(expression, keyword: keyword, name: "@") { shift in
      guard shift.anchor == nil else { return false }
      shift.anchor = anchor
      return true
    }
  }

  private mutating func edges(_ expression: Expression, _ rule: EdgeRule) throws(SyntaxError) -> Expression {
    let keyword = advance().span
    switch expression.node {
    case .selector(var selector):
      guard selector.edges != rule else { throw failure("\(rule.rawValue) may not be set multiple times", at: keyword) }
      guard selector.edges == nil else {
        throw failure("anchored and smoothed modifiers cannot be used together", at: keyword)
      }
      selector.edges = rule
      return try make(.selector(selector), from: expression.span.start)
    case .subquery: throw failure("\(rule.rawValue) modifier is not supported for subqueries", at: expression.span)
    default: throw failure("\(rule.rawValue) modifier must be preceded by a selector of series", at: expression.span)
    }
  }

  /// Applies a modifier to what takes one; `change` tells whether it was not there yet.
  private func shifted(
    _ expression: Expression, keyword: SourceSpan, name: String, _ change: (inout TimeShift) -> Bool
  ) throws(SyntaxError) -> Expression {
    let start = expression.span.start
    let isNew: Bool
    let node: Expression.Node
    switch expression.node {
    case .selector(var selector):
      isNew = change(&selector.shift)
      node = .selector(selector)
    case .subquery(var subquery):
      isNew = change(&subquery.shift)
      node = .subquery(subquery)
    case .events(var selector):
      isNew = change(&selector.shift)
      node = .events(selector)
    default:
      throw failure("\(name) modifier must be preceded by a selector or subquery", at: expression.span)
    }
    guard isNew else { throw failure("\(name) may not be set multiple times", at: keyword) }
    return try make(node, from: start)
  }
}

extension LabelMatcher {
  /// Compiles a matcher of the syntax tree.
  package init(_ syntax: MatcherSyntax) throws(RegularExpressionError) {
    let operation: Operation =
      switch syntax.operation {
      case .equal: .equal
      case .notEqual: .notEqual
      case .matches: .matches
      case .notMatches: .notMatches
      }
    try self.init(syntax.name, operation, syntax.value)
  }
}
