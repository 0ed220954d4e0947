import NeedletailQueryLanguage

/// A syntax tree in the JSON that Prometheus' `parse_query` answers with and the tree view of its page reads.
///
/// Expressions over logs and spans, which Prometheus has not, are nodes of type `events` with their text.
struct SyntaxTreeJSON {
  private let printer: PrometheusPrinter

  /// For a tree that was parsed from `text`.
  init(_ text: String) { printer = PrometheusPrinter(text) }

  func write(_ expression: Expression, to json: inout JSONWriter) {
    switch expression.node {
    case .number(let literal): Self.number(literal.value, to: &json)
    case .string(let text):
      Self.node("stringLiteral", to: &json) { json in
        json.key("val")
        json.string(text)
      }
    case .selector(let selector): write(selector, expression, to: &json)
    case .subquery(let subquery): write(subquery, to: &json)
    case .call(let call) where call.grouping == nil: write(call, to: &json)
    case .aggregation(let aggregation): write(aggregation, to: &json)
    case .negation(let inner): write(sign: "-", inner, to: &json)
    case .positive(let inner): write(sign: "+", inner, to: &json)
    case .binary(let binary): write(binary, to: &json)
    case .parenthesized(let inner):
      Self.node("parenExpr", to: &json) { json in
        json.key("expr")
        write(inner, to: &json)
      }
    default:
      Self.node("events", to: &json) { json in
        json.key("val")
        json.string(printer.line(expression))
      }
    }
  }

  private static func node(_ type: String, to json: inout JSONWriter, _ body: (inout JSONWriter) -> Void) {
    json.object { json in
      json.key("type")
      json.string(type)
      body(&json)
    }
  }

  private static func number(_ value: Double, to json: inout JSONWriter) {
    node("numberLiteral", to: &json) { json in
      json.key("val")
      json.string(PrometheusPrinter.decimal(value))
    }
  }

  private static func list(_ key: String, _ texts: [String], to json: inout JSONWriter) {
    json.key(key)
    json.array { json in for text in texts { json.string(text) } }
  }

  /// A sign before a number is part of the number.
  private func write(sign: String, _ inner: Expression, to json: inout JSONWriter) {
    if case .number(let literal) = inner.node {
      return Self.number(sign == "-" ? -literal.value : literal.value, to: &json)
    }
    Self.node("unaryExpr", to: &json) { json in
      json.key("op")
      json.string(sign)
      json.key("expr")
      write(inner, to: &json)
    }
  }

  private func write(_ aggregation: Aggregation, to json: inout JSONWriter) {
    Self.node("aggregation", to: &json) { json in
      json.key("op")
      json.string(aggregation.operation.rawValue)
      json.key("expr")
      write(aggregation.expression, to: &json)
      json.key("param")
      if let parameter = aggregation.parameter { write(parameter, to: &json) } else { json.null() }
      Self.list("grouping", aggregation.grouping.labels, to: &json)
      json.key("without")
      json.bool(aggregation.grouping.isWithout)
    }
  }

  // MARK: Operators

  private func write(_ binary: BinaryExpression, to json: inout JSONWriter) {
    Self.node("binaryExpr", to: &json) { json in
      json.key("op")
      json.string(binary.operation.rawValue)
      json.key("lhs")
      write(binary.left, to: &json)
      json.key("rhs")
      write(binary.right, to: &json)
      json.key("matching")
      if binary.left.type == .vector, binary.right.type == .vector {
        Self.write(binary.matching, to: &json)
      } else {
        json.null()
      }
      json.key("bool")
      json.bool(binary.returnsBool)
    }
  }

  private static func write(_ matching: VectorMatching, to json: inout JSONWriter) {
    json.object { json in
      json.key("card")
      switch matching.cardinality {
      case .oneToOne: json.string("one-to-one")
      case .manyToOne: json.string("many-to-one")
      case .oneToMany: json.string("one-to-many")
      case .manyToMany: json.string("many-to-many")
      }
      list("labels", matching.labels, to: &json)
      json.key("on")
      json.bool(matching.isOn)
      list("include", matching.include, to: &json)
      json.key("fillValues")
      json.object { json in
        for (key, fill) in [("lhs", matching.fillLeft), ("rhs", matching.fillRight)] {
          json.key(key)
          if let fill { json.number(fill.value) } else { json.null() }
        }
      }
    }
  }

  // MARK: Calls

  private func write(_ call: Call, to json: inout JSONWriter) {
    let signature = call.function.signature
    Self.node("call", to: &json) { json in
      json.key("func")
      json.object { json in
        json.key("name")
        json.string(call.function.rawValue)
        Self.list("argTypes", signature.parameters.map { Self.name(of: $0) }, to: &json)
        json.key("variadic")
        json.integer(signature.isVariadic ? -1 : signature.optional)
        json.key("returnType")
        json.string(Self.name(of: call.function.result))
      }
      json.key("args")
      json.array { json in for argument in call.arguments { write(argument, to: &json) } }
    }
  }

  private static func name(of type: ValueType) -> String {
    switch type {
    case .scalar: "scalar"
    case .string: "string"
    case .vector: "vector"
    case .range: "matrix"
    case .events: "events"
    }
  }

  // MARK: Selectors

  private func write(_ selector: VectorSelector, _ expression: Expression, to json: inout JSONWriter) {
    Self.node(selector.range == nil ? "vectorSelector" : "matrixSelector", to: &json) { json in
      json.key("name")
      let leads = printer.hasLeadingName(selector, at: expression.span)
      json.string(leads ? selector.name ?? "" : "")
      if let range = selector.range {
        json.key("range")
        json.integer(range)
        Self.duration("rangeExpr", selector.rangeSyntax, to: &json)
      }
      json.key("matchers")
      json.array { json in
        // Prometheus has the name behind the other conditions.
        let all = selector.allMatchers(span: expression.span)
        for matcher in leads ? Array(all.dropFirst() + all.prefix(1)) : all { Self.write(matcher, to: &json) }
      }
      Self.write(selector.shift, to: &json)
      json.key("anchored")
      json.bool(selector.edges == .anchored)
      json.key("smoothed")
      json.bool(selector.edges == .smoothed)
    }
  }

  private static func write(_ matcher: MatcherSyntax, to json: inout JSONWriter) {
    json.object { json in
      for (key, text) in [("name", matcher.name), ("value", matcher.value), ("type", matcher.operation.rawValue)] {
        json.key(key)
        json.string(text)
      }
    }
  }

  private func write(_ subquery: Subquery, to json: inout JSONWriter) {
    Self.node("subquery", to: &json) { json in
      json.key("expr")
      write(subquery.expression, to: &json)
      json.key("range")
      json.integer(subquery.range)
      Self.duration("rangeExpr", subquery.rangeSyntax, to: &json)
      json.key("step")
      json.integer(subquery.resolution ?? 0)
      Self.duration("stepExpr", subquery.resolutionSyntax, to: &json)
      Self.write(subquery.shift, to: &json)
    }
  }

  private static func write(_ shift: TimeShift, to json: inout JSONWriter) {
    json.key("offset")
    json.integer(shift.offset ?? 0)
    duration("offsetExpr", shift.offsetSyntax, to: &json)
    json.key("timestamp")
    if case .time(let time) = shift.anchor { json.integer(time) } else { json.null() }
    json.key("startOrEnd")
    switch shift.anchor {
    case .start: json.string("start")
    case .end: json.string("end")
    case .time, nil: json.null()
    }
  }

  // MARK: Durations

  private static func duration(_ key: String, _ syntax: DurationSyntax?, to json: inout JSONWriter) {
    json.key(key)
    if let syntax { write(syntax.expression, isWrapped: false, to: &json) } else { json.null() }
  }

  private static func write(_ duration: DurationExpression, isWrapped: Bool, to json: inout JSONWriter) {
    switch duration {
    case .number(let literal):
      node("numberLiteral", to: &json) { json in
        json.key("val")
        json.string(PrometheusPrinter.decimal(literal.value))
        json.key("duration")
        json.bool(literal.isDuration)
      }
    case .step: write("step", nil, nil, isWrapped, to: &json)
    case .range: write("range", nil, nil, isWrapped, to: &json)
    case .negation(let inner): write("-", nil, inner, isWrapped, to: &json)
    case .binary(let operation, let left, let right): write(operation.rawValue, left, right, isWrapped, to: &json)
    case .least(let left, let right): write("min_of", left, right, isWrapped, to: &json)
    case .greatest(let left, let right): write("max_of", left, right, isWrapped, to: &json)
    case .parenthesized(let inner): write(inner, isWrapped: true, to: &json)
    }
  }

  private static func write(
    _ operation: String, _ left: DurationExpression?, _ right: DurationExpression?, _ isWrapped: Bool,
    to json: inout JSONWriter
  ) {
    node("durationExpr", to: &json) { json in
      json.key("op")
      json.string(operation)
      for (key, side) in [("lhs", left), ("rhs", right)] {
        json.key(key)
        if let side { write(side, isWrapped: false, to: &json) } else { json.null() }
      }
      json.key("wrapped")
      json.bool(isWrapped)
    }
  }
}
