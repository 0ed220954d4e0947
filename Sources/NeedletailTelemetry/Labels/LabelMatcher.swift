/// One condition of a selector on a label's value. A label that a series does not have counts as the empty string.
package struct LabelMatcher: Sendable {
  package enum Operation: String, Sendable, CaseIterable {
    case equal = "="
    case notEqual = "!="
    case matches = "=~"
    case notMatches = "!~"
  }

  package let name: String
  package let operation: Operation
  package let value: String
  /// The compiled expression, for `=~` and `!~` only; it is anchored at both ends.
  package let expression: RegularExpression?

  /// Compiles the expression of `=~` and `!~`.
  package init(_ name: String, _ operation: Operation, _ value: String) throws(RegularExpressionError) {
    self.name = name
    self.operation = operation
    self.value = value
    switch operation {
    case .equal, .notEqual: expression = nil
    case .matches, .notMatches: expression = try RegularExpression(value)
    }
  }

  /// A matcher for equality, which cannot fail to compile.
  package init(_ name: String, equals value: String) {
    self.name = name
    operation = .equal
    self.value = value
    expression = nil
  }

  /// Whether a label with these bytes as its value (none: the label is missing) satisfies the condition.
  package func matches(_ candidate: UnsafeRawBufferPointer) -> Bool {
    switch operation {
    case .equal: candidate.elementsEqual(value.utf8)
    case .notEqual: !candidate.elementsEqual(value.utf8)
    case .matches: expression?.matchesWhole(candidate) ?? false
    case .notMatches: !(expression?.matchesWhole(candidate) ?? false)
    }
  }

  package func matches(_ candidate: String) -> Bool {
    var candidate = candidate
    return candidate.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
  }

  /// Whether a series that lacks the label satisfies the condition.
  package var matchesEmpty: Bool { matches("") }

  package func matches(_ labels: LabelSet) -> Bool { matches(labels[name] ?? "") }
}

extension LabelMatcher: Hashable, CustomStringConvertible {
  package static func == (left: LabelMatcher, right: LabelMatcher) -> Bool {
    left.name == right.name && left.operation == right.operation && left.value == right.value
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(operation)
    hasher.combine(value)
  }

  package var description: String { "\(name)\(operation.rawValue)\"\(value)\"" }
}
