import NeedletailQueryGenerator
import NeedletailQueryLanguage
import Testing

@Suite("Generated queries")
struct GeneratedQueryTests {
  private static let vocabulary = QueryVocabulary.shop(anchors: ["1700001500.5", "-1.5", "0"])

  @Test(
    "a generated query parses, its print parses to an equal tree, and printing that changes nothing",
    arguments: 0..<30 as Range<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var generator = ExpressionGenerator(Self.vocabulary, seed.isMultiple(of: 3) ? .shared : .current, seed: seed)
    for number in 0..<200 {
      let query = generator.next(depth: 2 + number % 4)
      guard query.utf8.count <= Parser.textLengthMax else { continue }
      do {
        let expression = try Parser.parse(query)
        let printed = Printer.print(expression)
        let again = try Parser.parse(printed)
        #expect(again.withoutPlaces == expression.withoutPlaces, "seed \(seed): \(query)\nprinted: \(printed)")
        #expect(Printer.print(again) == printed, "seed \(seed): \(query)")
      } catch {
        Issue.record("seed \(seed): \(query)\n\(error)")
      }
    }
  }

  @Test("each limit of the parser is met exactly: what reaches it parses, one more is an error that says so")
  func exactLimits() throws {
    func check(_ what: String, upTo limit: Int, _ text: (Int) -> String) throws {
      _ = try Parser.parse(text(limit))
      let error = #expect(throws: SyntaxError.self, "\(what)") { try Parser.parse(text(limit + 1)) }
      #expect(error?.message.contains("more than") == true, "\(what): \(error?.message ?? "")")
    }
    func parentheses(_ count: Int) -> String {
      String(repeating: "(", count: count) + "a" + String(repeating: ")", count: count)
    }
    try check("length", upTo: Parser.textLengthMax) { "a" + String(repeating: " ", count: $0 - 1) }
    try check("nesting", upTo: Parser.nestingMax) { parentheses($0 - 1) }
    try check("height", upTo: Parser.heightMax) { "a" + String(repeating: " + a", count: $0 - 1) }
    try check("operators of a duration", upTo: Parser.durationOperatorsMax) {
      "a[1m" + String(repeating: "+1m", count: $0) + "]"
    }
  }

  @Test("a seed gives the same queries every time, and others than another seed")
  func seeds() {
    func queries(_ seed: UInt64) -> [String] {
      var generator = ExpressionGenerator(Self.vocabulary, .shared, seed: seed)
      return (0..<50).map { _ in generator.next(depth: 3) }
    }
    #expect(queries(7) == queries(7))
    #expect(queries(7) != queries(8))
    #expect(Set(queries(7)).count > 40)
  }
}

extension Expression {
  /// The tree with all places at zero, so that equal trees of different texts are equal.
  fileprivate var withoutPlaces: Expression {
    let nowhere = SourceSpan(start: 0, end: 0)
    let node: Node
    switch self.node {
    // None is generated that selects events.
    case .number, .string, .events: node = self.node
    case .selector(var selector):
      selector.matchers = selector.matchers.map(\.withoutPlace)
      selector.rangeSyntax?.span = nowhere
      selector.shift.offsetSyntax?.span = nowhere
      node = .selector(selector)
    case .subquery(var subquery):
      subquery.expression = subquery.expression.withoutPlaces
      subquery.rangeSyntax?.span = nowhere
      subquery.resolutionSyntax?.span = nowhere
      subquery.shift.offsetSyntax?.span = nowhere
      node = .subquery(subquery)
    case .call(var call):
      call.arguments = call.arguments.map(\.withoutPlaces)
      node = .call(call)
    case .aggregation(var aggregation):
      aggregation.parameter = aggregation.parameter?.withoutPlaces
      aggregation.expression = aggregation.expression.withoutPlaces
      node = .aggregation(aggregation)
    case .negation(let inner): node = .negation(inner.withoutPlaces)
    case .positive(let inner): node = .positive(inner.withoutPlaces)
    case .parenthesized(let inner): node = .parenthesized(inner.withoutPlaces)
    case .binary(var binary):
      binary.left = binary.left.withoutPlaces
      binary.right = binary.right.withoutPlaces
      node = .binary(binary)
    }
    return Expression(node, span: nowhere)
  }
}

extension MatcherSyntax {
  fileprivate var withoutPlace: MatcherSyntax {
    MatcherSyntax(name: name, operation: operation, value: value, span: SourceSpan(start: 0, end: 0))
  }
}
