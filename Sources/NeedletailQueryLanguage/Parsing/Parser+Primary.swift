// Literals, parentheses, calls and aggregations.

extension Parser {
  mutating func primary() throws(SyntaxError) -> Expression {
    let token = current
    let start = token.span.start
    switch token.kind {
    case .number:
      advance()
      return try make(.number(NumberLiteral(value: token.value)), from: start)
    case .duration:
      advance()
      return try make(.number(NumberLiteral(value: token.value / 1000, isDuration: true)), from: start)
    case .quantity:
      guard let value = NumberSpelling.magnitude(Array(spelling(token.span).utf8)[...]) else { break }
      advance()
      return try make(.number(NumberLiteral(value: value)), from: start)
    case .string:
      advance()
      return try make(.string(token.text), from: start)
    case .leftParenthesis:
      advance()
      let inner = try expression(above: 0)
      if current.kind == .comma { return try union(of: inner, from: start) }
      guard current.kind == .rightParenthesis else {
        throw unexpected(in: "parenthesized expression", expected: "an operator or \")\"")
      }
      advance()
      return try make(.parenthesized(inner), from: start)
    case .leftBrace: return try selector()
    case .identifier: return try word()
    default: break
    }
    throw unexpected(in: "expression", expected: "a selector, a number, a function or \"(\"")
  }

  /// Keywords that name a metric only in quotes; the others mean nothing where a metric may stand.
  private static let noNames: Set<String> = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"]

  private mutating func word() throws(SyntaxError) -> Expression {
    let next = ahead(1).kind
    let name = current.text
    if isWith { return try enclosed(try with()) }
    if let template = template(named: name) { return try expansion(of: template) }
    if let operation = AggregationOperation(rawValue: name.lowercased()) {
      let hasGrouping =
        (isKeyword("by", ahead: 1) || isKeyword("without", ahead: 1)) && ahead(2).kind == .leftParenthesis
      if next == .leftParenthesis || hasGrouping { return try aggregation(operation) }
    }
    if next == .leftParenthesis { return try call() }
    guard !Self.noNames.contains(name.lowercased()) else {
      throw unexpected(in: "expression", expected: "a selector, a number, a function or \"(\"")
    }
    return try selector()
  }

  // MARK: Aggregations

  private mutating func aggregation(_ operation: AggregationOperation) throws(SyntaxError) -> Expression {
    let start = advance().span
    var grouping = try self.grouping()
    let (arguments, closing) = try argumentList(in: "aggregation")
    let span = start.union(closing)
    if grouping == nil { grouping = try self.grouping() }
    var node = try aggregation(operation, of: arguments, at: span)
    node.grouping = grouping ?? node.grouping
    node.limit = try limit()
    return try make(.aggregation(node), from: start.start)
  }

  private func aggregation(
    _ operation: AggregationOperation, of arguments: [Expression], at span: SourceSpan
  ) throws(SyntaxError) -> Aggregation {
    if operation.isMetricsQL { return try metricsQLAggregation(operation, of: arguments, at: span) }
    let wanted = operation.parameter == nil ? 1 : 2
    guard arguments.count == wanted, let expression = arguments.last else {
      throw failure(
        "wrong number of arguments for aggregate expression, expected \(wanted), found \(arguments.count)", at: span)
    }
    let parameter = wanted == 2 ? arguments[0] : nil
    if let parameter, let type = operation.parameter {
      try check(parameter, is: type, in: "aggregation parameter")
    }
    try check(expression, is: .vector, in: "aggregation expression")
    return Aggregation(
      operation: operation, parameter: parameter, expression: expression,
      grouping: Grouping(isWithout: false, labels: []))
  }

  /// Reads `by (...)` or `without (...)` if it stands here.
  private mutating func grouping() throws(SyntaxError) -> Grouping? {
    guard isKeyword("by") || isKeyword("without") else { return nil }
    let isWithout = advance().text.lowercased() == "without"
    return Grouping(isWithout: isWithout, labels: try labelList(in: "grouping"))
  }

  /// Reads `(...)`; the argument at `matchersAt`, which is none by default, may be nothing but label matchers.
  mutating func argumentList(
    in context: String, matchersAt place: Int? = nil
  ) throws(SyntaxError) -> ([Expression], SourceSpan) {
    try expect(.leftParenthesis, in: context)
    var arguments: [Expression] = []
    while current.kind != .rightParenthesis {
      arguments.append(arguments.count == place ? try labelSelector(in: context) : try expression(above: 0))
      guard accept(.comma) else { break }
      guard current.kind != .rightParenthesis else {
        throw failure("trailing commas not allowed in function call arguments", at: current.span)
      }
    }
    guard current.kind == .rightParenthesis else {
      throw unexpected(in: context, expected: "an operator, \",\" or \")\"")
    }
    return (arguments, advance().span)
  }

  // MARK: Calls

  private mutating func call() throws(SyntaxError) -> Expression {
    let name = advance()
    guard let function = Function(rawValue: name.text) else {
      throw failure("unknown function with name \"\(name.text)\"", at: name.span)
    }
    let context = "call to function \"\(name.text)\""
    var (arguments, closing) =
      function == .aggrOverTime
      ? try aggregateArguments(in: context) : try argumentList(in: context, matchersAt: function == .info ? 1 : nil)
    if function.isMetricsQL { arguments = try metricsQLArguments(arguments, of: function) }
    try check(arguments, of: function, at: name.span.union(closing))
    var node = Call(function: function, arguments: arguments)
    let overEvents = arguments.contains { $0.isEventRange }
    if isKeyword("by") || isKeyword("without"), ahead(1).kind == .leftParenthesis {
      guard overEvents else {
        throw failure("grouping is only allowed on aggregations and on functions over events", at: current.span)
      }
      node.grouping = try grouping()
    }
    if function.isOverBytes, !overEvents {
      throw failure("function \"\(name.text)\" needs a range of log lines, such as logs{...}[5m]", at: name.span)
    }
    return try make(.call(node), from: name.span.start)
  }

  private func check(
    _ arguments: [Expression], of function: Function, at span: SourceSpan
  ) throws(SyntaxError) {
    let signature = function.signature
    let maximum = signature.parameters.count
    let minimum = maximum - signature.optional
    guard arguments.count >= minimum, signature.takesMore || arguments.count <= maximum else {
      let wanted =
        signature.takesMore || (signature.optional > 0 && arguments.count < minimum)
        ? "at least \(minimum)" : signature.optional > 0 ? "at most \(maximum)" : "\(maximum)"
      throw failure(
        "expected \(wanted) argument(s) in call to \"\(function.rawValue)\", found \(arguments.count)", at: span)
    }
    if let repeated = signature.repeated {
      guard max(0, arguments.count - maximum) % repeated.count == 0 else {
        throw failure(
          "expected \(repeated.count) argument(s) together in call to \"\(function.rawValue)\", the last lacks its "
            + "fellow", at: span)
      }
    }
    for (index, argument) in arguments.enumerated() {
      let type = signature.type(at: index, of: arguments.count)
      try check(argument, is: type, in: "call to function \"\(function.rawValue)\"")
      if type == .range { try checkEdges(argument, of: function) }
    }
  }

  private func checkEdges(_ argument: Expression, of function: Function) throws(SyntaxError) {
    guard case .selector(let selector) = argument.withoutParentheses.node, let rule = selector.edges,
      !rule.functions.contains(function)
    else { return }
    let names = rule.functions.map(\.rawValue).joined(separator: ", ")
    throw failure(
      "\(rule.rawValue) modifier can only be used with: \(names) - not with \(function.rawValue)", at: argument.span)
  }

  func check(_ expression: Expression, is type: ValueType, in context: String) throws(SyntaxError) {
    guard expression.type != type else { return }
    let hint = type == .range && expression.type == .events ? " (add a range such as [5m])" : ""
    throw failure(
      "expected type \(type.rawValue) in \(context), found \(expression.type.rawValue)\(hint)", at: expression.span)
  }
}

extension Expression {
  /// Whether this is a range of logs or spans.
  package var isEventRange: Bool {
    if case .events(let selector) = withoutParentheses.node { return selector.range != nil }
    return false
  }
}
