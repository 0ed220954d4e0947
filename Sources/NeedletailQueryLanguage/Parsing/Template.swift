/// A template of `WITH`: a name that stands for an expression from there on.
struct Template {
  /// The name.
  var name: String
  /// What it takes; nil for one that stands for the same everywhere.
  var parameters: [String]?
  /// What it stands for; nil for one with parameters, which is read anew for each use.
  var value: Expression?
  /// How many parts the value has, or how many tokens the body.
  var size: Int
  /// How deep the value is nested.
  var nesting = 0
  /// The tokens of the body.
  var body: Range<Int>
  /// The newest template that can be seen from where this one is defined, and so the next one to look at.
  var previous: Int?

  /// The most that all uses of templates in a query may come to, in parts and in tokens read again.
  ///
  /// A template that uses another twice doubles it, and some dozens of those would be more than any memory.
  static let expansionMax = 20_000
  /// The most templates that can be seen at once.
  static let countMax = 256
}

extension Expression {
  /// How much there is to it: nodes, label matchers and labels, each 64 bytes of text counting as one more.
  ///
  /// O(size).
  var size: Int {
    var size = 0
    walk { size += 1 + $0.ownSize }
    return size
  }

  /// How deep the parser must go to read it as it is printed.
  ///
  /// O(size).
  var nesting: Int {
    switch node {
    case .number, .string, .selector, .events: 0
    case .subquery(let subquery): subquery.expression.nesting
    case .binary(let binary): max(binary.left.nesting, binary.right.nesting + 1)
    default: (children.map(\.nesting).max() ?? 0) + 1
    }
  }

  /// What hangs on this node beside other nodes.
  private var ownSize: Int {
    switch node {
    case .string(let text): Self.size([text])
    case .selector(let selector):
      selector.allAlternatives(span: span).reduce(0) { $0 + Self.size($1) }
    case .events(let selector): Self.size(selector.matchers) + selector.pipeline.count
    case .call(let call): Self.size(call.grouping?.labels ?? [])
    case .aggregation(let aggregation): Self.size(aggregation.grouping.labels)
    case .binary(let binary): Self.size(binary.matching.labels) + Self.size(binary.matching.include)
    default: 0
    }
  }

  private static func size(_ texts: [String]) -> Int { texts.reduce(0) { $0 + 1 + $1.utf8.count / 64 } }

  private static func size(_ matchers: [MatcherSyntax]) -> Int { size(matchers.map(\.value)) }
}
