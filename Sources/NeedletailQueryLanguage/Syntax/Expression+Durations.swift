// A tree whose durations hang on the query becomes one with numbers in their place, before anything evaluates it.

extension Expression {
  /// The durations of this node that are more than one number.
  private var ownDurations: [DurationSyntax] {
    switch node {
    case .selector(let selector): [selector.rangeSyntax, selector.shift.offsetSyntax].compactMap { $0 }
    case .events(let selector): [selector.rangeSyntax, selector.shift.offsetSyntax].compactMap { $0 }
    case .subquery(let subquery):
      [subquery.rangeSyntax, subquery.resolutionSyntax, subquery.shift.offsetSyntax].compactMap { $0 }
    default: []
    }
  }

  private func hasDuration(_ test: (DurationExpression) -> Bool) -> Bool {
    ownDurations.contains { test($0.expression) } || children.contains { $0.hasDuration(test) }
  }

  /// Whether a duration in it hangs on how far the query reaches.
  package var hangsOnQueryRange: Bool { hasDuration(\.hangsOnRange) }

  /// The tree with the milliseconds of all durations worked out.
  ///
  /// O(nodes), and nothing at all where none hangs on the query. Throws where one is not what it may be; `text` is what
  /// the error points into.
  package func resolvingDurations(_ times: QueryTimes, text: String) throws(SyntaxError) -> Expression {
    guard hasDuration(\.hangsOnQuery) else { return self }
    return try resolved(times, text)
  }

  private func resolved(_ times: QueryTimes, _ text: String) throws(SyntaxError) -> Expression {
    func value(
      _ syntax: DurationSyntax?, _ known: Int64?, allowsNegative: Bool = false
    ) throws(SyntaxError) -> Int64? {
      guard let syntax else { return known }
      do throws(DurationFailure) {
        return try syntax.milliseconds(times, allowsNegative: allowsNegative)
      } catch {
        throw SyntaxError(error.message, span: syntax.span, text: text)
      }
    }
    func shift(_ shift: TimeShift) throws(SyntaxError) -> TimeShift {
      var shift = shift
      shift.offset = try value(shift.offsetSyntax, shift.offset, allowsNegative: true)
      return shift
    }
    let node: Node
    switch self.node {
    case .number, .string: return self
    case .selector(var selector):
      selector.range = try value(selector.rangeSyntax, selector.range)
      selector.shift = try shift(selector.shift)
      node = .selector(selector)
    case .events(var selector):
      selector.range = try value(selector.rangeSyntax, selector.range)
      selector.shift = try shift(selector.shift)
      node = .events(selector)
    case .subquery(var subquery):
      subquery.range = try value(subquery.rangeSyntax, subquery.range) ?? subquery.range
      subquery.resolution = try value(subquery.resolutionSyntax, subquery.resolution)
      subquery.shift = try shift(subquery.shift)
      subquery.expression = try subquery.expression.resolved(times, text)
      node = .subquery(subquery)
    case .call(var call):
      for index in call.arguments.indices { call.arguments[index] = try call.arguments[index].resolved(times, text) }
      node = .call(call)
    case .aggregation(var aggregation):
      if let parameter = aggregation.parameter { aggregation.parameter = try parameter.resolved(times, text) }
      for index in aggregation.others.indices {
        aggregation.others[index] = try aggregation.others[index].resolved(times, text)
      }
      aggregation.expression = try aggregation.expression.resolved(times, text)
      node = .aggregation(aggregation)
    case .negation(let inner): node = .negation(try inner.resolved(times, text))
    case .positive(let inner): node = .positive(try inner.resolved(times, text))
    case .parenthesized(let inner): node = .parenthesized(try inner.resolved(times, text))
    case .binary(var binary):
      binary.left = try binary.left.resolved(times, text)
      binary.right = try binary.right.resolved(times, text)
      node = .binary(binary)
    }
    return Expression(node, span: span)
  }
}
