import NeedletailTelemetry

// `WITH (name = expression, f(x) = expression) expression`: templates are put in where they are used, so that nothing
// behind the parser knows of them. A template without parameters is read once, where it is defined; one with parameters
// is read again for each use, its parameters being templates of their own meanwhile. Either sees what was defined before
// it and nothing else, so that none can stand for itself. What is put in is a part of the text where it is used; what is
// wrong within it is wrong where it was written.

extension Parser {
  /// Whether definitions of templates stand here.
  var isWith: Bool { isKeyword("with") && ahead(1).kind == .leftParenthesis }

  /// Reads `WITH (...)` and the expression behind it, up to where that ends.
  mutating func with() throws(SyntaxError) -> Expression {
    let outer = scope
    advance()
    advance()
    var names: Set<String> = []
    while current.kind != .rightParenthesis {
      let name = current
      try definition()
      guard names.insert(name.text).inserted else {
        throw failure("template \"\(name.text)\" is defined twice", at: name.span)
      }
      guard accept(.comma) else { break }
    }
    guard current.kind == .rightParenthesis else {
      throw unexpected(in: "WITH", expected: "an operator, \",\" or \")\"")
    }
    advance()
    let result = try expression(above: 0)
    scope = outer
    return result
  }

  /// Reads `name = expression` or `name(a, b) = expression`.
  private mutating func definition() throws(SyntaxError) {
    let name = try templateName(in: "WITH")
    let isReserved =
      Function(rawValue: name.text) != nil || AggregationOperation(rawValue: name.text.lowercased()) != nil
      || EventSelector.Signal(rawValue: name.text) != nil
    guard !isReserved else {
      throw failure("\"\(name.text)\" has a meaning already and can be no template", at: name.span)
    }
    var parameters: [String]?
    if accept(.leftParenthesis) {
      var found: [String] = []
      while current.kind != .rightParenthesis {
        let parameter = try templateName(in: "parameters")
        guard !found.contains(parameter.text) else {
          throw failure("parameter \"\(parameter.text)\" is there twice", at: parameter.span)
        }
        found.append(parameter.text)
        guard accept(.comma) else { break }
      }
      guard current.kind == .rightParenthesis else {
        throw unexpected(in: "parameters", expected: "\",\" or \")\"")
      }
      advance()
      parameters = found
    }
    guard current.kind == .assign else {
      throw unexpected(in: "WITH", expected: parameters == nil ? "\"=\" or \"(\"" : "\"=\"")
    }
    advance()
    let start = index
    guard parameters != nil else {
      let value = try templateValue()
      return try define(
        Template(name: name.text, value: value, size: value.size, body: start..<index), at: name.span)
    }
    try skipBody()
    try define(
      Template(name: name.text, parameters: parameters, size: index - start, body: start..<index), at: name.span)
  }

  private mutating func templateName(in context: String) throws(SyntaxError) -> Token {
    guard current.kind == .identifier, !current.text.utf8.contains(UInt8(ascii: ":")) else {
      throw unexpected(in: context, expected: "a name or \")\"")
    }
    return advance()
  }

  private mutating func define(_ template: Template, at span: SourceSpan) throws(SyntaxError) {
    var count = 1
    var next = scope
    while let place = next {
      count += 1
      next = templates[place].previous
    }
    guard count <= Template.countMax else {
      throw failure("more than \(Template.countMax) templates", at: span)
    }
    var template = template
    template.previous = scope
    template.nesting = template.value?.nesting ?? 0
    templates.append(template)
    scope = templates.count - 1
  }

  /// Steps over the body of a template with parameters, which means nothing without these.
  private mutating func skipBody() throws(SyntaxError) {
    let start = index
    var depth = 0
    while current.kind != .end {
      switch current.kind {
      case .leftParenthesis, .leftBrace, .leftBracket: depth += 1
      case .rightParenthesis, .rightBrace, .rightBracket:
        guard depth > 0 else {
          guard index > start else { throw unexpected(in: "WITH", expected: "an expression") }
          return
        }
        depth -= 1
      case .comma where depth == 0:
        guard index > start else { throw unexpected(in: "WITH", expected: "an expression") }
        return
      default: break
      }
      advance()
    }
    throw unexpected(in: "WITH", expected: "\")\"")
  }

  /// Reads what a template stands for: an expression, or nothing but label matchers, which may match all.
  private mutating func templateValue() throws(SyntaxError) -> Expression {
    guard current.kind == .leftBrace, dialect == .promQL else { return try expression(above: 0) }
    var distance = 1
    while ahead(distance).kind != .rightBrace {
      guard ahead(distance).kind != .end else { return try expression(above: 0) }
      distance += 1
    }
    let behind = ahead(distance + 1).kind
    guard behind == .comma || behind == .rightParenthesis else { return try expression(above: 0) }
    let start = current.span.start
    var selector = VectorSelector(name: nil, matchers: [])
    try conditions(of: &selector)
    return try make(.selector(selector), from: start)
  }

  // MARK: Uses

  /// The template of this name that can be seen from here.
  ///
  /// O(templates that can be seen).
  func template(named name: String) -> Int? {
    var next = scope
    while let place = next {
      if templates[place].name == name { return place }
      next = templates[place].previous
    }
    return nil
  }

  private mutating func spend(_ size: Int, at span: SourceSpan) throws(SyntaxError) {
    expanded += size + 1
    guard expanded <= Template.expansionMax else {
      throw failure("templates come to a query of more than \(Template.expansionMax) parts", at: span)
    }
  }

  /// Reads the use of a template as an expression.
  mutating func expansion(of place: Int) throws(SyntaxError) -> Expression {
    let use = current.span
    var value = try replacement(of: place)
    if case .selector(var selector) = value.node {
      if current.kind == .leftBrace {
        guard selector.range == nil, selector.shift == TimeShift(), selector.edges == nil, selector.alternatives.isEmpty
        else {
          throw failure("only a template that is a plain selector takes label matchers", at: current.span)
        }
        try conditions(of: &selector)
      }
      value = try make(.selector(selector), from: use.start)
      try checkSelects(selector, at: value.span)
    }
    return try enclosed(value)
  }

  /// Steps over the use of a template and gives what it stands for, as a part of the text here.
  private mutating func replacement(of place: Int) throws(SyntaxError) -> Expression {
    let use = advance().span
    let template = templates[place]
    nesting += 1
    defer { nesting -= 1 }
    // So that what is printed can be read again.
    guard nesting + template.nesting <= Self.nestingMax else {
      throw failure("expression is nested more than \(Self.nestingMax) levels deep", at: use)
    }
    if let value = template.value {
      guard current.kind != .leftParenthesis else {
        throw failure("template \"\(template.name)\" takes no arguments", at: use)
      }
      try spend(template.size, at: use)
      return try make(value.node, from: use.start)
    }
    let parameters = template.parameters ?? []
    guard current.kind == .leftParenthesis else {
      throw failure("template \"\(template.name)\" takes \(parameters.count) argument(s) in parentheses", at: use)
    }
    let arguments = try templateArguments(of: template.name)
    guard arguments.count == parameters.count else {
      throw failure(
        "template \"\(template.name)\" takes \(parameters.count) argument(s), found \(arguments.count)",
        at: use.union(tokens[index - 1].span))
    }
    return try call(template, arguments, from: use)
  }

  private mutating func templateArguments(of name: String) throws(SyntaxError) -> [Expression] {
    let context = "use of template \"\(name)\""
    try expect(.leftParenthesis, in: context)
    var arguments: [Expression] = []
    while current.kind != .rightParenthesis {
      arguments.append(try templateValue())
      guard accept(.comma) else { break }
    }
    guard current.kind == .rightParenthesis else {
      throw unexpected(in: context, expected: "an operator, \",\" or \")\"")
    }
    advance()
    return arguments
  }

  /// Reads the body of a template with its parameters standing for the arguments.
  private mutating func call(
    _ template: Template, _ arguments: [Expression], from use: SourceSpan
  ) throws(SyntaxError) -> Expression {
    try spend(template.size, at: use)
    let (outer, behind, known) = (scope, index, templates.count)
    scope = template.previous
    for (name, value) in zip(template.parameters ?? [], arguments) {
      try define(Template(name: name, value: value, size: value.size, body: 0..<0), at: use)
    }
    index = template.body.lowerBound
    let value = try templateValue()
    guard index == template.body.upperBound else {
      throw unexpected(in: "template \"\(template.name)\"", expected: "an operator, \",\" or \")\"")
    }
    (scope, index) = (outer, behind)
    templates.removeLast(templates.count - known)
    return try make(value.node, from: use.start)
  }

  /// In parentheses what an operator or a sign beside it would otherwise take apart.
  func enclosed(_ value: Expression) throws(SyntaxError) -> Expression {
    switch value.node {
    case .binary, .negation, .positive: return try make(.parenthesized(value), from: value.span.start)
    case .number(let literal) where literal.value < 0: return try make(.parenthesized(value), from: value.span.start)
    default: return value
    }
  }

  // MARK: Templates that are no expressions

  /// Reads a template within braces into the label matchers that it stands for.
  mutating func matcherTemplate() throws(SyntaxError) -> [MatcherSyntax] {
    guard let place = template(named: current.text) else { return [] }
    let value = try replacement(of: place)
    guard case .selector(let selector) = value.node, selector.name == nil, selector.range == nil,
      selector.shift == TimeShift(), selector.edges == nil, selector.alternatives.isEmpty
    else {
      throw failure("expected a template of label matchers alone, such as {a=\"b\"}", at: value.span)
    }
    return selector.matchers
  }

  /// Reads a template within a list of labels into these; nil where none stands.
  mutating func labelTemplate(in context: String) throws(SyntaxError) -> [String]? {
    guard current.kind == .identifier, let place = template(named: current.text) else { return nil }
    let value = try replacement(of: place)
    guard let labels = Self.labels(value) else {
      throw failure("expected a template of labels in \(context), such as (a, b)", at: value.span)
    }
    return labels
  }

  private static func labels(_ value: Expression) -> [String]? {
    switch value.node {
    case .string(let text): return text.isEmpty ? nil : [text]
    case .parenthesized(let inner): return labels(inner)
    case .selector(let selector):
      let isPlain =
        selector.matchers.isEmpty && selector.alternatives.isEmpty && selector.range == nil
        && selector.shift == TimeShift() && selector.edges == nil
      return isPlain ? selector.name.map { [$0] } : nil
    case .call(let call) where call.function == .union:
      var result: [String] = []
      for argument in call.arguments {
        guard let labels = labels(argument) else { return nil }
        result += labels
      }
      return result
    default: return nil
    }
  }

  /// Reads a template within a duration into the number that it stands for.
  mutating func numberTemplate(in context: String) throws(SyntaxError) -> NumberLiteral {
    guard let place = template(named: current.text) else {
      throw unexpected(in: context, expected: "number or duration")
    }
    let value = try replacement(of: place)
    guard case .number(let literal) = value.withoutParentheses.node else {
      throw failure("expected a template of a number or duration in \(context)", at: value.span)
    }
    return literal
  }

  /// Reads a string, or several with `+` between, each of which may be a template of one.
  mutating func text(in context: String) throws(SyntaxError) -> String {
    var result = ""
    repeat {
      let place = current.kind == .identifier ? template(named: current.text) : nil
      if let place {
        let value = try replacement(of: place)
        guard case .string(let text) = value.withoutParentheses.node else {
          throw failure("expected a template of a string in \(context)", at: value.span)
        }
        result += text
      } else {
        result += try expect(.string, in: context).text
      }
      try checkLength(of: result, at: tokens[index - 1].span)
    } while accept(.plus)
    return result
  }

  /// Fails where strings put together grow too long.
  func checkLength(of text: String, at span: SourceSpan) throws(SyntaxError) {
    guard text.utf8.count <= Self.textLengthMax else {
      throw failure("string of more than \(Self.textLengthMax) bytes", at: span)
    }
  }
}
