// Ranges, resolutions and offsets: one number or duration mostly, and else an expression over such. Between brackets it goes
// as far as it can; after `offset` it ends before the first operator outside parentheses, which is one of the query.

extension Parser {
  /// What a duration comes to, and how it was written where that is more than one number.
  struct Duration {
    /// In milliseconds; of one that hangs on the query 1, until its steps are known.
    var milliseconds: Int64
    var syntax: DurationSyntax?
  }

  /// Reads what stands between brackets.
  mutating func positiveDuration(in context: String) throws(SyntaxError) -> Duration {
    let start = current.span.start
    durationOperators = 0
    let expression = try durationOperand(above: 0, in: context)
    return try duration(expression, from: start, allowsNegative: false)
  }

  /// Reads what stands after `offset`.
  mutating func offsetDuration() throws(SyntaxError) -> Duration {
    let start = current.span.start
    durationOperators = 0
    let expression: DurationExpression
    if current.kind == .minus || current.kind == .plus {
      let isNegative = advance().kind == .minus
      let operand = try durationPrimary(in: "offset")
      expression = isNegative ? Self.negated(operand) : operand
    } else {
      expression = try durationPrimary(in: "offset")
    }
    return try duration(expression, from: start, allowsNegative: true)
  }

  private func duration(
    _ expression: DurationExpression, from start: Int, allowsNegative: Bool
  ) throws(SyntaxError) -> Duration {
    let span = SourceSpan(start: start, end: index > 0 ? tokens[index - 1].span.end : start)
    let syntax = DurationSyntax(expression: expression, span: span)
    var isNumber = false
    if case .number = expression { isNumber = true }
    guard !expression.hangsOnQuery else { return Duration(milliseconds: 1, syntax: syntax) }
    do throws(DurationFailure) {
      let milliseconds = try syntax.milliseconds(QueryTimes(step: 0, range: 0), allowsNegative: allowsNegative)
      return Duration(milliseconds: milliseconds, syntax: isNumber ? nil : syntax)
    } catch {
      throw failure(error.message, at: span)
    }
  }

  private static func negated(_ expression: DurationExpression) -> DurationExpression {
    guard case .number(var literal) = expression else { return .negation(expression) }
    literal.value = -literal.value
    return .number(literal)
  }

  /// Reads as far as operators bind more strongly than `minimum`.
  private mutating func durationOperand(
    above minimum: Int, in context: String
  ) throws(SyntaxError) -> DurationExpression {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingMax else {
      throw failure("expression is nested more than \(Self.nestingMax) levels deep", at: current.span)
    }
    var left: DurationExpression
    if current.kind == .minus || current.kind == .plus {
      let isNegative = advance().kind == .minus
      let operand = try durationOperand(above: BinaryOperator.multiply.precedence, in: context)
      left = isNegative ? Self.negated(operand) : operand
    } else {
      left = try durationPrimary(in: context)
    }
    while let operation = binaryOperator(), operation.precedence > minimum, operation.isOfDurations {
      advance()
      durationOperators += 1
      guard durationOperators <= Self.durationOperatorsMax else {
        throw failure("duration has more than \(Self.durationOperatorsMax) operators", at: current.span)
      }
      // Only the power operator associates to the right.
      let next = operation == .power ? operation.precedence - 1 : operation.precedence
      left = .binary(operation, left, try durationOperand(above: next, in: context))
    }
    return left
  }

  private mutating func durationPrimary(in context: String) throws(SyntaxError) -> DurationExpression {
    let isCall = current.kind == .identifier && ahead(1).kind == .leftParenthesis
    switch current.kind {
    case .number: return .number(NumberLiteral(value: advance().value))
    case .duration: return .number(NumberLiteral(value: advance().value / 1000, isDuration: true))
    case .leftParenthesis:
      advance()
      let inner = try durationOperand(above: 0, in: context)
      try expect(.rightParenthesis, in: context)
      return .parenthesized(inner)
    case .identifier where template(named: current.text) != nil: return .number(try numberTemplate(in: context))
    case .identifier where isCall && (isKeyword("step") || isKeyword("range")):
      let isStep = isKeyword("step")
      advance()
      advance()
      try expect(.rightParenthesis, in: context)
      return isStep ? .step : .range
    case .identifier where isCall && (isKeyword("min_of") || isKeyword("max_of")):
      let isLeast = isKeyword("min_of")
      advance()
      advance()
      let first = try durationOperand(above: 0, in: context)
      try expect(.comma, in: context)
      let second = try durationOperand(above: 0, in: context)
      try expect(.rightParenthesis, in: context)
      return isLeast ? .least(first, second) : .greatest(first, second)
    default: throw unexpected(in: context, expected: "number, duration, step() or range()")
    }
  }
}

extension BinaryOperator {
  /// Whether durations have it.
  fileprivate var isOfDurations: Bool {
    switch self {
    case .add, .subtract, .multiply, .divide, .modulo, .power: true
    default: false
    }
  }
}
