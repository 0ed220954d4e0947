// Of two sides that are matched by a label, a condition on that label holds for both or their series do not meet: what one
// side selects by, the other need not read without. Nothing of an answer may change by it but remarks on series that have
// no part in it, and neither may an error: a side of which two series could match the same is an error with every series
// of the other side there, so that side has to be one of which that cannot be.

import NeedletailQueryLanguage
import NeedletailTelemetry

extension Expression {
  /// The tree in which conditions of one side of an operator are those of the other, where that changes no answer.
  ///
  /// O(nodes times height).
  func propagatingMatchers() -> Expression {
    guard matchesVectors else { return self }
    let node: Node
    switch self.node {
    case .number, .string, .selector, .events: return self
    case .subquery(var subquery):
      subquery.expression = subquery.expression.propagatingMatchers()
      node = .subquery(subquery)
    case .call(var call):
      call.arguments = call.arguments.map { $0.propagatingMatchers() }
      node = .call(call)
    case .aggregation(var aggregation):
      aggregation.expression = aggregation.expression.propagatingMatchers()
      node = .aggregation(aggregation)
    case .negation(let inner): node = .negation(inner.propagatingMatchers())
    case .positive(let inner): node = .positive(inner.propagatingMatchers())
    case .parenthesized(let inner): node = .parenthesized(inner.propagatingMatchers())
    case .binary(var binary):
      binary.left = binary.left.propagatingMatchers()
      binary.right = binary.right.propagatingMatchers()
      binary.shareMatchers()
      node = .binary(binary)
    }
    return Expression(node, span: span)
  }

  /// Whether there is an operator between two vectors in it.
  private var matchesVectors: Bool {
    if case .binary(let binary) = node, binary.left.type == .vector, binary.right.type == .vector { return true }
    return children.contains { $0.matchesVectors }
  }

  // MARK: What is known

  /// Conditions on labels that all of its series satisfy.
  fileprivate var conditions: [MatcherSyntax] {
    switch withoutParentheses.node {
    case .selector(let selector):
      guard selector.alternatives.isEmpty else { return [] }
      return selector.matchers.filter { $0.name != LabelSet.nameLabel }
    case .negation(let inner), .positive(let inner): return inner.conditions
    case .call(let call):
      guard call.keepsLabelsOfRange, let argument = call.rangeArgument else { return [] }
      return argument.conditions
    case .aggregation(let aggregation):
      guard aggregation.isPlain else { return [] }
      return aggregation.expression.conditions.filter { aggregation.grouping.keeps($0.name) }
    case .binary(let binary):
      if binary.right.type == .scalar, !binary.operation.isConditional { return binary.left.conditions }
      if binary.left.type == .scalar, !binary.operation.isConditional { return binary.right.conditions }
      return binary.operation == .and || binary.operation == .unless || binary.matchesAll ? binary.left.conditions : []
    default: return []
    }
  }

  /// Whether no two of its series are the same to a matching.
  fileprivate func isUnique(_ matching: VectorMatching) -> Bool {
    switch withoutSigns.node {
    case .selector(let selector):
      return selector.range == nil && isOfOneName && !matching.isOn && matching.labels.isEmpty
    case .call(let call):
      guard call.keepsLabelsOfRange, !call.keepsNames, let argument = call.rangeArgument else { return false }
      return argument.isOfOneName && !matching.isOn && matching.labels.isEmpty
    case .aggregation(let aggregation):
      guard aggregation.isPlain else { return false }
      let grouping = aggregation.grouping
      if matching.isOn { return !grouping.isWithout && Set(grouping.labels).isSubset(of: matching.labels) }
      return matching.labels.allSatisfy { !grouping.keeps($0) }
    case .binary(let binary):
      if binary.operation.isConditional { return false }
      if binary.right.type == .scalar { return binary.left.isUnique(matching) }
      return binary.left.type == .scalar && binary.right.isUnique(matching)
    default: return false
    }
  }

  // MARK: What is made of it

  /// The same with these conditions on all that it reads; itself where that would make it something else.
  fileprivate func narrowed(by conditions: [MatcherSyntax]) -> Expression {
    guard !conditions.isEmpty else { return self }
    switch node {
    case .selector(var selector):
      guard isOfOneName, selector.alternatives.isEmpty else { return self }
      for condition in conditions where !selector.matchers.contains(where: { condition.isSame(as: $0) }) {
        selector.matchers.append(condition)
      }
      return Expression(.selector(selector), span: span)
    case .parenthesized(let inner): return Expression(.parenthesized(inner.narrowed(by: conditions)), span: span)
    case .negation(let inner): return Expression(.negation(inner.narrowed(by: conditions)), span: span)
    case .positive(let inner): return Expression(.positive(inner.narrowed(by: conditions)), span: span)
    case .call(var call):
      guard call.keepsLabelsOfRange, let index = call.arguments.firstIndex(where: { $0.type == .range }) else {
        return self
      }
      call.arguments[index] = call.arguments[index].narrowed(by: conditions)
      return Expression(.call(call), span: span)
    case .aggregation(var aggregation):
      guard aggregation.isPlain else { return self }
      let kept = conditions.filter { aggregation.grouping.keeps($0.name) }
      aggregation.expression = aggregation.expression.narrowed(by: kept)
      return Expression(.aggregation(aggregation), span: span)
    case .binary(var binary):
      guard !binary.operation.isConditional else { return self }
      if binary.right.type == .scalar { binary.left = binary.left.narrowed(by: conditions) }
      if binary.left.type == .scalar { binary.right = binary.right.narrowed(by: conditions) }
      return Expression(.binary(binary), span: span)
    case .number, .string, .events, .subquery: return self
    }
  }
}

extension BinaryExpression {
  /// Gives each side the conditions of the other, as far as they are matched by.
  fileprivate mutating func shareMatchers() {
    guard left.type == .vector, right.type == .vector, matching.fillLeft == nil, matching.fillRight == nil else {
      return
    }
    let (ofLeft, ofRight) = (left.conditions.filter(isMatched), right.conditions.filter(isMatched))
    switch operation {
    case .and:
      left = left.narrowed(by: ofRight)
      right = right.narrowed(by: ofLeft)
    case .unless: right = right.narrowed(by: ofLeft)
    case .or, .fallback, .ifPresent, .ifAbsent: return
    default:
      guard (matching.cardinality == .oneToMany ? left : right).isUnique(matching) else { return }
      left = left.narrowed(by: ofRight)
      right = right.narrowed(by: ofLeft)
    }
  }

  /// Whether what it yields has all labels of either side, but for the name.
  fileprivate var matchesAll: Bool {
    let isWhole = matching.cardinality == .oneToOne && !matching.isOn && matching.labels.isEmpty
    return isWhole && matching.fillLeft == nil && matching.fillRight == nil && !operation.isConditional
  }

  private func isMatched(_ condition: MatcherSyntax) -> Bool {
    matching.labels.contains(condition.name) == matching.isOn
  }
}

extension MatcherSyntax {
  fileprivate func isSame(as other: MatcherSyntax) -> Bool {
    name == other.name && operation == other.operation && value == other.value
  }
}

extension Grouping {
  /// Whether what is grouped has this label of its series.
  fileprivate func keeps(_ label: String) -> Bool { labels.contains(label) != isWithout && label != LabelSet.nameLabel }
}

extension Aggregation {
  /// Whether each of its series has the labels of its group and no others.
  fileprivate var isPlain: Bool {
    switch operation {
    case .sum, .avg, .count, .min, .max, .group, .stddev, .stdvar, .quantile: limit == nil
    default: false
    }
  }
}

extension Call {
  /// Whether each of its series has the labels of one that it reads, but for the name.
  fileprivate var keepsLabelsOfRange: Bool {
    function.isOverRange && function.summary == nil && function != .absentOverTime
  }

  fileprivate var rangeArgument: Expression? {
    arguments.first { argument in
      if case .selector(let selector) = argument.withoutParentheses.node { selector.range != nil } else { false }
    }
  }
}
