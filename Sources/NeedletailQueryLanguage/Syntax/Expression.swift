// The syntax tree that every spelling of a query lowers to. Nodes are values and carry their place in the text. The tree
// knows names and numbers but no data: matchers hold their patterns as text.

/// What an expression yields.
package enum ValueType: String, Sendable, Hashable {
  /// One number at each step.
  case scalar
  /// A text.
  case string
  /// At most one sample per series at each step.
  case vector = "instant vector"
  /// The samples of a range of time per series at each step.
  case range = "range vector"
  /// Log records or spans.
  case events
}

/// An expression and its place in the text.
package struct Expression: Sendable, Hashable {
  /// What it is.
  package let node: Node
  /// Where it stands.
  package var span: SourceSpan
  /// The number of levels of the tree from here down, which bounds whatever recurses over it.
  package let height: Int

  /// A node at a place.
  package init(_ node: Node, span: SourceSpan) {
    self.node = node
    self.span = span
    var below = 0
    for child in Self.children(of: node) { below = max(below, child.height) }
    height = below + 1
  }

  /// The kinds of expression.
  package indirect enum Node: Sendable, Hashable {
    case number(NumberLiteral)
    case string(String)
    case selector(VectorSelector)
    case events(EventSelector)
    case subquery(Subquery)
    case call(Call)
    case aggregation(Aggregation)
    case negation(Expression)
    case positive(Expression)
    case binary(BinaryExpression)
    case parenthesized(Expression)
  }

  /// What it yields.
  ///
  /// O(depth of parentheses and signs).
  package var type: ValueType {
    switch node {
    case .number: .scalar
    case .string: .string
    case .selector(let selector): selector.range == nil ? .vector : .range
    case .events(let selector): selector.range == nil ? .events : .range
    case .subquery: .range
    case .call(let call): call.function.result
    case .aggregation: .vector
    case .negation(let inner), .positive(let inner), .parenthesized(let inner): inner.type
    case .binary(let binary): binary.left.type == .scalar && binary.right.type == .scalar ? .scalar : .vector
    }
  }

  /// The expression without parentheses around it.
  package var withoutParentheses: Expression {
    var result = self
    while case .parenthesized(let inner) = result.node { result = inner }
    return result
  }

  /// The expressions right below.
  package var children: [Expression] { Self.children(of: node) }

  private static func children(of node: Node) -> [Expression] {
    switch node {
    case .number, .string, .selector, .events: []
    case .subquery(let subquery): [subquery.expression]
    case .call(let call): call.arguments
    case .aggregation(let aggregation):
      (aggregation.parameter.map { [$0] } ?? []) + aggregation.others + [aggregation.expression]
    case .negation(let inner), .positive(let inner), .parenthesized(let inner): [inner]
    case .binary(let binary): [binary.left, binary.right]
    }
  }

  /// Calls `visit` with this expression and everything below it, parents first.
  package func walk(_ visit: (Expression) throws -> Void) rethrows {
    try visit(self)
    for child in children { try child.walk(visit) }
  }
}

/// A number, perhaps spelt as a duration (`5m` is 300).
package struct NumberLiteral: Sendable, Hashable {
  /// The value; of a duration, the seconds.
  package var value: Double
  /// Whether it was spelt as a duration.
  package var isDuration = false

  /// Equality by bits, so that NaN equals itself.
  package static func == (left: NumberLiteral, right: NumberLiteral) -> Bool {
    left.isDuration == right.isDuration
      && (left.value.bitPattern == right.value.bitPattern || (left.value.isNaN && right.value.isNaN))
  }

  /// Hashes in keeping with equality.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(value.isNaN ? 0 : value.bitPattern)
    hasher.combine(isDuration)
  }
}

/// One condition on a label in a selector.
package struct MatcherSyntax: Sendable, Hashable {
  /// How the value is compared.
  package enum Operation: String, Sendable, Hashable {
    case equal = "="
    case notEqual = "!="
    case matches = "=~"
    case notMatches = "!~"
  }

  /// The label.
  package var name: String
  /// How.
  package var operation: Operation
  /// The value or the regular expression.
  package var value: String
  /// Where it stands.
  package var span: SourceSpan

  /// A condition.
  package init(name: String, operation: Operation, value: String, span: SourceSpan) {
    self.name = name
    self.operation = operation
    self.value = value
    self.span = span
  }
}

/// The time to which `@` fixes a selector.
package enum TimeAnchor: Sendable, Hashable {
  /// Milliseconds since 1970.
  case time(Int64)
  /// The start of the query's range.
  case start
  /// The end of the query's range.
  case end
}

/// What shifts the time of a selector or subquery: `offset` and `@`.
package struct TimeShift: Sendable, Hashable {
  /// How far into the past, in milliseconds; negative into the future.
  ///
  /// Nil if there is no `offset`.
  package var offset: Int64?
  /// How the offset was written where it is more than one number; while it hangs on the query `offset` is not it.
  package var offsetSyntax: DurationSyntax?
  /// The time that replaces the step's time.
  package var anchor: TimeAnchor?

  /// No shift.
  package init() {}
}

/// How a selector comes to values at the edges of its window, where there is rarely a sample.
package enum EdgeRule: String, Sendable, Hashable {
  /// The last sample before the window stands for its start, and the last one within it for its end.
  ///
  /// Says nothing about an instant selector.
  case anchored
  /// The samples on either side of an edge are joined by a straight line.
  case smoothed

  /// The functions that take ranges with it, by name.
  package var functions: [Function] {
    switch self {
    case .anchored: [.changes, .delta, .increase, .rate, .resets]
    case .smoothed: [.delta, .increase, .rate]
    }
  }
}

/// A selector of series: instant, or with a range.
package struct VectorSelector: Sendable, Hashable {
  /// The metric's name if it stands before (or as a bare string inside) the braces.
  package var name: String?
  /// The conditions as written, without the one that `name` stands for.
  package var matchers: [MatcherSyntax]
  /// What else may hold instead of `matchers`, each of them as good: `{a="1" or b="2", c="3"}`.
  package var alternatives: [[MatcherSyntax]] = []
  /// The range in milliseconds, nil for an instant selector.
  package var range: Int64?
  /// How the range was written where it is more than one number; while it hangs on the query `range` is not it.
  package var rangeSyntax: DurationSyntax?
  /// `anchored` or `smoothed`.
  package var edges: EdgeRule?
  /// `offset` and `@`.
  package var shift = TimeShift()

  /// An instant selector.
  package init(name: String?, matchers: [MatcherSyntax]) {
    self.name = name
    self.matchers = matchers
  }

  /// All conditions but those of the alternatives, the metric's name included.
  package func allMatchers(span: SourceSpan) -> [MatcherSyntax] { named(matchers, span: span) }

  /// The conditions of which any may hold as a whole, the metric's name included in each.
  package func allAlternatives(span: SourceSpan) -> [[MatcherSyntax]] {
    ([matchers] + alternatives).map { named($0, span: span) }
  }

  private func named(_ matchers: [MatcherSyntax], span: SourceSpan) -> [MatcherSyntax] {
    guard let name else { return matchers }
    return [MatcherSyntax(name: "__name__", operation: .equal, value: name, span: span)] + matchers
  }
}

/// A range of the values of an expression: `expression[range:resolution]`.
package struct Subquery: Sendable, Hashable {
  /// What is evaluated.
  package var expression: Expression
  /// The range in milliseconds.
  package var range: Int64
  /// How the range was written where it is more than one number; while it hangs on the query `range` is not it.
  package var rangeSyntax: DurationSyntax?
  /// The distance of the evaluations in milliseconds, nil for the default.
  package var resolution: Int64?
  /// As `rangeSyntax`, of the resolution.
  package var resolutionSyntax: DurationSyntax?
  /// `offset` and `@`.
  package var shift = TimeShift()
}

/// A function call.
package struct Call: Sendable, Hashable {
  /// Which function.
  package var function: Function
  /// Its arguments.
  package var arguments: [Expression]
  /// `by` or `without` after a function over events; nil otherwise.
  package var grouping: Grouping?
  /// Whether the metric's name stays where the function would drop it: `keep_metric_names`.
  package var keepsNames = false
}

/// `by (...)` or `without (...)`.
package struct Grouping: Sendable, Hashable {
  /// Whether the labels are dropped rather than kept.
  package var isWithout: Bool
  /// The labels.
  package var labels: [String]
}

/// An aggregation over series.
package struct Aggregation: Sendable, Hashable {
  /// Which.
  package var operation: AggregationOperation
  /// The parameter of those that take one.
  package var parameter: Expression?
  /// The parameters of those that take more than one.
  package var others: [Expression] = []
  /// What is aggregated.
  package var expression: Expression
  /// The labels of the groups; `by ()` if none were named.
  package var grouping: Grouping
  /// The most series that it yields; nil for all.
  package var limit: Int?
}

/// The binary operators.
package enum BinaryOperator: String, Sendable, Hashable, CaseIterable {
  case or, unless, and, atan2
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case modulo = "%"
  case power = "^"
  /// What of a histogram lies below a number.
  case trimUpper = "</"
  /// What of a histogram lies above a number.
  case trimLower = ">/"
  /// The left side, and where it has nothing the right one.
  case fallback = "default"
  /// The left side where the right one has something.
  case ifPresent = "if"
  /// The left side where the right one has nothing.
  case ifAbsent = "ifnot"

  /// How strongly it binds; more is stronger.
  package var precedence: Int {
    switch self {
    case .fallback: 1
    case .ifPresent, .ifAbsent: 2
    case .or: 3
    case .and, .unless: 4
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .trimUpper, .trimLower: 5
    case .add, .subtract: 6
    case .multiply, .divide, .modulo, .atan2: 7
    case .power: 8
    }
  }

  /// Whether it compares.
  package var isComparison: Bool { precedence == 5 && !isTrim }
  /// Whether it takes a part of a histogram.
  package var isTrim: Bool { self == .trimUpper || self == .trimLower }
  /// Whether it combines sets of series.
  package var isSet: Bool { self == .or || self == .and || self == .unless }
  /// Whether it chooses by what is there and what is missing; NaN is missing.
  package var isConditional: Bool { self == .fallback || self == .ifPresent || self == .ifAbsent }
}

/// How the series of both sides of an operator find each other.
package struct VectorMatching: Sendable, Hashable {
  /// How many series of either side may share a match.
  package enum Cardinality: Sendable, Hashable {
    case oneToOne
    /// `group_left`.
    case manyToOne
    /// `group_right`.
    case oneToMany
    /// The set operators.
    case manyToMany
  }

  /// How many.
  package var cardinality: Cardinality
  /// Whether `labels` came with `on` rather than `ignoring`.
  package var isOn: Bool
  /// The labels to match on, or to ignore.
  package var labels: [String]
  /// The labels to take over from the "one" side.
  package var include: [String]
  /// Whether `on` or `ignoring` was written.
  package var isExplicit: Bool
  /// What stands for a series of the left side that is missing: `fill_left`, or `fill` for both.
  package var fillLeft: NumberLiteral?
  /// What stands for a series of the right side that is missing.
  package var fillRight: NumberLiteral?

  /// Matching on all labels.
  package init(cardinality: Cardinality) {
    self.cardinality = cardinality
    isOn = false
    labels = []
    include = []
    isExplicit = false
  }
}

/// An operator between two expressions.
package struct BinaryExpression: Sendable, Hashable {
  /// Which.
  package var operation: BinaryOperator
  /// The left side.
  package var left: Expression
  /// The right side.
  package var right: Expression
  /// Whether a comparison yields 0 and 1 rather than filters.
  package var returnsBool: Bool
  /// How series match, where both sides are vectors.
  package var matching: VectorMatching
  /// Whether the metric's name stays where the operator would drop it: `keep_metric_names`.
  package var keepsNames = false
}
