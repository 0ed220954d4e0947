import NeedletailTelemetry

// What MetricsQL has beyond PromQL: nothing here stands where PromQL has anything but an error.

extension Parser {
  /// Reads the rest of `(a, b)`, which is `union(a, b)`, from the first comma.
  mutating func union(of first: Expression, from start: Int) throws(SyntaxError) -> Expression {
    var arguments = [first]
    while accept(.comma), current.kind != .rightParenthesis { arguments.append(try expression(above: 0)) }
    guard current.kind == .rightParenthesis else {
      throw unexpected(in: "union", expected: "an operator, \",\" or \")\"")
    }
    advance()
    arguments = try metricsQLArguments(arguments, of: .union)
    for argument in arguments { try check(argument, is: .vector, in: "union") }
    return try make(.call(Call(function: .union, arguments: arguments)), from: start)
  }

  /// Two strings with `+` between as one; nil where they are none.
  func concatenation(
    _ left: Expression, _ operation: BinaryOperator, _ right: Expression
  ) throws(SyntaxError) -> Expression? {
    guard operation == .add, case .string(let first) = left.withoutParentheses.node,
      case .string(let second) = right.withoutParentheses.node
    else { return nil }
    try checkLength(of: first + second, at: left.span.union(right.span))
    return try make(.string(first + second), from: left.span.start)
  }

  /// What stands before `keep_metric_names`, keeping them; nil where that is nothing that would drop them.
  mutating func keepingNames(_ expression: Expression) throws(SyntaxError) -> Expression? {
    let start = expression.span.start
    switch expression.node {
    case .call(var call) where !call.keepsNames:
      advance()
      call.keepsNames = true
      return try make(.call(call), from: start)
    case .parenthesized(let inner):
      if case .binary(var binary) = inner.withoutParentheses.node, !binary.keepsNames {
        advance()
        binary.keepsNames = true
        return try make(.parenthesized(Expression(.binary(binary), span: inner.span)), from: start)
      }
      guard case .call = inner.node, let kept = try keepingNames(inner) else { return nil }
      return try make(.parenthesized(kept), from: start)
    default: return nil
    }
  }

  // MARK: Aggregations

  /// Reads `limit 5` behind an aggregation.
  mutating func limit() throws(SyntaxError) -> Int? {
    guard isKeyword("limit") else { return nil }
    advance()
    guard current.kind == .number, let limit = Int(exactly: current.value), limit >= 0 else {
      throw unexpected(in: "limit", expected: "a whole number")
    }
    advance()
    return limit
  }

  /// An aggregation of MetricsQL from its arguments.
  func metricsQLAggregation(
    _ operation: AggregationOperation, of arguments: [Expression], at span: SourceSpan
  ) throws(SyntaxError) -> Aggregation {
    var types: [ValueType] = (operation.parameter.map { [$0] } ?? []) + [.vector]
    if operation == .quantiles {
      types.insert(contentsOf: [ValueType](repeating: .scalar, count: max(1, arguments.count - 2)), at: 1)
    }
    if operation.isRankedOverRange, arguments.count > 2 { types.append(.string) }
    guard arguments.count == types.count else {
      let wanted = operation == .quantiles ? "at least \(types.count)" : "\(types.count)"
      throw failure(
        "wrong number of arguments for aggregate expression, expected \(wanted), found \(arguments.count)", at: span)
    }
    var arguments = arguments
    for index in arguments.indices {
      if types[index] == .vector { arguments[index] = try asVector(arguments[index]) }
      let place = types[index] == .vector ? "expression" : "parameter"
      try check(arguments[index], is: types[index], in: "aggregation \(place)")
    }
    for argument in arguments {
      guard case .string(let text) = argument.withoutParentheses.node, text.isEmpty || text.hasPrefix("=") else {
        continue
      }
      throw failure("expected the name of a label", at: argument.span)
    }
    let isFirst = operation.parameter != nil
    let place = operation.isRankedOverRange ? 1 : arguments.count - 1
    let others = arguments.indices.filter { $0 != place && !($0 == 0 && isFirst) }.map { arguments[$0] }
    return Aggregation(
      operation: operation, parameter: isFirst ? arguments[0] : nil, others: others, expression: arguments[place],
      grouping: Grouping(isWithout: false, labels: []))
  }

  // MARK: Calls

  /// The arguments of one of MetricsQL's functions, with numbers as series where these are wanted.
  func metricsQLArguments(_ arguments: [Expression], of function: Function) throws(SyntaxError) -> [Expression] {
    let signature = function.signature
    var result = arguments
    for index in result.indices {
      switch signature.type(at: index, of: arguments.count) {
      case .vector: result[index] = try asVector(result[index])
      case .range where result[index].isEventRange:
        throw failure("function \"\(function.rawValue)\" is one of series, not of events", at: result[index].span)
      case .string: try checkText(result[index], at: index, of: function)
      default: break
      }
    }
    return result
  }

  private func asVector(_ expression: Expression) throws(SyntaxError) -> Expression {
    guard expression.type == .scalar else { return expression }
    return Expression(.call(Call(function: .vector, arguments: [expression])), span: expression.span)
  }

  /// Fails where a text is one of a few and none of them.
  private func checkText(_ argument: Expression, at index: Int, of function: Function) throws(SyntaxError) {
    guard case .string(let text) = argument.withoutParentheses.node else { return }
    if function == .aggrOverTime {
      guard Function(rawValue: text)?.isPlainOverRange == true else {
        throw failure("expected the name of a function of one range alone, found \"\(text)\"", at: argument.span)
      }
    } else if !function.rollups.isEmpty {
      guard function.rollups.contains(text) else {
        let known = function.rollups.map { "\"\($0)\"" }.joined(separator: ", ")
        throw failure("expected one of \(known), found \"\(text)\"", at: argument.span)
      }
    } else if function == .labelMatch || function == .labelMismatch || function == .labelTransform, index == 2 {
      do {
        _ = try RegularExpression(text)
      } catch {
        throw failure("error parsing regexp: \(error)", at: argument.span)
      }
    } else if text.isEmpty, function.takesLabel(at: index) {
      throw failure("expected the name of a label", at: argument.span)
    }
  }

  /// Reads `("f", "g")` in the first place of `aggr_over_time`, or strings one by one.
  mutating func aggregateArguments(in context: String) throws(SyntaxError) -> ([Expression], SourceSpan) {
    guard ahead(1).kind == .leftParenthesis, ahead(2).kind == .string else { return try argumentList(in: context) }
    advance()
    var (arguments, _) = try argumentList(in: context)
    try expect(.comma, in: context)
    arguments.append(try expression(above: 0))
    return (arguments, try expect(.rightParenthesis, in: context).span)
  }
}
