extension Expression {
  /// What `ru(free, maximum)` stands for: `clamp_min(maximum - clamp_min(free, 0), 0) / clamp_min(maximum, 0) * 100`.
  package static func utilization(free: Expression, of maximum: Expression) -> Expression {
    let span = free.span.union(maximum.span)
    func number(_ value: Double) -> Expression { Expression(.number(NumberLiteral(value: value)), span: span) }
    func positive(_ expression: Expression) -> Expression {
      Expression(.call(Call(function: .clampMin, arguments: [expression, number(0)])), span: span)
    }
    func binary(_ left: Expression, _ operation: BinaryOperator, _ right: Expression) -> Expression {
      let node = BinaryExpression(
        operation: operation, left: left, right: right, returnsBool: false,
        matching: VectorMatching(cardinality: .oneToOne))
      return Expression(.binary(node), span: span)
    }
    let used = positive(binary(maximum, .subtract, positive(free)))
    return binary(binary(used, .divide, positive(maximum)), .multiply, number(100))
  }
}
