// Binary operators with `bool`, `on`, `ignoring`, `group_left` and `group_right`.

extension Parser {
  /// Reads the operator that stands here and its right side.
  mutating func binary(_ left: Expression, _ operation: BinaryOperator) throws(SyntaxError) -> Expression {
    let operatorSpan = advance().span
    var returnsBool = false
    if isKeyword("bool") {
      guard operation.isComparison else {
        throw failure("bool modifier can only be used on comparison operators", at: current.span)
      }
      advance()
      returnsBool = true
    }
    let matchingStart = current.span
    var matching = try self.matching(operation)
    let fillStart = current.span
    try fills(into: &matching)
    let fills = matching.fillLeft != nil || matching.fillRight != nil
    if fills, operation.isSet || operation.isConditional {
      let kind = operation.isSet ? "set operators" : "\"\(operation.rawValue)\""
      throw failure("filling in missing series not allowed for \(kind)", at: fillStart)
    }
    // Only the power operator associates to the right.
    let minimum = operation == .power ? operation.precedence - 1 : operation.precedence
    let right = try expression(above: minimum)
    if let text = try concatenation(left, operation, right) { return text }
    let keepsNames = acceptKeyword("keep_metric_names")
    try check(left, operation, right, returnsBool: returnsBool, at: operatorSpan)
    // To a number series are matched as to one without labels, where that is how they are matched at all.
    let isNumberASeries = operation.isConditional && (left.type == .vector || right.type == .vector)
    if left.type != .vector || right.type != .vector, !isNumberASeries {
      // Matching on no labels says nothing, and may stand.
      guard !matching.isExplicit || matching.labels.isEmpty else {
        throw failure("vector matching only allowed between instant vectors", at: matchingStart)
      }
      guard !fills else {
        throw failure("filling in missing series only allowed between instant vectors", at: fillStart)
      }
      matching = VectorMatching(cardinality: .oneToOne)
    }
    let node = BinaryExpression(
      operation: operation, left: left, right: right, returnsBool: returnsBool, matching: matching,
      keepsNames: keepsNames)
    let expression = try make(.binary(node), from: left.span.start)
    // What comes behind would else be thought to be kept names of, too.
    return keepsNames ? try make(.parenthesized(expression), from: left.span.start) : expression
  }

  private func check(
    _ left: Expression, _ operation: BinaryOperator, _ right: Expression, returnsBool: Bool, at span: SourceSpan
  ) throws(SyntaxError) {
    for side in [left, right] where side.type != .scalar && side.type != .vector {
      throw failure(
        "binary expression must contain only scalar and instant vector types, found \(side.type.rawValue)",
        at: side.span)
    }
    if operation.isSet, left.type == .scalar || right.type == .scalar {
      throw failure("set operator \"\(operation.rawValue)\" not allowed in binary scalar expression", at: span)
    }
    if operation.isTrim, left.type == .scalar, right.type == .scalar {
      throw failure("operator \"\(operation.rawValue)\" needs a histogram on its left", at: span)
    }
    if operation.isComparison, !returnsBool, left.type == .scalar, right.type == .scalar {
      throw failure("comparisons between scalars must use bool modifier", at: span)
    }
  }

  private mutating func matching(_ operation: BinaryOperator) throws(SyntaxError) -> VectorMatching {
    let isManyToMany = operation.isSet || operation.isConditional
    var matching = VectorMatching(cardinality: isManyToMany ? .manyToMany : .oneToOne)
    guard isKeyword("on") || isKeyword("ignoring"), ahead(1).kind == .leftParenthesis else { return matching }
    matching.isOn = advance().text.lowercased() == "on"
    matching.isExplicit = true
    matching.labels = try labelList(in: "grouping")
    guard isKeyword("group_left") || isKeyword("group_right") else { return matching }
    let keyword = advance()
    guard !operation.isSet else {
      throw failure("no grouping allowed for \"\(operation.rawValue)\" operation", at: keyword.span)
    }
    if operation.isConditional {
      // Any number of series on either side may match, and the labels stay those of the left side.
      let labels = current.kind == .leftParenthesis ? try labelList(in: "grouping") : []
      guard labels.isEmpty else {
        throw failure("no labels allowed in the grouping of \"\(operation.rawValue)\"", at: keyword.span)
      }
      return matching
    }
    matching.cardinality = keyword.text.lowercased() == "group_left" ? .manyToOne : .oneToMany
    if current.kind == .leftParenthesis { matching.include = try labelList(in: "grouping") }
    if matching.isOn, let label = matching.include.first(where: { matching.labels.contains($0) }) {
      throw failure("label \"\(label)\" must not occur in ON and GROUP clause at once", at: keyword.span)
    }
    return matching
  }

  /// Reads `fill(0)`, or `fill_left(0)` and `fill_right(0)` in either order, each of which is a metric's name elsewhere.
  private mutating func fills(into matching: inout VectorMatching) throws(SyntaxError) {
    while ahead(1).kind == .leftParenthesis {
      switch current.kind == .identifier ? current.text.lowercased() : "" {
      case "fill" where matching.fillLeft == nil && matching.fillRight == nil:
        matching.fillLeft = try fillValue()
        matching.fillRight = matching.fillLeft
        return
      case "fill_left" where matching.fillLeft == nil: matching.fillLeft = try fillValue()
      case "fill_right" where matching.fillRight == nil: matching.fillRight = try fillValue()
      default: return
      }
    }
  }

  private mutating func fillValue() throws(SyntaxError) -> NumberLiteral {
    advance()
    try expect(.leftParenthesis, in: "fill modifier")
    let isNegative = current.kind == .minus
    if !accept(.minus) { _ = accept(.plus) }
    guard current.kind == .number || current.kind == .duration else {
      throw unexpected(in: "fill modifier", expected: "number or duration")
    }
    let token = advance()
    try expect(.rightParenthesis, in: "fill modifier")
    let isDuration = token.kind == .duration
    let value = isDuration ? token.value / 1000 : token.value
    return NumberLiteral(value: isNegative ? -value : value, isDuration: isDuration)
  }

  /// Reads `(a, "b c", d)`, a comma at the end allowed.
  mutating func labelList(in context: String) throws(SyntaxError) -> [String] {
    try expect(.leftParenthesis, in: context)
    var labels: [String] = []
    while current.kind != .rightParenthesis {
      if let expanded = try labelTemplate(in: context) {
        labels += expanded
      } else {
        labels.append(try labelName(in: context))
      }
      guard accept(.comma) else { break }
    }
    guard current.kind == .rightParenthesis else { throw unexpected(in: context, expected: "\",\" or \")\"") }
    advance()
    return labels
  }

  /// Reads a label's name: a word without colons, or a string.
  mutating func labelName(in context: String) throws(SyntaxError) -> String {
    let token = current
    let isWord = token.kind == .identifier && !token.text.utf8.contains(UInt8(ascii: ":"))
    // `inf` and `nan` are labels here, numbers elsewhere.
    let isNumberWord = token.kind == .number && !token.text.isEmpty
    guard isWord || isNumberWord || (token.kind == .string && !token.text.isEmpty) else {
      throw unexpected(in: context, expected: "label")
    }
    return advance().text
  }
}
