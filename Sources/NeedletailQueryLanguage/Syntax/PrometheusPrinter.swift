// Prints a tree as Prometheus' `format_query` prints it, byte for byte: what its clients compare, and what people paste
// back. Expressions of our own, which Prometheus has not, are printed as `Printer` prints them.

/// Prints expressions as Prometheus does.
package struct PrometheusPrinter {
  /// An expression of more bytes is broken into lines.
  private static let lineMax = 100

  /// The query that the tree was parsed from: only it tells a name in front of the braces from one inside of them.
  private let text: [UInt8]

  /// A printer of trees that were parsed from `text`.
  package init(_ text: String) { self.text = Array(text.utf8) }

  /// Whether an expression is printed within a moment: templates can make much of a short text.
  ///
  /// O(nodes).
  package static func canPrint(_ expression: Expression) -> Bool {
    var bytes = 0
    expression.walk { part in
      bytes += 32
      switch part.node {
      case .string(let text): bytes += text.utf8.count
      case .selector(let selector):
        for matchers in [selector.matchers] + selector.alternatives {
          bytes += matchers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 8 }
        }
      default: break
      }
    }
    // Each level copies what is below it.
    return bytes * expression.height <= bytesTimesHeightMax
  }

  private static let bytesTimesHeightMax = 16 << 20

  /// The query in as few lines as its parts fit.
  ///
  /// O(bytes times depth).
  package func pretty(_ expression: Expression) -> String { pretty(expression, 0) }

  /// Whether the selector at a place of the query has its name in front of the braces.
  package func hasLeadingName(_ selector: VectorSelector, at span: SourceSpan) -> Bool {
    selector.name != nil && text.indices.contains(span.start) && text[span.start] != UInt8(ascii: "{")
  }

  private func indent(_ level: Int) -> String { String(repeating: "  ", count: level) }

  private func pretty(_ expression: Expression, _ level: Int) -> String {
    let line = self.line(expression)
    if Self.isMetricsQL(expression) { return indent(level) + line }
    let isLong = line.utf8.count > Self.lineMax
    switch expression.node {
    case .subquery(let subquery):
      // Prometheus does not indent one that fits.
      return isLong ? pretty(subquery.expression, level) + suffix(subquery) : line
    case .negation(let inner), .positive(let inner):
      let sign = if case .negation = expression.node { "-" } else { "+" }
      return indent(level) + sign + String(pretty(inner, level).drop { $0 == " " })
    case .aggregation(let aggregation) where isLong:
      let parameter = aggregation.parameter.map { pretty($0, level + 1) + ",\n" } ?? ""
      let inner = pretty(aggregation.expression, level + 1)
      return "\(indent(level))\(head(aggregation))(\n\(parameter)\(inner)\n\(indent(level)))"
    case .binary(let binary) where isLong:
      let (left, right) = (pretty(binary.left, level + 1), pretty(binary.right, level + 1))
      return "\(left)\n\(indent(level))\(operation(binary))\n\(right)"
    case .call(let call) where isLong && call.grouping == nil:
      let arguments = call.arguments.map { pretty($0, level + 1) }.joined(separator: ",\n")
      return "\(indent(level))\(call.function.rawValue)(\n\(arguments)\n\(indent(level)))"
    case .parenthesized(let inner) where isLong:
      return "\(indent(level))(\n\(pretty(inner, level + 1))\n\(indent(level)))"
    default: return indent(level) + line
    }
  }

  /// The expression in one line.
  package func line(_ expression: Expression) -> String {
    if Self.isMetricsQL(expression) { return Printer.print(expression) }
    switch expression.node {
    case .number(let literal): return Self.number(literal)
    case .string(let text): return Self.quoted(text)
    case .selector(let selector): return self.selector(selector, at: expression.span)
    case .subquery(let subquery): return line(subquery.expression) + suffix(subquery)
    case .call(let call) where call.grouping == nil:
      return "\(call.function.rawValue)(\(call.arguments.map { line($0) }.joined(separator: ", ")))"
    case .aggregation(let aggregation):
      let parameter = aggregation.parameter.map { line($0) + ", " } ?? ""
      return "\(head(aggregation))(\(parameter)\(line(aggregation.expression)))"
    case .negation(let inner): return "-" + line(inner)
    case .positive(let inner):
      if case .number = inner.node { return line(inner) }
      return "+" + line(inner)
    case .parenthesized(let inner): return "(\(line(inner)))"
    case .binary(let binary): return "\(line(binary.left)) \(operation(binary)) \(line(binary.right))"
    default: return Printer.print(expression)
    }
  }

  /// Whether a node is more than what Prometheus has a spelling for; functions are not.
  private static func isMetricsQL(_ expression: Expression) -> Bool {
    switch expression.node {
    case .selector(let selector): !selector.alternatives.isEmpty
    case .call(let call): call.keepsNames
    case .aggregation(let aggregation): aggregation.limit != nil || !aggregation.others.isEmpty
    case .binary(let binary): binary.keepsNames
    case .parenthesized(let inner): if case .binary(let binary) = inner.node { binary.keepsNames } else { false }
    default: false
    }
  }

  /// What stands before the parentheses of an aggregation.
  package func head(_ aggregation: Aggregation) -> String {
    let grouping = aggregation.grouping
    guard grouping.isWithout || !grouping.labels.isEmpty else { return aggregation.operation.rawValue }
    let word = grouping.isWithout ? "without" : "by"
    return "\(aggregation.operation.rawValue) \(word) (\(Self.labels(grouping.labels))) "
  }

  /// An operator with all that stands between its sides.
  package func operation(_ binary: BinaryExpression) -> String {
    binary.operation.rawValue + (binary.returnsBool ? " bool" : "") + matching(binary)
  }

  private func matching(_ binary: BinaryExpression) -> String {
    guard binary.left.type == .vector, binary.right.type == .vector else { return "" }
    let matching = binary.matching
    var result = ""
    let isGrouped = matching.cardinality == .manyToOne || matching.cardinality == .oneToMany
    if matching.isOn || !matching.labels.isEmpty || isGrouped {
      result += " \(matching.isOn ? "on" : "ignoring") (\(Self.labels(matching.labels)))"
    }
    if isGrouped {
      let side = matching.cardinality == .manyToOne ? "left" : "right"
      result += " group_\(side) (\(Self.labels(matching.include)))"
    }
    if let left = matching.fillLeft, left == matching.fillRight { return result + " fill (\(Self.general(left)))" }
    if let left = matching.fillLeft { result += " fill_left (\(Self.general(left)))" }
    if let right = matching.fillRight { result += " fill_right (\(Self.general(right)))" }
    return result
  }

  // MARK: Selectors

  private func selector(_ selector: VectorSelector, at span: SourceSpan) -> String {
    let leads = hasLeadingName(selector, at: span)
    let conditions = leads ? selector.matchers : selector.allMatchers(span: span)
    let parts = conditions.map { Self.label($0.name) + $0.operation.rawValue + Self.quoted($0.value) }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let braces = parts.isEmpty ? "" : "{\(parts.joined(separator: ","))}"
    let head = (leads ? selector.name ?? "" : "") + braces
    let edges = selector.edges.map { " \($0.rawValue)" } ?? ""
    guard let range = selector.range else {
      return head + anchor(selector.shift) + edges + offset(selector.shift)
    }
    return head + "[\(duration(range, selector.rangeSyntax))]" + edges + anchor(selector.shift) + offset(selector.shift)
  }

  private func suffix(_ subquery: Subquery) -> String {
    let resolution = subquery.resolution.map { duration($0, subquery.resolutionSyntax) } ?? ""
    let range = duration(subquery.range, subquery.rangeSyntax)
    return "[\(range):\(resolution)]\(anchor(subquery.shift))\(offset(subquery.shift))"
  }

  private func anchor(_ shift: TimeShift) -> String {
    switch shift.anchor {
    case .time(let milliseconds):
      let fraction = String(milliseconds.magnitude % 1000)
      let zeros = String(repeating: "0", count: 3 - fraction.utf8.count)
      return " @ \(milliseconds < 0 ? "-" : "")\(milliseconds.magnitude / 1000).\(zeros)\(fraction)"
    case .start: return " @ start()"
    case .end: return " @ end()"
    case nil: return ""
    }
  }

  private func offset(_ shift: TimeShift) -> String {
    if let syntax = shift.offsetSyntax { return " offset \(Self.duration(syntax.expression))" }
    guard let offset = shift.offset, offset != 0 else { return "" }
    return " offset \(NumberSpelling.spell(milliseconds: offset))"
  }

  private func duration(_ milliseconds: Int64, _ syntax: DurationSyntax?) -> String {
    syntax.map { Self.duration($0.expression) } ?? NumberSpelling.spell(milliseconds: milliseconds)
  }

  /// A length of time that is worked out.
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

  // MARK: Words

  private static func labels(_ names: [String]) -> String { names.map { label($0) }.joined(separator: ", ") }

  /// The name of a label: quoted where it is no word.
  package static func label(_ name: String) -> String {
    guard let first = name.utf8.first, first.isIdentifierStart, name.utf8.allSatisfy(\.isIdentifierPart) else {
      return quoted(name)
    }
    return name
  }

  private static func number(_ literal: NumberLiteral) -> String {
    if literal.isDuration, let milliseconds = Int64(exactly: (literal.value * 1000).rounded()) {
      return NumberSpelling.spell(milliseconds: milliseconds)
    }
    return decimal(literal.value)
  }

  /// A number without an exponent, however many digits that takes, in the fewest that read back as the same.
  package static func decimal(_ value: Double) -> String {
    guard value.isFinite else { return Printer.number(value) }
    let text = value.magnitude.description
    let sign = value.sign == .minus ? "-" : ""
    let parts = text.split(separator: "e", maxSplits: 1)
    let digits = parts[0].split(separator: ".", maxSplits: 1)
    let (whole, given) = (String(digits[0]), digits.count > 1 ? String(digits[1]) : "")
    let fraction = given == "0" ? "" : given
    guard parts.count == 2, let exponent = Int(parts[1]) else {
      return sign + whole + (fraction.isEmpty ? "" : "." + fraction)
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + whole + fraction }
    let missing = exponent - fraction.utf8.count
    if missing >= 0 { return sign + whole + fraction + String(repeating: "0", count: missing) }
    return sign + whole + fraction.prefix(exponent) + "." + fraction.dropFirst(exponent)
  }

  /// A number as Go prints one whose form nobody chose: with an exponent from 1e21 on and below 1e-4.
  private static func general(_ literal: NumberLiteral) -> String {
    let value = literal.value
    guard value.isFinite, value != 0, value.magnitude >= 1e21 || value.magnitude < 1e-4 else { return decimal(value) }
    let parts = value.description.split(separator: "e", maxSplits: 1)
    let mantissa = parts[0].hasSuffix(".0") ? String(parts[0].dropLast(2)) : String(parts[0])
    guard parts.count == 2, let exponent = Int(parts[1]) else { return mantissa }
    let digits = String(exponent.magnitude)
    return "\(mantissa)e\(exponent < 0 ? "-" : "+")\(digits.utf8.count < 2 ? "0" : "")\(digits)"
  }

  /// A string as Go quotes it: whatever cannot be seen is escaped.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{7}": result += "\\a"
      case "\u{8}": result += "\\b"
      case "\u{c}": result += "\\f"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{b}": result += "\\v"
      case _ where isPrinted(scalar): result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x80: result += "\\x" + hexadecimal(scalar.value, digits: 2)
      case _ where scalar.value < 0x1_0000: result += "\\u" + hexadecimal(scalar.value, digits: 4)
      default: result += "\\U" + hexadecimal(scalar.value, digits: 8)
      }
    }
    return result + "\""
  }

  private static func hexadecimal(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }

  /// Letters, marks, numbers, punctuation, symbols and the plain space.
  private static func isPrinted(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x80 { return scalar.value >= 0x20 && scalar.value < 0x7f }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
      .spaceSeparator:
      return false
    default: return true
    }
  }
}
