// Prints a tree as a query that parses to the same tree. One line; where an expression stands is not part of it.

/// Prints expressions.
package enum Printer {
  /// The query's text.
  package static func print(_ expression: Expression) -> String {
    switch expression.node {
    case .number(let literal): return number(literal)
    case .string(let text): return quoted(text)
    case .selector(let selector): return self.selector(selector)
    case .events(let selector): return events(selector)
    case .subquery(let subquery):
      let resolution = subquery.resolution.map { duration($0, subquery.resolutionSyntax) } ?? ""
      let range = duration(subquery.range, subquery.rangeSyntax)
      return "\(print(subquery.expression))[\(range):\(resolution)]\(shift(subquery.shift))"
    case .call(let call):
      let arguments = call.arguments.map { print($0) }.joined(separator: ", ")
      let grouping = call.grouping.map { " " + self.grouping($0) } ?? ""
      return "\(call.function.rawValue)(\(arguments))\(grouping)\(call.keepsNames ? " keep_metric_names" : "")"
    case .aggregation(let aggregation): return self.aggregation(aggregation)
    case .negation(let inner): return "-\(print(inner))"
    case .positive(let inner): return "+\(print(inner))"
    case .parenthesized(let inner):
      guard case .binary(let binary) = inner.node, binary.keepsNames else { return "(\(print(inner)))" }
      return "(\(print(inner))) keep_metric_names"
    case .binary(let binary):
      return "\(print(binary.left)) \(binary.operation.rawValue)\(matching(binary)) \(print(binary.right))"
    }
  }

  private static func aggregation(_ aggregation: Aggregation) -> String {
    var head = aggregation.operation.rawValue
    if aggregation.grouping.isWithout || !aggregation.grouping.labels.isEmpty {
      head += " " + grouping(aggregation.grouping) + " "
    }
    // The series come last, but for the label that what is left over goes by.
    let isLast = !aggregation.operation.isRankedOverRange
    let arguments =
      (aggregation.parameter.map { [$0] } ?? [])
      + (isLast ? aggregation.others + [aggregation.expression] : [aggregation.expression] + aggregation.others)
    let limit = aggregation.limit.map { " limit \($0)" } ?? ""
    return "\(head)(\(arguments.map { print($0) }.joined(separator: ", ")))\(limit)"
  }

  // MARK: Parts

  private static func number(_ literal: NumberLiteral) -> String {
    if literal.isDuration, let milliseconds = Int64(exactly: (literal.value * 1000).rounded()) {
      return NumberSpelling.spell(milliseconds: milliseconds)
    }
    // Not `+Inf`: the sign would be an operator, and bind less strongly than a power.
    return literal.value == .infinity ? "Inf" : number(literal.value)
  }

  /// A number as queries spell it: no `.0` after whole ones, `+Inf`, `-Inf`, `NaN`.
  package static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    let text = value.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// A string in double quotes.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static let reserved: Set<String> = [
    "inf", "nan", "logs", "spans", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset",
    "and", "or", "unless", "atan2",
  ]

  /// Whether a name may stand without quotes; that of a metric may hold colons.
  package static func isWord(_ text: String, colons: Bool) -> Bool {
    let bytes = text.utf8
    guard let first = bytes.first, first.isIdentifierStart || (colons && first == UInt8(ascii: ":")) else {
      return false
    }
    return bytes.allSatisfy { $0.isIdentifierPart || (colons && $0 == UInt8(ascii: ":")) }
  }

  private static func label(_ name: String) -> String { isWord(name, colons: false) ? name : quoted(name) }

  private static func labels(_ names: [String]) -> String { "(\(names.map { label($0) }.joined(separator: ", ")))" }

  private static func matcher(_ matcher: MatcherSyntax) -> String {
    "\(label(matcher.name))\(matcher.operation.rawValue)\(quoted(matcher.value))"
  }

  private static func grouping(_ grouping: Grouping) -> String {
    "\(grouping.isWithout ? "without" : "by") \(labels(grouping.labels))"
  }

  private static func shift(_ shift: TimeShift) -> String {
    var result = ""
    switch shift.anchor {
    case .time(let milliseconds):
      let sign = milliseconds < 0 ? "-" : ""
      let fraction = String(milliseconds.magnitude % 1000)
      let zeros = String(repeating: "0", count: 3 - fraction.count)
      result += " @ \(sign)\(milliseconds.magnitude / 1000).\(zeros)\(fraction)"
    case .start: result += " @ start()"
    case .end: result += " @ end()"
    case nil: break
    }
    if let offset = shift.offset { result += " offset \(duration(offset, shift.offsetSyntax))" }
    return result
  }

  private static func range(_ milliseconds: Int64?, _ syntax: DurationSyntax?) -> String {
    milliseconds.map { "[\(duration($0, syntax))]" } ?? ""
  }

  private static func duration(_ milliseconds: Int64, _ syntax: DurationSyntax?) -> String {
    syntax.map { duration($0.expression) } ?? NumberSpelling.spell(milliseconds: milliseconds)
  }

  private static func duration(_ expression: DurationExpression) -> String {
    switch expression {
    case .number(let literal): number(literal)
    case .step: "step()"
    case .range: "range()"
    case .negation(let inner): "-\(duration(inner))"
    case .binary(let operation, let left, let right):
      "\(duration(left)) \(operation.rawValue) \(duration(right))"
    case .least(let left, let right): "min_of(\(duration(left)), \(duration(right)))"
    case .greatest(let left, let right): "max_of(\(duration(left)), \(duration(right)))"
    case .parenthesized(let inner): "(\(duration(inner)))"
    }
  }

  private static func selector(_ selector: VectorSelector) -> String {
    var parts = selector.matchers.map { matcher($0) }
    var head = ""
    let alternatives = selector.alternatives.map { " or " + $0.map { matcher($0) }.joined(separator: ", ") }.joined()
    if let name = selector.name {
      if isWord(name, colons: true), !reserved.contains(name.lowercased()) {
        head = name
      } else {
        parts.insert(quoted(name), at: 0)
      }
    }
    let braces = parts.isEmpty && !head.isEmpty ? "" : "{\(parts.joined(separator: ", "))\(alternatives)}"
    let edges = selector.edges.map { " \($0.rawValue)" } ?? ""
    return head + braces + range(selector.range, selector.rangeSyntax) + edges + shift(selector.shift)
  }

  private static func matching(_ binary: BinaryExpression) -> String {
    var result = binary.returnsBool ? " bool" : ""
    let matching = binary.matching
    if matching.isExplicit { result += " \(matching.isOn ? "on" : "ignoring") \(labels(matching.labels))" }
    switch matching.cardinality {
    case .manyToOne: result += " group_left \(labels(matching.include))"
    case .oneToMany: result += " group_right \(labels(matching.include))"
    case .oneToOne, .manyToMany: break
    }
    if let fill = matching.fillLeft, fill == matching.fillRight { return result + " fill(\(number(fill)))" }
    if let fill = matching.fillLeft { result += " fill_left(\(number(fill)))" }
    if let fill = matching.fillRight { result += " fill_right(\(number(fill)))" }
    return result
  }

  // MARK: Events

  private static func events(_ selector: EventSelector) -> String {
    let matchers = selector.matchers.map { matcher($0) }.joined(separator: ", ")
    var result = "\(selector.signal.rawValue){\(matchers)}"
    for stage in selector.pipeline { result += " " + self.stage(stage.node) }
    if selector.range != nil { result += " " }
    return result + range(selector.range, selector.rangeSyntax) + shift(selector.shift)
  }

  private static func stage(_ node: PipelineStage.Node) -> String {
    switch node {
    case .line(let operation, let texts):
      return "\(operation.rawValue) \(texts.map { quoted($0) }.joined(separator: " or "))"
    case .field(let condition): return "| \(self.condition(condition))"
    case .parser(let parser, let fields):
      return fields.isEmpty ? "| \(parser.rawValue)" : "| \(parser.rawValue) \(extractions(fields))"
    case .textParser(let parser, let pattern): return "| \(parser.rawValue) \(quoted(pattern))"
    case .lineFormat(let template): return "| line_format \(quoted(template))"
    case .labelFormat(let fields): return "| label_format \(extractions(fields))"
    case .select(let selection, let names):
      return "| \(selection.rawValue) \(names.map { label($0) }.joined(separator: ", "))"
    case .plain(let plain): return "| \(plain.rawValue)"
    case .unwrap(let field, let conversion):
      return conversion.map { "| unwrap \($0)(\(label(field)))" } ?? "| unwrap \(label(field))"
    }
  }

  private static func extractions(_ fields: [PipelineStage.Extraction]) -> String {
    fields.map { field in
      guard let source = field.source else { return label(field.name) }
      return "\(label(field.name))=\(field.isText ? quoted(source) : label(source))"
    }.joined(separator: ", ")
  }

  private static func condition(_ condition: FieldCondition) -> String {
    switch condition {
    case .matches(let matcher): self.matcher(matcher)
    case .compares(let field, let operation, let quantity):
      "\(label(field)) \(operation.rawValue) \(quantity.text)"
    case .and(let left, let right): "(\(self.condition(left)) and \(self.condition(right)))"
    case .or(let left, let right): "(\(self.condition(left)) or \(self.condition(right)))"
    }
  }
}
