import NeedletailTelemetry

// The stages that may follow a selector of events.

extension Parser {
  /// Reads all stages that stand here.
  mutating func pipeline(into selector: inout EventSelector) throws(SyntaxError) {
    while true {
      let start = current.span.start
      let node: PipelineStage.Node
      switch current.kind {
      case .pipeEqual, .notEqual, .pipeMatches, .notMatches: node = try lineFilter()
      case .pipe:
        advance()
        node = try stage()
      default: return
      }
      let span = SourceSpan(start: start, end: tokens[index - 1].span.end)
      selector.pipeline.append(PipelineStage(node: node, span: span))
    }
  }

  private mutating func lineFilter() throws(SyntaxError) -> PipelineStage.Node {
    let token = advance()
    guard let operation = PipelineStage.LineOperation(rawValue: token.kind.symbol) else {
      throw failure("expected a line filter", at: token.span)
    }
    var texts: [String] = []
    repeat {
      let text = try expect(.string, in: "line filter")
      if operation == .matches || operation == .matchesNot {
        do {
          _ = try RegularExpression(text.text)
        } catch {
          throw failure("error parsing regexp: \(error)", at: text.span)
        }
      }
      texts.append(text.text)
    } while acceptKeyword("or")
    return .line(operation, texts)
  }

  private mutating func stage() throws(SyntaxError) -> PipelineStage.Node {
    // A word that an operator follows is a field, even if it is the name of a stage.
    let isCondition =
      BinaryOperator(rawValue: ahead(1).kind.symbol) != nil
      || MatcherSyntax.Operation(rawValue: ahead(1).kind.symbol) != nil
    guard current.kind == .identifier, !isCondition else { return .field(try condition()) }
    let word = current.text
    if let parser = PipelineStage.Parser(rawValue: word) {
      advance()
      return .parser(parser, current.kind == .identifier ? try extractions() : [])
    }
    if let parser = PipelineStage.TextParser(rawValue: word) {
      advance()
      return .textParser(parser, try expect(.string, in: word).text)
    }
    if let selection = PipelineStage.Selection(rawValue: word) {
      advance()
      var names = [try labelName(in: word)]
      while accept(.comma) { names.append(try labelName(in: word)) }
      return .select(selection, names)
    }
    if let plain = PipelineStage.Plain(rawValue: word) {
      advance()
      return .plain(plain)
    }
    switch word {
    case "line_format":
      advance()
      return .lineFormat(try expect(.string, in: word).text)
    case "label_format":
      advance()
      return .labelFormat(try extractions())
    case "unwrap":
      advance()
      return try unwrap()
    default:
      throw unexpected(in: "pipeline", expected: "a stage such as json, logfmt, unwrap, or a condition on a field")
    }
  }

  private mutating func extractions() throws(SyntaxError) -> [PipelineStage.Extraction] {
    var result: [PipelineStage.Extraction] = []
    repeat {
      let name = try labelName(in: "extraction")
      guard accept(.assign) else {
        result.append(PipelineStage.Extraction(name: name, source: nil, isText: false))
        continue
      }
      let isText = current.kind == .string
      let source = isText ? advance().text : try labelName(in: "extraction")
      result.append(PipelineStage.Extraction(name: name, source: source, isText: isText))
    } while accept(.comma)
    return result
  }

  private mutating func unwrap() throws(SyntaxError) -> PipelineStage.Node {
    let conversions = ["duration", "duration_seconds", "bytes"]
    if current.kind == .identifier, ahead(1).kind == .leftParenthesis {
      guard conversions.contains(current.text) else {
        throw unexpected(in: "unwrap", expected: "one of \(conversions.joined(separator: ", "))")
      }
      let conversion = advance().text
      advance()
      let field = try labelName(in: "unwrap")
      try expect(.rightParenthesis, in: "unwrap")
      return .unwrap(field: field, conversion: conversion)
    }
    return .unwrap(field: try labelName(in: "unwrap"), conversion: nil)
  }

  // MARK: Conditions on fields

  private mutating func condition() throws(SyntaxError) -> FieldCondition {
    var left = try conjunction()
    var count = 0
    while acceptKeyword("or") {
      left = .or(left, try conjunction())
      count += 1
      try bound(count)
    }
    return left
  }

  private mutating func conjunction() throws(SyntaxError) -> FieldCondition {
    var left = try comparison()
    var count = 0
    while true {
      guard acceptKeyword("and") || accept(.comma) else { return left }
      left = .and(left, try comparison())
      count += 1
      try bound(count)
    }
  }

  private func bound(_ count: Int) throws(SyntaxError) {
    guard count <= Self.nestingMax else {
      throw failure("more than \(Self.nestingMax) conditions in one stage", at: current.span)
    }
  }

  private mutating func comparison() throws(SyntaxError) -> FieldCondition {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.nestingMax else {
      throw failure("expression is nested more than \(Self.nestingMax) levels deep", at: current.span)
    }
    if accept(.leftParenthesis) {
      let inner = try condition()
      try expect(.rightParenthesis, in: "condition on a field")
      return inner
    }
    let start = current.span
    let field = try labelName(in: "condition on a field")
    let operation = current
    guard
      MatcherSyntax.Operation(rawValue: operation.kind.symbol) != nil
        || BinaryOperator(rawValue: operation.kind.symbol)?.isComparison == true
    else { throw unexpected(in: "condition on a field", expected: "one of =, !=, =~, !~, ==, <, <=, >, >=") }
    advance()
    if current.kind == .string {
      let isEqual = operation.kind == .equal
      guard let comparison = MatcherSyntax.Operation(rawValue: isEqual ? "=" : operation.kind.symbol) else {
        throw unexpected(in: "condition on a field", expected: "number, duration or size")
      }
      let value = advance()
      return .matches(
        try compiled(
          MatcherSyntax(name: field, operation: comparison, value: value.text, span: start.union(value.span))))
    }
    let symbol = operation.kind == .assign ? "==" : operation.kind.symbol
    guard let comparison = BinaryOperator(rawValue: symbol), comparison.isComparison else {
      throw unexpected(in: "condition on a field", expected: "string")
    }
    return .compares(field: field, comparison, try quantity())
  }

  private mutating func quantity() throws(SyntaxError) -> FieldCondition.Quantity {
    let isNegative = accept(.minus)
    let token = current
    let value: Double
    switch token.kind {
    case .number, .quantity: value = token.value
    case .duration: value = token.value / 1000
    default: throw unexpected(in: "condition on a field", expected: "string, number, duration or size")
    }
    advance()
    return FieldCondition.Quantity(
      value: isNegative ? -value : value, text: (isNegative ? "-" : "") + spelling(token.span))
  }
}
