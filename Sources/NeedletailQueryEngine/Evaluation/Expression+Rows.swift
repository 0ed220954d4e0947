import NeedletailQueryLanguage
import NeedletailTelemetry

// What can be told of the rows of an expression's grid without evaluating it.

extension Expression {
  /// Whether it selects series of one metric only.
  var isOfOneName: Bool {
    guard case .selector(let selector) = withoutParentheses.node else { return false }
    let names = selector.allAlternatives(span: span).map { matchers in
      matchers.first { $0.name == LabelSet.nameLabel && $0.operation == .equal && !$0.value.isEmpty }?.value
    }
    return names[0] != nil && names.allSatisfy { $0 == names[0] }
  }

  /// What stands in parentheses and behind plus signs, neither of which changes a value.
  var withoutSigns: Expression {
    switch node {
    case .parenthesized(let inner), .positive(let inner): inner.withoutSigns
    default: self
    }
  }

  /// Whether any two of its rows stand in the same order whatever the steps, as those of the source do.
  ///
  /// Rows that are made of several stand in the order in which they first had a value.
  var hasStableRows: Bool {
    switch withoutSigns.node {
    case .selector: true
    case .negation(let inner): inner.withoutSigns.isOfOneName
    case .call(let call): call.hasStableRows
    case .binary(let binary):
      binary.left.type == .scalar && binary.right.hasStableRowsWithoutName
        || binary.right.type == .scalar && binary.left.hasStableRowsWithoutName
    default: false
    }
  }

  /// The same where the metric's name is dropped, which could make one row of several.
  private var hasStableRowsWithoutName: Bool {
    let inner = withoutSigns
    if case .selector = inner.node { return inner.isOfOneName }
    return inner.hasStableRows
  }
}

extension Call {
  fileprivate var hasStableRows: Bool {
    guard let argument = arguments.first(where: { $0.type == .range }) else { return false }
    return argument.isOfOneName
  }
}
