extension Expression {
  /// Whether anything in it is MetricsQL's alone, and an error to Prometheus.
  ///
  /// O(nodes).
  package var hasMetricsQL: Bool { isMetricsQL || children.contains { $0.hasMetricsQL } }

  private var isMetricsQL: Bool {
    switch node {
    case .selector(let selector): !selector.alternatives.isEmpty
    case .call(let call): call.function.isMetricsQL || call.keepsNames
    case .aggregation(let aggregation): aggregation.operation.isMetricsQL || aggregation.limit != nil
    case .binary(let binary): binary.operation.isConditional || binary.keepsNames
    default: false
    }
  }

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
